"""How a run is driven: forward, again after a crash, backward after a failure, and never by two at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from tests.fix_control_plane import wait_until
from tests.fix_state import StateDatabase
from tests.fix_things import unique

from changeover.errors import InvalidParams, LeaderGone, RunConflict
from changeover.runs import dispatcher
from changeover.runs.dispatcher import Dispatcher
from changeover.runs.driver import LOCKED_S, Driver
from changeover.runs.run import Advance, Outcome, Run, Step, TakenOver, Wait, Workflow
from changeover.runs.starting import cancel_run, start_run
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import RunRow


class Story:
    """A workflow whose steps write down what happened."""

    def __init__(self, database: StateDatabase) -> None:
        self.database = database
        self.told: list[str] = []
        self.acts: dict[str, Callable[[Run], Awaitable[Outcome]]] = {}

    def step(self, name: str, **options: Any) -> Step:
        async def act(run: Run) -> Outcome:
            self.told.append(name)
            return await self.acts[name](run) if name in self.acts else Advance()

        async def undo(_run: Run) -> None:
            self.told.append(f"undo {name}")

        return Step(name, act, f"Do {name}", undo=undo, **options)

    def driver(self, **options: Any) -> Driver:
        steps = tuple(self.step(name, **options) for name in ("one", "two", "three"))
        return Driver(self.database.connect, {"story": Workflow("story", steps)})

    async def start(self) -> int:
        async with await self.database.connect() as db:
            run = await start_run(
                db, kind="story", first_step="one", subject=unique("thing"), app=None, account_id=uuid4(), host="local",
                given={"n": 1},
            )  # fmt: skip
        return run.id

    async def row(self, run_id: int) -> RunRow:
        async with await self.database.connect() as db:
            return await query.only(db, RunRow, "runs.find", id=run_id)

    def journal(self, run_id: int) -> list[tuple[str, str]]:
        return self.database.look(f"SELECT step, event FROM run_journal WHERE run_id = {run_id} ORDER BY id")


@pytest.fixture
def story(state_database: StateDatabase) -> Story:
    return Story(state_database)


def once(outcome: Outcome | Exception) -> Callable[[Run], Awaitable[Outcome]]:
    """Answers or raises that the first time, advances afterwards."""
    left = [outcome]

    async def act(_run: Run) -> Outcome:
        if not left:
            return Advance()
        given = left.pop()
        if isinstance(given, Exception):
            raise given
        return given

    return act


def always(error: Exception) -> Callable[[Run], Awaitable[Outcome]]:
    async def act(_run: Run) -> Outcome:
        raise error

    return act


async def test_a_run_goes_through_its_steps_and_writes_each_down(story: Story) -> None:
    run = await story.start()

    await story.driver().drive(run)

    assert story.told == ["one", "two", "three"]
    assert story.journal(run) == [("one", "done"), ("two", "done"), ("three", "done")]
    assert (await story.row(run)).status == "done"


async def test_a_step_that_waits_is_asked_again_and_says_why(story: Story) -> None:
    seen: list[RunRow] = []
    run = await story.start()

    async def wait_twice(_run: Run) -> Outcome:
        seen.append(await story.row(run))
        return Wait(0.01, f"the {len(seen)}. reason", percent=10) if len(seen) < 3 else Advance()

    story.acts["two"] = wait_twice
    await story.driver().drive(run)

    assert story.told == ["one", "two", "two", "two", "three"]
    assert [(row.status, row.waits_because, row.percent) for row in seen[1:]] == [
        ("waiting", "the 1. reason", 10), ("waiting", "the 2. reason", 10),
    ]  # fmt: skip


async def test_a_failure_turns_back_and_undoes_in_reverse(story: Story) -> None:
    story.acts["two"] = always(InvalidParams("Nothing good.", why="Because.", fix="Mend it."))
    run = await story.start()

    await story.driver().drive(run)

    row = await story.row(run)
    assert story.told == ["one", "two", "undo two", "undo one"]
    assert (row.status, (row.error or {})["id"], (row.error or {})["fix"]) == ("failed", "invalid_params", "Mend it.")


async def test_a_bug_is_undone_too_and_tells_the_user_no_details(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    story.acts["two"] = always(ZeroDivisionError("secret detail"))
    run = await story.start()

    await story.driver().drive(run)

    row = await story.row(run)
    assert story.told[-2:] == ["undo two", "undo one"]
    assert (row.error or {})["id"] == "internal_error"
    assert "secret detail" not in str(row.error)
    assert "ZeroDivisionError" in caplog.text


async def test_a_retryable_failure_is_tried_again(story: Story) -> None:
    story.acts["two"] = once(LeaderGone("The leader is away."))
    run = await story.start()

    await story.driver().drive(run)

    assert story.told == ["one", "two", "two", "three"]
    assert ("two", "retry") in story.journal(run)


async def test_what_fails_too_often_is_given_up(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.runs.driver.RETRY_PAUSES_S", (0.0,))
    turns = [0]

    async def now_and_then(_run: Run) -> Outcome:
        turns[0] += 1
        if turns[0] % 2:
            raise LeaderGone("The leader is away.")
        return Wait(0, "it is copied")

    story.acts["two"] = now_and_then
    run = await story.start()

    await story.driver(most_retries=3).drive(run)

    assert (await story.row(run)).status == "failed"
    assert story.journal(run).count(("two", "retry")) == 3


async def test_a_step_past_its_deadline_fails_saying_what_it_waited_for(story: Story) -> None:
    async def wait(_run: Run) -> Outcome:
        return Wait(0.01, "the moon")

    story.acts["two"] = wait
    run = await story.start()

    await story.driver(deadline_s=0.1).drive(run)

    error = (await story.row(run)).error or {}
    assert error["id"] == "step_deadline"
    assert "the moon" in error["why"]


@pytest.mark.parametrize("by", ["interval '3 days'", "interval '-3 days'"])
async def test_a_clock_that_is_set_does_not_end_a_step(story: Story, by: str) -> None:
    async def wait_through_a_jump(run: Run) -> Outcome:
        story.database.look(f"UPDATE state.runs SET step_began_at = now() - {by} WHERE id = {run.id} RETURNING id")
        return Wait(0.01, "the moon") if story.told.count("two") < 3 else Advance()

    story.acts["two"] = wait_through_a_jump
    run = await story.start()

    await story.driver(deadline_s=60).drive(run)

    assert (await story.row(run)).status == "done"


async def test_a_worker_asks_a_waiting_run_soon_that_another_one_left(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be waiting for a time that is over: the clock may have been set back since."""
    monkeypatch.setattr(dispatcher, "LONGEST_TRUSTED_S", 0.2)
    story.acts["two"] = once(Wait(3600.0, "an hour"))
    run = await story.start()
    await story.driver().drive(run, leave)

    @asynccontextmanager
    async def connected() -> AsyncIterator[Db]:
        async with await story.database.connect() as db:
            yield db

    later = Dispatcher(story.driver(), {}, connected, host="local")
    await later.sweep()
    going = asyncio.create_task(later.run())
    await asyncio.to_thread(
        wait_until,
        lambda: story.database.look(f"SELECT FROM runs WHERE id = {run} AND status = 'done'"),
        what="its end",
    )
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)


async def test_a_cancelled_run_turns_back(story: Story) -> None:
    run = await story.start()

    async def cancel_myself(held: Run) -> Outcome:
        async with await story.database.connect() as db:
            await cancel_run(db, held.id)
        return Wait(0, "a moment")

    story.acts["two"] = cancel_myself
    await story.driver().drive(run)

    assert story.told == ["one", "two", "undo two", "undo one"]
    assert ((await story.row(run)).error or {})["id"] == "run_cancelled"


async def test_after_a_crash_the_step_runs_again_under_a_higher_epoch(story: Story) -> None:
    run = await story.start()
    reached = asyncio.Event()

    async def hang(_run: Run) -> Outcome:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    story.acts["two"] = hang
    crashing = asyncio.create_task(story.driver().drive(run))
    await reached.wait()
    crashing.cancel()
    await asyncio.gather(crashing, return_exceptions=True)
    del story.acts["two"]

    await story.driver().drive(run)

    assert story.told == ["one", "two", "two", "three"]
    assert (await story.row(run)).epoch == 2


async def test_a_second_driver_does_nothing_while_the_first_one_lives(story: Story) -> None:
    run = await story.start()

    async def call_another(_run: Run) -> Outcome:
        await story.driver().drive(run)
        return Advance()

    story.acts["one"] = call_another
    await story.driver().drive(run)

    assert story.told == ["one", "two", "three"]
    assert (await story.row(run)).epoch == 1


async def test_whose_epoch_is_over_can_write_nothing_more(story: Story) -> None:
    run = await story.start()
    refused: list[bool] = []

    async def be_taken_over(held: Run) -> Outcome:
        async with await story.database.connect() as other:
            await query.only(other, RunRow, "runs.take_over", id=run)
        try:
            async with held.transaction() as db:
                await db.execute("CREATE TABLE never_made (id int)")
        except TakenOver:
            refused.append(True)
        return Advance()

    story.acts["two"] = be_taken_over
    await story.driver().drive(run)

    assert refused == [True]
    assert (await story.row(run)).step == "two"
    assert story.database.look("SELECT to_regclass('never_made')") == [(None,)]


async def test_who_loses_the_state_connection_stops_acting(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.runs.driver.HEARTBEAT_S", 0.05)
    run = await story.start()
    was_stopped: list[bool] = []

    async def lose_it(held: Run) -> Outcome:
        async with await story.database.connect() as other:
            await other.execute("SELECT pg_terminate_backend(%s)", [held.db.info.backend_pid])
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            was_stopped.append(True)
            raise
        return Advance()

    story.acts["two"] = lose_it
    await story.driver().drive(run)

    assert was_stopped == [True]
    assert ((await story.row(run)).status, (await story.row(run)).step) == ("running", "two")


async def leave(seconds: float, _is_urgent: bool) -> float:
    """Gives the slot back whenever the run waits."""
    return seconds


async def test_a_run_that_waits_for_long_returns_its_connection_and_lock(story: Story) -> None:
    story.acts["two"] = once(Wait(3600.0, "an hour"))
    run = await story.start()

    left = await story.driver().drive(run, leave)

    row = await story.row(run)
    assert (left, row.status, row.waits_because) == (3600.0, "waiting", "an hour")
    assert row.wakes_at is not None
    assert 3500 < (row.wakes_at - row.updated_at).total_seconds() < 3700
    async with await story.database.connect() as db:
        assert await query.values(db, "runs.try_lock", id=run) == [True]


async def test_the_driver_that_parked_a_run_goes_on_under_the_same_epoch(story: Story) -> None:
    story.acts["two"] = once(Wait(3600.0, "an hour"))
    run = await story.start()
    driver = story.driver()

    await driver.drive(run, leave)
    assert await driver.drive(run, leave) is None

    row = await story.row(run)
    assert story.told == ["one", "two", "two", "three"]
    assert (row.status, row.epoch, row.wakes_at) == ("done", 1, None)


async def test_after_a_restart_during_a_wait_another_driver_goes_on_under_a_higher_epoch(story: Story) -> None:
    story.acts["two"] = once(Wait(3600.0, "an hour"))
    run = await story.start()
    former = story.driver()

    await former.drive(run, leave)
    story.acts["three"] = once(Wait(3600.0, "another hour"))
    await story.driver().drive(run, leave)
    assert (await story.row(run)).epoch == 2

    await former.drive(run, leave)  # its epoch is over: it takes the run over like any other
    assert ((await story.row(run)).status, (await story.row(run)).epoch) == ("done", 3)


async def test_failures_are_counted_across_waits_without_a_slot(story: Story) -> None:
    story.acts["two"] = always(LeaderGone("The leader is away."))
    run = await story.start()
    driver = story.driver()

    pauses = [await driver.drive(run, leave) for _ in range(4)]

    assert pauses == [0.5, 1, 2, 4]
    assert story.journal(run).count(("two", "retry")) == 1


async def test_a_cancelled_run_turns_back_out_of_a_wait_without_a_slot(story: Story) -> None:
    story.acts["two"] = once(Wait(3600.0, "an hour"))
    run = await story.start()
    driver = story.driver()
    await driver.drive(run, leave)

    async with await story.database.connect() as db:
        await cancel_run(db, run)
    await driver.drive(run, leave)

    assert story.told == ["one", "two", "undo two", "undo one"]
    assert (await story.row(run)).status == "failed"


async def test_one_subject_has_one_run_at_a_time(story: Story) -> None:
    async with await story.database.connect() as db:
        given: dict[str, Any] = {
            "kind": "story",
            "first_step": "one",
            "subject": unique("thing"),
            "app": None,
            "account_id": uuid4(),
            "host": "h",
        }
        await start_run(db, **given, given={})
        with pytest.raises(RunConflict) as refused:
            await start_run(db, **given, given={})

    assert "Another run is using it: story, step one" in refused.value.why


async def test_a_run_is_locked_while_it_is_driven_and_free_right_after(story: Story) -> None:
    run = await story.start()
    others: list[float | None] = []

    async def drive_by_another(_run: Run) -> Outcome:
        others.append(await story.driver().drive(run))
        return Advance()

    story.acts["two"] = drive_by_another
    story.acts["three"] = once(Wait(3600.0, "an hour"))
    driver = story.driver()
    await driver.drive(run, leave)

    assert others == [LOCKED_S]
    assert await driver.drive(run, leave) is None
    assert (await story.row(run)).status == "done"


async def test_an_unfinished_run_outlives_a_restart_of_its_state(story: Story) -> None:
    run = await story.start()
    await story.database.state.stop()
    await story.database.state.start()

    await story.driver().drive(run)

    assert (await story.row(run)).status == "done"

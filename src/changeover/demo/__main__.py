"""`python -m changeover.demo`: options, signals and exit codes."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from changeover.demo.screen import Screen
from changeover.demo.stage import Stage
from changeover.demo.story import Story
from changeover.errors import ChangeoverError

INTERRUPTED = 130


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="changeover demo",
        description="Move the live database of a running app into a private space, and prove that nothing was lost.",
    )
    parser.add_argument(
        "--break",
        dest="sabotage",
        choices=["lose-one", "fail-requests"],
        help="deliberately lose one acknowledged order, or let requests fail: the demo must notice, and exits with 1",
    )
    parser.add_argument(
        "--database-only",
        action="store_true",
        help="the short form: one process writes to the database, without an app in front of it",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave everything running at the end, and print how to use it"
    )
    parser.add_argument("--json", action="store_true", help="print only the result, as JSON")
    chosen = parser.parse_args()
    if chosen.database_only and chosen.sabotage == "fail-requests":
        parser.error("--break fail-requests needs an app: leave out --database-only")
    return chosen


async def play(chosen: argparse.Namespace, screen: Screen) -> int:
    """Run the demo, and always clean up. Returns the exit code."""
    end_tidily_on_signals(asyncio.current_task(), screen)
    try:
        async with Stage(screen) as stage:
            story = Story(stage, screen, database_only=chosen.database_only, sabotage=chosen.sabotage)
            verdict = await story.tell()
            screen.verdict(verdict)
            if chosen.keep:
                stage.keep()
    except ChangeoverError as error:
        screen.failure(error)
        return 1
    except asyncio.CancelledError:
        return INTERRUPTED
    return 0 if verdict.is_good else 1


def end_tidily_on_signals(task: asyncio.Task[int] | None, screen: Screen) -> None:
    """The first signal ends the demo. Later ones must not interrupt the cleanup."""
    signals = 0

    def on_signal() -> None:
        nonlocal signals
        signals += 1
        screen.note("Interrupted: cleaning up." if signals == 1 else "Still cleaning up.")
        if signals == 1 and task:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


def main() -> int:
    chosen = arguments()
    return asyncio.run(play(chosen, Screen(as_json=chosen.json)))


if __name__ == "__main__":
    sys.exit(main())

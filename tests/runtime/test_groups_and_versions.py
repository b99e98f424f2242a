"""Dynos of two groups change without each other, and come back under another version of changeover."""

from __future__ import annotations

import asyncio
import re

from tests.runtime.fix_dynos import SERVE, Home, free_port, greeting, until


async def has_begun(home: Home) -> bool:
    return bool(await home.pids())


async def test_dynos_come_back_when_the_former_versions_folder_is_gone(home: Home) -> None:
    port = free_port()
    await home.dynos.apply(home.app, [home.dyno("web.1", home.script(SERVE), port=port)])
    await home.dynos.stop()
    [program] = home.places.program("").parent.glob("*.conf")
    program.write_text(
        re.sub(r"^command = \S+", "command = /opt/former/python", program.read_text(), flags=re.MULTILINE)
    )

    await home.dynos.start()

    await home.until_state("web.1", "up")
    assert await greeting(port) == "web.1"


async def test_a_worker_starts_while_a_web_dyno_is_still_booting(home: Home) -> None:
    """Each group by itself: the other one is neither waited for nor touched."""
    slow = home.dyno("web.1", home.script(SERVE), environment={"BOOT_S": "3"}, port=free_port())
    booting = asyncio.create_task(home.dynos.apply(home.app, [slow], group="web"))
    await until(lambda: has_begun(home))

    await home.dynos.apply(home.app, [home.dyno("worker.1", "echo at work; exec sleep 600")], group="others")
    await home.until_said("at work")

    assert not booting.done()
    assert (await booting).not_ready == ()
    assert set(await home.pids()) == {"web.1", "worker.1"}

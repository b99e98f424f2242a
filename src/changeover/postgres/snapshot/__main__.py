"""`python -P -m changeover.postgres.snapshot --work DIR [--user NAME]`, with the job on standard input.

Exit code 0: done. 1: see outcome.json. With `--user`, root becomes that user before it reads anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import encodings
import importlib
import os
import pkgutil
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import uvloop

from changeover.errors import InternalError
from changeover.hosts.programs import owner_ids
from changeover.postgres.snapshot.job import Job
from changeover.postgres.snapshot.program import as_error, bring
from changeover.postgres.snapshot.telling import Telling, replace_json


def main() -> int:
    if len(sys.argv) not in (3, 5) or sys.argv[1] != "--work" or sys.argv[3:4] not in ([], ["--user"]):
        print("usage: python -P -m changeover.postgres.snapshot --work DIR [--user NAME]", file=sys.stderr)
        return 2
    work = Path(sys.argv[2]).resolve()
    if sys.argv[4:]:
        import_encodings()
        _become(sys.argv[4])
    job = Job.from_json(sys.stdin.read())
    return uvloop.run(_run(job, work))


def import_encodings() -> None:
    """Host names, and sessions of databases that are not UTF-8, need some of them after `_become`."""
    for found in pkgutil.iter_modules(encodings.__path__):
        with contextlib.suppress(ImportError):  # encodings of other operating systems
            importlib.import_module(f"encodings.{found.name}")


def _become(user: str) -> None:
    """Irrevocably. That user may not be able to read our code, so everything is imported already."""
    uid, gid = owner_ids(user)
    if uid != os.geteuid():
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    os.umask(0o077)


async def _run(job: Job, work: Path) -> int:
    (work / "outcome.json").unlink(missing_ok=True)
    telling = Telling(work)
    writing = asyncio.create_task(telling.keep_writing())
    bringing = asyncio.create_task(bring(job, work, telling))

    def end() -> None:
        telling.is_to_end = True
        bringing.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    outcome: dict[str, Any] | None
    try:
        outcome = {"report": await bringing}
    except asyncio.CancelledError:
        print("ended as requested; completed work is kept", flush=True)
        outcome = None
    except BaseException as failure:
        traceback.print_exc()
        outcome = {"error": (as_error(failure) or InternalError("the copy")).as_dict()}
    finally:
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
    telling.write()
    if outcome is not None:
        replace_json(work / "outcome.json", outcome)
    return 0 if outcome and "report" in outcome else 1


if __name__ == "__main__":
    sys.exit(main())

"""`python -P -m changeover.postgres.snapshot --work DIR`, the job on standard input. Exit code 0: done; 1: see outcome.json."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import uvloop

from changeover.errors import InternalError
from changeover.postgres.snapshot.job import Job
from changeover.postgres.snapshot.program import as_error, bring
from changeover.postgres.snapshot.telling import Telling, replace_json


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] != "--work":
        print("usage: python -P -m changeover.postgres.snapshot --work DIR", file=sys.stderr)
        return 2
    work = Path(sys.argv[2]).resolve()
    job = Job.from_json(sys.stdin.read())
    return uvloop.run(_run(job, work))


async def _run(job: Job, work: Path) -> int:
    (work / "outcome.json").unlink(missing_ok=True)
    telling = Telling(work)
    writing = asyncio.create_task(telling.keep_writing())
    bringing = asyncio.create_task(bring(job, work, telling))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, bringing.cancel)
    outcome: dict[str, Any] | None
    try:
        outcome = {"report": await bringing}
    except asyncio.CancelledError:
        print("ended as asked; what is done is kept", flush=True)
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

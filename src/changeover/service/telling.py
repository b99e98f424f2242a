"""Reports a refusal of one of our processes: as text, or as JSON to the process that started it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from changeover.errors import ChangeoverError, ServerFailed
from changeover.hosts.disks import full_disk_behind


def reported(what: str, act: Callable[[], Any]) -> int:
    """The exit code. A refusal is printed to stdout as JSON."""
    try:
        act()
    except ChangeoverError as error:
        tell(error, as_json=True)
        return 1
    except OSError as error:
        tell(refusal(what, error), as_json=True)
        return 1
    return 0


def refusal(what: str, error: OSError) -> ChangeoverError:
    """An error of the operating system as one of ours."""
    said = f"changeover {what} failed."
    return full_disk_behind(error, f"{said} A disk is full.") or ServerFailed(
        said, why=str(error), fix="Correct the cause above, then try again."
    )


def tell(error: ChangeoverError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(error.as_dict()))
    else:
        print(
            f" ▸    {error.what}",
            *(f"      {part}" for part in (error.why, error.fix) if part),
            sep="\n",
            file=sys.stderr,
        )

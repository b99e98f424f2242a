"""What every process of ours does first: logging, and ending with its parent. Standard library only."""

from __future__ import annotations

import ctypes
import logging
import logging.handlers
import os
import signal
import sys
from pathlib import Path
from typing import TextIO

PR_SET_PDEATHSIG = 1
LOG_BYTES, LOG_FILES = 5_000_000, 3


def log_to(folder: Path, name: str, *, also_to: TextIO | None = None) -> None:
    """Log INFO and above to `folder/name.log` with limited size, and warnings to `also_to` as well."""
    handler: logging.Handler = logging.handlers.RotatingFileHandler(
        folder / f"{name}.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    if also_to is not None:
        people = logging.StreamHandler(also_to)
        people.setLevel(logging.WARNING)
        people.setFormatter(logging.Formatter("changeover: %(message)s"))
        logging.getLogger().addHandler(people)
    for chatty in ("procrastinate", "uvicorn.access", "psycopg.pool"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def go_with_parent() -> None:
    """Get a SIGTERM from the kernel when the parent dies. Exits at once if it has already died."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")
    if os.getppid() == 1:
        sys.exit("changeover: my parent process is gone")

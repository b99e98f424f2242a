"""In the copying program: sends itself a signal, once, as it reaches a point. Tests put this folder on its PYTHONPATH.

The file that SABOTAGE names holds `POINT<tab>SIGNAL`. Points: `phase copy`, `rows "public"."orders"` (just committed),
`stream "public"."orders"` (in the middle of it), `index` (any of them). Before the harm is done the file is renamed to `….done`.
"""

import os
import signal
import sys
from pathlib import Path

ORDER = Path(os.environ.get("SABOTAGE", "/nonexistent"))


def harm(point: str) -> None:
    try:
        wanted, name = ORDER.read_text().split("\t")
    except FileNotFoundError:
        return
    if wanted != point:
        return
    ORDER.rename(ORDER.with_suffix(".done"))
    os.kill(os.getpid(), signal.Signals[name])


if "changeover.postgres.snapshot" in sys.orig_argv:
    from changeover.postgres.snapshot.ledger import Ledger
    from changeover.postgres.snapshot.load import _Streamed
    from changeover.postgres.snapshot.telling import Telling

    enter, confirm, add = Telling.enter, Ledger.confirm, _Streamed.add

    def enter_and_harm(self: Telling, phase: str, says: str = "", *, things: int = 0) -> None:
        enter(self, phase, says, things=things)
        harm(f"phase {phase}")

    def confirm_and_harm(self: Ledger, kind: str, name: str, **facts: object) -> None:
        confirm(self, kind, name, **facts)
        harm(f"{kind} {name}")
        harm(kind)

    def add_and_harm(self: _Streamed, count: int) -> None:
        add(self, count)
        harm(f"stream {self.name}")

    Telling.enter = enter_and_harm  # type: ignore[method-assign]
    Ledger.confirm = confirm_and_harm  # type: ignore[method-assign]
    _Streamed.add = add_and_harm  # type: ignore[method-assign]

"""What a person types. One file a topic; speaks HTTP only, through client.py.

Nothing but `main` is imported from here: start-up time is a feature of this package (see index.py).
"""

from __future__ import annotations


def main() -> None:
    """The console command `changeover`."""
    import gc  # noqa: PLC0415

    gc.disable()  # until the command's own file is imported (program.py): an eighth of its time
    from changeover.cli.program import run  # noqa: PLC0415 - spares click to whoever imports one of our files alone

    run()

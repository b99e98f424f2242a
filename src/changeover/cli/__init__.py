"""The command line. One file for each topic; only client.py speaks HTTP.

Only `main` is imported here, because start-up time matters (see index.py).
"""

from __future__ import annotations


def main() -> None:
    """The console command `changeover`."""
    import gc  # noqa: PLC0415

    gc.disable()  # until the command's file is imported (program.py), which saves an eighth of the time
    from changeover.cli.program import run  # noqa: PLC0415 - so that importing one of our modules does not import click

    run()

"""`python -m changeover.service WHAT`: the parent, whose children are forked, and the commands that need no parent.

Imports only what WHAT needs.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from changeover.errors import ChangeoverError
from changeover.service.places import Places
from changeover.service.telling import refusal, tell
from changeover.settings import Settings

ASYNC = ("teardown", "backup", "restore")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="changeover.service")
    parser.add_argument("what", choices=("serve", "stop", *ASYNC))
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--listen", default="127.0.0.1:5000")
    parser.add_argument("--router-listen", default="127.0.0.1:0")
    parser.add_argument("--tls-cert", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--leave-running", action="store_true")
    parser.add_argument("--until-idle", action="store_true")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def main() -> int:
    given = parse(sys.argv[1:])
    try:
        settings = Settings.read()
        if given.data_dir:
            settings = dataclasses.replace(settings, home=given.data_dir.absolute())
        return act(given, Places(settings.home), settings)
    except ChangeoverError as error:
        tell(error, as_json=given.json)
        return 1
    except OSError as error:
        tell(refusal(given.what, error), as_json=given.json)
        return 1


def act(given: argparse.Namespace, places: Places, settings: Settings) -> int:
    if given.what == "serve":
        from changeover.service.supervisor import Listen, Supervisor

        listen = Listen.parse(given.listen, given.tls_cert, given.tls_key)
        return Supervisor(
            places,
            settings,
            listen,
            given.router_listen,
            leave_running=given.leave_running,
            until_idle=given.until_idle,
        ).run()
    if given.what == "stop":
        from changeover.service.stopping import stop

        return stop(places)
    return act_async(given, places, settings)


def act_async(given: argparse.Namespace, places: Places, settings: Settings) -> int:
    import asyncio

    if given.what == "teardown":
        from changeover.service.teardown import teardown

        asyncio.run(teardown(places, settings))
    else:
        from changeover.service import backup

        asyncio.run(getattr(backup, given.what)(places, settings, given.file))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m changeover.service WHAT`: one entry for every process of ours. Imports only what WHAT needs."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from changeover.errors import ChangeoverError
from changeover.service.places import Places
from changeover.settings import Settings

ASYNC = ("prepare", "control-plane", "worker", "teardown", "backup", "restore")


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
    parser.add_argument("--fd", type=int)
    parser.add_argument("--beat", type=int)
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
            listen,
            given.router_listen,
            given.leave_running,
            given.until_idle,
            frozen_after_s=settings.frozen_after_s,
            keeps_state=settings.state_url is None,
        ).run()
    if given.what == "stop":
        from changeover.service.stopping import stop

        return stop(places)
    return act_async(given, places, settings)


def act_async(given: argparse.Namespace, places: Places, settings: Settings) -> int:
    import asyncio

    if given.what in ("worker", "control-plane"):
        return serve_child(given, places, settings)
    if given.what == "prepare":
        from changeover.service.prepare import prepare

        asyncio.run(prepare(places, settings, router_listen=given.router_listen))
    elif given.what == "teardown":
        from changeover.service.teardown import teardown

        asyncio.run(teardown(places, settings))
    else:
        from changeover.service import backup

        asyncio.run(getattr(backup, given.what)(places, settings, given.file))
    return 0


def serve_child(given: argparse.Namespace, places: Places, settings: Settings) -> int:
    import asyncio
    import logging

    import uvloop

    from changeover.service.children import go_with_parent, log_to

    go_with_parent()
    log_to(places.logs, given.what)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            if given.what == "worker":
                from changeover.service.worker import work

                doing = work(places, settings, router_listen=given.router_listen, until_idle=given.until_idle)
            else:
                from changeover.service.control_plane import serve

                doing = serve(places, settings, listening=given.fd, tls_cert=given.tls_cert, tls_key=given.tls_key)
            runner.run(while_beating(given.beat, doing))
    except Exception:
        logging.getLogger("changeover").exception("the %s dies", given.what)
        return 1
    return 0


def refusal(what: str, error: OSError) -> ChangeoverError:
    """What this host did not let us do."""
    from changeover.errors import ServerFailed
    from changeover.hosts.disks import full_disk_behind

    said = f"changeover {what} failed."
    return full_disk_behind(error, f"{said} A disk is full.") or ServerFailed(
        said, why=str(error), fix="Correct what the line above names, then try again."
    )


async def while_beating(mouth: int | None, doing: Coroutine[Any, Any, None]) -> None:
    """Do it, and let the parent see that the event loop turns."""
    import asyncio

    from changeover.service.watching import keep_beating

    beating = asyncio.ensure_future(keep_beating(mouth)) if mouth is not None else None
    try:
        await doing
    finally:
        if beating is not None:
            beating.cancel()


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


if __name__ == "__main__":
    sys.exit(main())

"""The configuration for supervisord and the launcher, as text and plain values. Pure.

A dyno's key contains a digest of its definition: equal dynos have equal keys, so an unchanged dyno keeps its process. No user
input is written to supervisord's files, whose syntax has comments, expansions and quotes. Commands and environments are in the
launcher's sheets.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from changeover.runtime.dynos.places import ATTACHED, MARK, ONCE, SAFE_APP, SAFE_NAME, Places
from changeover.runtime.runtime import Dyno

LAUNCHER = Path(__file__).with_name("launch.py")
KEEPER = "log_keeper"
LONGEST_PAUSE_RETRIES = 1_000_000
PATH = "/usr/local/bin:/usr/bin:/bin"


def key_of(dyno: Dyno) -> str:
    """The name of its program. Raises ValueError for names that are unsafe in paths."""
    _check_names(dyno.app, dyno.name)
    identity = [
        dyno.command, str(dyno.directory), sorted(dyno.environment.items()), dyno.release, dyno.port, dyno.restarts
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    return f"{dyno.app}.{dyno.name}.{digest}"


def once_key(app: str, name: str) -> str:
    """A one-off's key. Raises ValueError like `key_of`."""
    _check_names(app, name)
    return f"{app}.{name}.{ONCE}"


def attached_key(dyno: Dyno) -> str:
    _check_names(dyno.app, dyno.name)
    return f"{dyno.app}.{dyno.name}.{ATTACHED}"


def _check_names(app: str, name: str) -> None:
    if not SAFE_APP.fullmatch(app) or not SAFE_NAME.fullmatch(name):
        raise ValueError(f"not the key of an app, or not a dyno's name: {app!r} {name!r}")


def environment_of(dyno: Dyno, home: Path, mark: str) -> dict[str, str]:
    """Its environment: its config vars, and what every dyno gets."""
    surroundings = {"PATH": PATH, "HOME": str(home), "LANG": "C.UTF-8"}
    ours = {"DYNO": dyno.name, MARK: mark}
    if dyno.port is not None:
        ours["PORT"] = str(dyno.port)
    return surroundings | dict(dyno.environment) | ours


def sheet_of(dyno: Dyno, key: str, places: Places, **more: Any) -> str:
    """The file for the launcher and the log keeper."""
    written = places.written(key)
    sheet: dict[str, Any] = {
        "key": key,
        "app": dyno.app,
        "name": dyno.name,
        "command": dyno.command,
        "directory": str(dyno.directory),
        "environment": environment_of(dyno, written / "home", places.mark(key)),
        "release": dyno.release,
        "port": dyno.port,
        "size": dyno.size,
        "mark": places.mark(key),
        "user": places.run_as,  # used by an older version's launcher
        "uid": places.users.of(dyno.app),
        "written": str(written),
        "seen": [str(path) for path in (places.home, Path(sys.prefix), Path(sys.base_prefix), LAUNCHER.parent)],
        "pipe": str(places.pipe(key)),
        "poke": str(places.poke),
        "started": str(places.started(key)),
    }
    return json.dumps(sheet | more)


def launching(sheet: Path) -> list[str]:
    """The command that starts the dyno. Without site-packages, so it starts in about 10 ms."""
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(sheet)]


def program_file(key: str, places: Places, *, stop_s: float) -> str:
    """One process. It is restarted forever. The pause grows by a second each time it dies within its first second."""
    settings: dict[str, str | int] = {
        "command": _line(launching(places.sheet(key))),
        "environment": f'{MARK}="{places.mark(key)}"',
        "autostart": "true",
        "autorestart": "true",
        "startsecs": 1,
        "startretries": LONGEST_PAUSE_RETRIES,
        "stopsignal": "TERM",
        "stopasgroup": "true",
        "killasgroup": "true",
        "stopwaitsecs": max(1, round(stop_s)),
        "stdout_logfile": "NONE",
        "redirect_stderr": "true",
    }
    return _section(f"program:{key}", settings)


def supervisor_file(places: Places) -> str:
    """The installation's supervisord: its socket, its log, the log keeper, and an included file for each dyno."""
    keeper = [sys.executable, "-P", "-m", "changeover.runtime.dynos.log_keeper", str(places.home), str(places.sockets)]
    return "\n".join(
        [
            _section("supervisord", _supervisor_settings(places)),
            _section("unix_http_server", {"file": _value(places.socket), "chmod": "0700"}),
            _section(
                "rpcinterface:supervisor",
                {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
            ),
            _section(
                f"eventlistener:{KEEPER}",
                {
                    "command": _line(keeper),
                    "events": "PROCESS_STATE",
                    "buffer_size": 10_000,
                    "autorestart": "true",
                    "startsecs": 0,
                    "stdout_logfile": "NONE",  # otherwise a killed supervisord leaves a file in /tmp
                    "stderr_logfile": _value(places.keeper_said).replace("%", "%%"),  # this value is expanded twice
                    "stderr_logfile_maxbytes": "1MB",
                    "stderr_logfile_backups": 1,
                },
            ),
            _section("include", {"files": "programs/*.conf"}),
        ]
    )


def _supervisor_settings(places: Places) -> dict[str, str | int]:
    settings: dict[str, str | int] = {
        "identifier": places.identity,
        "logfile": _value(places.supervisor_log),
        "logfile_maxbytes": "5MB",
        "logfile_backups": 2,
        "pidfile": _value(places.supervisor_pid),
        "nodaemon": "true",
        "silent": "true",
        "umask": "077",
    }
    return settings | ({"user": "root"} if places.run_as else {})


def _section(name: str, settings: Mapping[str, str | int]) -> str:
    return "".join([f"[{name}]\n", *(f"{key} = {value}\n" for key, value in settings.items())])


def _value(path: Path) -> str:
    return str(path).replace("%", "%%")


def _line(arguments: list[str]) -> str:
    return shlex.join(arguments).replace("%", "%%")

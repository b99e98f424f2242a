"""A day of an app with web, worker and release process, typed with the official CLI once; the tests read the transcript.

The app is deployed by our own CLI. Between the commands somebody visits it, as a browser would.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from tests.fix_control_plane import ControlPlane, wait_until
from tests.official_cli.official import HEROKU, Ended, OfficialCli, normal
from tests.official_cli.runbook import created

PROCFILE = """\
web: python3 web.py
worker: while true; do echo working; sleep 0.5; done
release: echo migrating for $GREETING
"""
WEB = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ("GREETING=" + os.environ.get("GREETING", "")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


TAILED = 4


class LongRunningCli(OfficialCli):
    """Also runs what does not end by itself, and trusts our authority: an attached dyno is reached over TLS."""

    def __init__(self, exports: dict[str, str], home: Path, authority: str) -> None:
        certificate = home / "authority.pem"
        certificate.write_text(authority)
        super().__init__({**exports, "NODE_EXTRA_CA_CERTS": str(certificate)}, home)

    def until(self, line: str, is_enough: Callable[[str], bool]) -> Ended:
        """Run `heroku LINE` until it has printed enough, then interrupt it as Ctrl-C does."""
        out, err = self._home / "out", self._home / "err"
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen(
                [HEROKU, *shlex.split(line)],
                env=self._environment, cwd=self._home, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            )  # fmt: skip
        try:
            wait_until(lambda: is_enough(out.read_text()) or process.poll() is not None, what=line)
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(20)
        return Ended(line, code, normal(out.read_text()), normal(err.read_text()))


@dataclass
class Day:
    """Every command by the name of its step, and what a visitor got at each moment, as status and text."""

    steps: dict[str, Ended] = field(default_factory=dict)
    visits: dict[str, tuple[int, str]] = field(default_factory=dict)
    old: str = ""
    new: str = ""

    def __getitem__(self, step: str) -> Ended:
        return self.steps[step]


class Operator:
    """Types the commands in order and keeps going after one that failed: the tests say which mattered."""

    def __init__(self, plane: ControlPlane, heroku: LongRunningCli, folder: Path) -> None:
        self._plane = plane
        self._heroku = heroku
        self._folder = folder
        self.day = Day()

    def live(self) -> Day:
        for chapter in (
            self.deploy,
            self.maintain,
            self.scale,
            self.run,
            self.log,
            self.release,
            self.promote,
            self.schedule,
        ):
            chapter()
        return self.day

    def step(self, name: str, line: str) -> Ended:
        ended = self.day.steps[name] = self._heroku(f"{line} -a shop")
        return ended

    def deploy(self) -> None:
        self._heroku("apps:create shop")
        self.day.old = created(self._heroku("addons:create heroku-postgresql:essential-0 -a shop"))
        self.day.new = created(self._heroku("addons:create heroku-postgresql:essential-0 -a shop"))
        self._heroku("pg:wait -a shop --wait-interval 1")
        (self._folder / "Procfile").write_text(PROCFILE)
        (self._folder / "web.py").write_text(WEB)
        self._plane.must("deploy", str(self._folder), "-a", "shop")
        self._see("after the deploy", lambda answer: answer[0] == 200)

    def maintain(self) -> None:
        self.step("maintenance", "maintenance")
        self.step("maintenance:on", "maintenance:on")
        self.day.visits["in maintenance"] = self._visit()
        self.step("maintenance while on", "maintenance")
        self.step("maintenance:off", "maintenance:off")
        self.day.visits["after maintenance"] = self._visit()

    def scale(self) -> None:
        self.step("ps", "ps")
        self.step("ps:scale worker=1", "ps:scale worker=1")
        self.step("ps:scale", "ps:scale")
        self.step("ps with a worker", "ps")
        self.step("ps:restart", "ps:restart")
        self.step("ps:stop", "ps:stop -d worker.1")
        self.step("ps with a stopped worker", "ps")
        self.step("ps:restart of a type", "ps:restart -p worker")
        self.step("ps:scale worker=0", "ps:scale worker=0")
        self.step("ps without a worker", "ps")
        self.step("ps:type", "ps:type")
        self.step("ps:type of web", "ps:type web=standard-2x")

    def run(self) -> None:
        self.step("run:detached", 'run:detached "echo said by a detached one"')
        self.step("run", 'run "echo hello"')
        self.step("run -x", "run -x true")
        self.step("run -x that fails", "run -x false")

    def log(self) -> None:
        self.step("ps:scale worker=1 again", "ps:scale worker=1")
        self._see_line("app[worker.1]: working")
        self.step("logs", "logs")
        self.step("logs of a type", "logs -p worker")
        self.step("logs of a source", "logs -s heroku")
        self.day.steps["logs --tail"] = self._heroku.until(
            "logs --tail --num 2 -a shop", lambda said: said.count("app[worker.1]: working") > TAILED
        )

    def release(self) -> None:
        self.step("config:set", "config:set GREETING=morning")
        self._see("after config:set", lambda answer: answer[1] == "GREETING=morning")
        self.step("releases:output", "releases:output")
        self.step("releases", "releases")
        self.step("releases:info", "releases:info")
        self.step("ps:wait", "ps:wait")
        self.step("ps after the release", "ps")
        self.step("releases:rollback", "releases:rollback")
        self._see("after the rollback", lambda answer: answer[1] == "GREETING=")
        self.step("releases after the rollback", "releases")

    def promote(self) -> None:
        self.step("pg:promote", f"pg:promote {self.day.new}")
        self.step("config after pg:promote", "config:get DATABASE_URL")
        self.step("releases after pg:promote", "releases")

    def schedule(self) -> None:
        self.step("addons:create scheduler", "addons:create scheduler:standard")
        self.step("addons:create scheduler again", "addons:create scheduler:standard")
        self.step("addons with the scheduler", "addons")
        self.step("addons:info scheduler", "addons:info scheduler")
        self.step("pg:info beside the scheduler", "pg:info")
        self.step("addons:destroy scheduler", "addons:destroy scheduler --confirm shop")

    def _visit(self) -> tuple[int, str]:
        """At the app's address; a name below localhost is this machine to a browser, not to Python."""
        with self._plane.client() as client:
            url = httpx2.URL(client.get("/apps/shop").json()["web_url"])
        host = f"{url.host}:{url.port}"
        answer = httpx2.get(f"http://127.0.0.1:{url.port}{url.path}", headers={"Host": host}, timeout=10)
        return answer.status_code, answer.text

    def _see(self, moment: str, is_so: Callable[[tuple[int, str]], bool]) -> None:
        wait_until(lambda: is_so(self._visit()), what=f"the app {moment}")
        self.day.visits[moment] = self._visit()

    def _see_line(self, line: str) -> None:
        wait_until(lambda: line in self._plane.must("logs", "-a", "shop").stdout, what=line)

"""What people type wrong about their apps: each is refused with its reason, and the app runs on as it was."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.fix_control_plane import ControlPlane, make_home, remove_home
from tests.trouble.apps import App, a_running_app
from tests.trouble.grounds import spaced


@pytest.fixture(scope="module")
def app(module_plane: ControlPlane) -> App:
    return a_running_app(module_plane)


SCALES = {
    "nobody=1": ("Couldn't find that process type (nobody).", "web, worker", "Choose one of these"),
    "web=-1": ("web=-1 is not a valid change.", "with a whole number", "Use web=2"),
    "web-3": ("web can't be scaled to -1.", "0 to 20 dynos", "Give a number from 0 to 20."),
    "worker=10000": ("worker can't be scaled to 10000.", "0 to 100 dynos", "Give a number from 0 to 100."),
    "worker=2 nobody=1": ("Couldn't find that process type (nobody).", "web, worker", "Choose one of these"),
    "web=many": ("web=many is not a valid change.", "with a whole number", "Use web=2"),
}


@pytest.mark.parametrize("wish", SCALES)
def test_an_impossible_scale_is_refused_and_changes_nothing(app: App, wish: str) -> None:
    before, pids = app.must("ps:scale").stdout, app.pids()

    typed = app.typed("ps:scale", *wish.split())

    assert typed.exit_code in (1, 2), typed.everything
    for part in SCALES[wish]:
        assert part in spaced(typed.stderr)
    assert app.must("ps:scale").stdout == before
    assert app.pids() == pids


PROCFILES = {
    "web python app.py\n": "Line 1 of the Procfile",
    "web: true\n\nweb: false\n": "is defined twice",
    "\x00\x01\x02\xff": "Procfile",
    "# nothing but a remark\n": "It defines no process type.",
    "web:\n": "has no command",
    "".join(f"type{number}: true\n" for number in range(200)): "at most 100 are allowed",
}


@pytest.mark.parametrize("procfile", PROCFILES, ids=list(PROCFILES.values()))
def test_a_procfile_that_is_none_is_refused_and_the_old_code_runs_on(app: App, procfile: str) -> None:
    releases, pids = app.must("releases", "--json").json, app.pids()

    typed = app.deploy(procfile)

    assert typed.exit_code == 1
    assert PROCFILES[procfile] in spaced(typed.stderr)
    assert app.must("releases", "--json").json == releases
    assert app.pids() == pids
    app.until_it_answers()


@contextmanager
def a_server_that(answers: str) -> Iterator[str]:
    """The address of a page: `hangs` after its first bytes, or is `huge`."""
    is_over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>mine</h1>" if answers == "hangs" else b"x" * 2_000_000)
            is_over.wait(60 if answers == "hangs" else 0)

        def log_message(self, format: str, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/page.html"
    finally:
        is_over.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ("hangs", "It took longer than 5 seconds."),
        ("huge", "It is larger than 1,000,000 bytes."),
        ("refuses", "refused"),
    ],
)
def test_a_maintenance_page_that_can_not_be_had_is_said_and_ours_is_shown(app: App, answers: str, why: str) -> None:
    with a_server_that(answers) as url:
        app.must("config:set", f"MAINTENANCE_PAGE_URL={'http://127.0.0.1:9/page' if answers == 'refuses' else url}")
        typed = app.must("maintenance:on")
    app.until_it_answers(503)
    page = app.visit()
    app.must("maintenance:off")
    app.must("config:unset", "MAINTENANCE_PAGE_URL")

    assert why in spaced(typed.stderr)
    assert "The default page is shown instead." in spaced(typed.stderr)
    assert (page.status_code, "mine" in page.text) == (503, False)
    assert "maintenance" in page.text.lower()


@pytest.fixture
def elsewhere() -> Iterator[ControlPlane]:
    """A home where nothing runs."""
    plane = ControlPlane(make_home())
    yield plane
    remove_home(plane.home)


def test_a_router_port_that_somebody_else_has_is_said_at_once(elsewhere: ControlPlane) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        typed = elsewhere.typed("server", "--listen", "127.0.0.1:0", "--router-listen", where)

    assert typed.exit_code == 1
    assert f"The router can't listen on {where}. Another program uses this port." in spaced(typed.stderr)
    assert "--router-listen 127.0.0.1:0 picks a free one" in spaced(typed.stderr)
    assert not (elsewhere.home / "state").exists()


@pytest.mark.parametrize("where", ["nonsense", "127.0.0.1:70000", "203.0.113.7:80"])
def test_an_address_where_the_router_can_not_listen_is_said_at_once(elsewhere: ControlPlane, where: str) -> None:
    typed = elsewhere.typed("server", "--listen", "127.0.0.1:0", "--router-listen", where)

    assert typed.exit_code == 1
    assert "--router-listen" in typed.stderr
    assert "HOST:PORT" in typed.stderr or "an address and a port of this host" in typed.stderr


def test_a_router_that_already_runs_there_is_ours(app: App) -> None:
    address = app.address
    app.plane.stop()
    app.plane.start("--leave-running", "--router-listen", str(address))
    app.until_it_answers()
    app.plane.stop()

    app.plane.start("--router-listen", str(address))

    app.until_it_answers()

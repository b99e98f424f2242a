"""Apps with code: deploy, dynos, scaling, restarts, releases with their phase, logs, maintenance; on real processes."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import httpx2
import psutil
import pytest
from tests.fix_control_plane import ControlPlane, wait_until
from tests.fix_things import ESSENTIAL, Things

WEB = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = (os.environ["DYNO"] + " " + os.environ.get("GREETING", "")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        print("asked for", self.path, flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
PROCFILE = "web: python3 web.py\nworker: while true; do echo working; sleep 0.2; done\n"


def packed(procfile: str = PROCFILE) -> bytes:
    """A tar.gz as `changeover deploy` sends it."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, text in (("Procfile", procfile), ("web.py", WEB)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return raw.getvalue()


def deploy(api: httpx2.Client, app: str, procfile: str = PROCFILE) -> httpx2.Response:
    return api.post(f"/changeover/v1/apps/{app}/deploys", content=packed(procfile))


def states(api: httpx2.Client, app: str) -> dict[str, str]:
    return {dyno["name"]: dyno["state"] for dyno in api.get(f"/apps/{app}/dynos").json()}


def wait_for(api: httpx2.Client, app: str, wanted: dict[str, str]) -> None:
    wait_until(lambda: states(api, app) == wanted, what=f"{wanted}; seen: {states(api, app)}")


def ask(api: httpx2.Client, app: str) -> httpx2.Response:
    return visit(api.get(f"/apps/{app}").json()["web_url"])


def visit(url: str) -> httpx2.Response:
    """As a browser does, to whom every name below localhost is this machine."""
    parts = httpx2.URL(url)
    return httpx2.get(
        f"http://127.0.0.1:{parts.port}{parts.path}", headers={"Host": f"{parts.host}:{parts.port}"}, timeout=10
    )


def scale(api: httpx2.Client, app: str, **quantities: str) -> httpx2.Response:
    updates = [{"type": type_, "quantity": quantity} for type_, quantity in quantities.items()]
    return api.patch(f"/apps/{app}/formation", json={"updates": updates})


def newest(api: httpx2.Client, app: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/apps/{app}/releases").json()[-1]
    return found


@pytest.fixture
def shop(api: httpx2.Client, things: Things) -> str:
    """An app with one web dyno, up."""
    app = things.app()
    assert deploy(api, app).status_code == 201
    wait_for(api, app, {"web.1": "up"})
    wait_until(lambda: ask(api, app).status_code == 200, what="the router to know it")
    return app


def test_a_deployed_app_answers_at_its_name(api: httpx2.Client, shop: str) -> None:
    answer = ask(api, shop)

    assert (answer.status_code, answer.text) == (200, "web.1 ")
    assert [(one["type"], one["quantity"]) for one in api.get(f"/apps/{shop}/formation").json()] == [
        ("web", 1), ("worker", 0),
    ]  # fmt: skip


def test_a_config_change_restarts_the_dynos_with_a_new_release(api: httpx2.Client, shop: str) -> None:
    api.patch(f"/apps/{shop}/config-vars", json={"GREETING": "good morning"})

    wait_until(lambda: ask(api, shop).text == "web.1 good morning", what="the new dyno")
    [dyno] = api.get(f"/apps/{shop}/dynos").json()
    assert dyno["release"]["version"] == newest(api, shop)["version"]


def test_an_attached_database_reaches_the_dynos(api: httpx2.Client, things: Things) -> None:
    app = things.app()
    deploy(api, app, "web: python3 web.py\nonce: true\n")
    things.database(app, ESSENTIAL)
    url = api.get(f"/apps/{app}/config-vars").json()["DATABASE_URL"]
    wait_for(api, app, {"web.1": "up"})

    once = api.post(f"/apps/{app}/dynos", json={"command": 'echo "url=$DATABASE_URL"', "attach": False}).json()["name"]

    wait_until(lambda: url.split("@")[1] in logs(api, app, dyno=once), what="the one-off's line")


def logs(api: httpx2.Client, app: str, **wish: Any) -> str:
    session = api.post(f"/apps/{app}/log-sessions", json={"lines": 200, "tail": False, **wish}).json()
    return httpx2.get(session["logplex_url"], timeout=10).text


def test_scaling_down_has_ended_the_dynos_when_it_answers(api: httpx2.Client, shop: str) -> None:
    scale(api, shop, worker="2")
    wait_for(api, shop, {"web.1": "up", "worker.1": "up", "worker.2": "up"})

    assert scale(api, shop, worker="0").status_code == 200

    assert states(api, shop) == {"web.1": "up"}
    assert "heroku[worker.1]: Stopping all processes with SIGTERM" in logs(api, shop)


@pytest.mark.parametrize(
    ("type_", "quantity", "error"),
    [("web", "-5", "invalid_params"), ("web", "10000", "invalid_params"), ("web", "many", "invalid_params"),
     ("nobody", "1", "not_found")],
)  # fmt: skip
def test_an_impossible_scale_changes_nothing(
    api: httpx2.Client, shop: str, type_: str, quantity: str, error: str
) -> None:
    answer = scale(api, shop, **{"worker": "1", type_: quantity})

    assert answer.json()["id"] == error
    assert [one["quantity"] for one in api.get(f"/apps/{shop}/formation").json()] == [1, 0]
    assert states(api, shop) == {"web.1": "up"}


def test_the_formation_is_kept_over_releases(api: httpx2.Client, shop: str) -> None:
    scale(api, shop, web="2")

    deploy(api, shop)

    wait_for(api, shop, {"web.1": "up", "web.2": "up"})
    both = {"web.1 ", "web.2 "}
    wait_until(lambda: {ask(api, shop).text for _ in range(8)} == both, what="both to be asked in turn")


def test_the_release_phase_runs_before_the_dynos_and_its_output_can_be_read(api: httpx2.Client, things: Things) -> None:
    app = things.app()

    release = deploy(api, app, "web: python3 web.py\nrelease: echo migrating && sleep 0.5 && echo done\n").json()[
        "release"
    ]

    assert release["status"] == "pending"
    assert httpx2.get(_when_it_is_there(release["output_stream_url"]), timeout=10).text == "migrating\ndone\n"
    wait_until(lambda: newest(api, app)["status"] == "succeeded", what="the phase")
    wait_for(api, app, {"web.1": "up"})


def _when_it_is_there(url: str) -> str:
    wait_until(lambda: httpx2.head(url, timeout=5).status_code != 404, what="the output")
    return url


def test_a_failed_release_phase_leaves_the_former_release_running(api: httpx2.Client, shop: str) -> None:
    before = newest(api, shop)["version"]

    deploy(api, shop, "web: exit 1\nrelease: echo no && false\n")

    wait_until(lambda: newest(api, shop)["status"] == "failed", what="the failure")
    assert ask(api, shop).text == "web.1 "
    [current] = [one["version"] for one in api.get(f"/apps/{shop}/releases").json() if one["current"]]
    assert current == before


def test_a_rollback_brings_the_former_code_back(api: httpx2.Client, shop: str) -> None:
    former = newest(api, shop)["version"]
    deploy(api, shop, "other: sleep 1000\n")
    wait_until(lambda: states(api, shop) == {}, what="the web dyno to go")

    api.post(f"/apps/{shop}/releases", json={"release": str(former)})

    wait_for(api, shop, {"web.1": "up"})
    wait_until(lambda: ask(api, shop).status_code == 200, what="the router to hear of it")


@pytest.mark.parametrize("archive", [b"", b"no archive", packed("nonsense without a colon\n"), packed("")])
def test_what_is_no_app_is_refused_and_leaves_nothing(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, archive: bytes
) -> None:
    app = things.app()

    answer = api.post(f"/changeover/v1/apps/{app}/deploys", content=archive)

    assert answer.json()["id"] in ("bad_archive", "bad_procfile")
    assert [one["version"] for one in api.get(f"/apps/{app}/releases").json()] == [1]
    assert list((control_plane.home / "apps" / api.get(f"/apps/{app}").json()["id"]).glob("slugs/*")) == []


def test_a_dyno_that_crashes_at_boot_says_so(api: httpx2.Client, things: Things) -> None:
    app = things.app()
    deploy(api, app, "web: echo broken; exit 3\n")

    wait_until(lambda: states(api, app).get("web.1") == "crashed", what="the crash")
    assert "Process exited with status 3" in logs(api, app)
    wait_until(lambda: ask(api, app).status_code == 503, what="the error page")


def test_maintenance_mode_answers_503_with_a_page_and_leaves_workers_alone(api: httpx2.Client, shop: str) -> None:
    scale(api, shop, worker="1")
    wait_for(api, shop, {"web.1": "up", "worker.1": "up"})

    api.patch(f"/apps/{shop}", json={"maintenance": True})
    during = ask(api, shop)
    assert states(api, shop) == {"web.1": "up", "worker.1": "up"}
    api.patch(f"/apps/{shop}", json={"maintenance": False})

    assert during.status_code == 503
    assert "maintenance" in during.text.lower()
    assert ask(api, shop).status_code == 200


def test_the_page_follows_the_app_where_a_process_died_between_the_two(
    api: httpx2.Client, shop: str, control_plane: ControlPlane
) -> None:
    with control_plane.state() as state:
        state.execute("UPDATE apps SET is_in_maintenance = true WHERE name = %s", [shop])
        wait_until(lambda: ask(api, shop).status_code == 503, what="the page")

        state.execute("UPDATE apps SET is_in_maintenance = false WHERE name = %s", [shop])
        wait_until(lambda: ask(api, shop).status_code == 200, what="the app")


def test_after_maintenance_no_dyno_of_a_former_release_answers(api: httpx2.Client, shop: str) -> None:
    """Else it would take orders into the database that pg:promote has just left."""
    deploy(api, shop, "web: sleep 1 && python3 web.py\n")
    scale(api, shop, web="2")
    api.patch(f"/apps/{shop}", json={"maintenance": True})
    api.patch(f"/apps/{shop}/config-vars", json={"GREETING": "good morning"})

    api.patch(f"/apps/{shop}", json={"maintenance": False})

    assert {ask(api, shop).text for _ in range(10)} == {"web.1 good morning", "web.2 good morning"}


def test_a_maintenance_page_that_does_not_answer_is_a_warning(api: httpx2.Client, shop: str) -> None:
    api.patch(f"/apps/{shop}/config-vars", json={"MAINTENANCE_PAGE_URL": "http://127.0.0.1:9/page.html"})

    answer = api.patch(f"/apps/{shop}", json={"maintenance": True})

    assert answer.status_code == 200
    assert "could not be fetched" in answer.headers["x-heroku-warning"]
    assert ask(api, shop).status_code == 503


def test_a_restart_replaces_every_dyno(api: httpx2.Client, shop: str) -> None:
    scale(api, shop, worker="1")

    assert api.delete(f"/apps/{shop}/dynos").status_code == 202

    for dyno in ("web.1", "worker.1"):
        stopping = f"heroku[{dyno}]: Stopping all processes with SIGTERM"
        wait_until(lambda line=stopping: line in logs(api, shop), what=stopping)  # type: ignore[misc]
    wait_for(api, shop, {"web.1": "up", "worker.1": "up"})
    wait_until(lambda: ask(api, shop).status_code == 200, what="the router to hear of it")


def test_a_stopped_dyno_stays_down_until_the_next_restart(api: httpx2.Client, shop: str) -> None:
    api.post(f"/apps/{shop}/dynos/web.1/actions/stop")
    assert states(api, shop) == {"web.1": "down"}

    api.delete(f"/apps/{shop}/dynos")

    wait_for(api, shop, {"web.1": "up"})


def test_a_renamed_app_answers_at_its_new_name(api: httpx2.Client, shop: str) -> None:
    api.patch(f"/apps/{shop}", json={"name": f"{shop}-x"})

    wait_until(lambda: ask(api, f"{shop}-x").status_code == 200, what="the new name")


def test_an_unknown_host_is_refused(api: httpx2.Client, shop: str) -> None:
    url = api.get(f"/apps/{shop}").json()["web_url"].replace(shop, "stranger")

    assert visit(url).status_code == 404


def test_a_log_session_that_was_tampered_with_opens_nothing(api: httpx2.Client, shop: str) -> None:
    url = api.post(f"/apps/{shop}/log-sessions", json={"lines": 1}).json()["logplex_url"]

    assert httpx2.get(url[:-5] + "AAAAA", timeout=10).status_code == 403


def test_before_the_first_deploy_there_is_nothing_to_run(api: httpx2.Client, things: Things) -> None:
    answer = api.post(f"/apps/{things.app()}/dynos", json={"command": "ls", "attach": False})

    assert (answer.status_code, answer.json()["id"]) == (409, "not_available")
    assert "message" not in answer.json(), "the official CLI tries again only then"


def test_a_destroyed_app_leaves_no_process_and_no_folder(
    control_plane: ControlPlane, api: httpx2.Client, shop: str
) -> None:
    folder = control_plane.home / "apps" / api.get(f"/apps/{shop}").json()["id"]
    assert folder.exists()

    api.delete(f"/apps/{shop}")

    assert not folder.exists()
    assert not any(str(folder) in line for line in _command_lines())


def _command_lines() -> list[str]:
    return [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]

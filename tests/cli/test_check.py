"""`changeover check`: what it prints, writes, and how it ends; alone and with the real control plane."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import Plane, Reply
from tests.fix_control_plane import ControlPlane
from tests.fix_provider import Elsewhere

from changeover.cli.check import VERDICTS

PATH = "POST /changeover/v1/checks"
PROVIDER = {"title": "Amazon RDS", "because": "role rdsadmin", "notes": ["Nobody may read passwords there."]}
SIDE = {
    "address": "shop on db.example.com:5432 as shop", "database": "shop", "version": "PostgreSQL 15.4",
    "system_identifier": "7", "provider": PROVIDER,
}  # fmt: skip


def finding(result: str, **changed: str) -> dict[str, str]:
    return {
        "id": "S16", "title": "No prepared transactions", "about": "source", "result": result, "what": "One waits.",
        "why": "No snapshot has it.", "fix": "ROLLBACK PREPARED 'x';", **changed,
    }  # fmt: skip


def checked(*findings: dict[str, str], verdict: str = "ready", **changed: Any) -> dict[str, Any]:
    counts = {
        result: sum(one["result"] == result for one in findings)
        for result in ("passed", "warning", "unknown", "failed")
    }
    return {
        "verdict": verdict, "counts": counts, "findings": list(findings), "source": SIDE, "target": None,
        "extensions": [{"name": "hstore", "version": "1.8", "schema": "public", "target": None, "status": "lacking"}],
        "settings": [{"name": "a", "source": "=1+1", "target": None, "unit": "", "category": "c", "says": "s"}],
        "size": {"bytes": 2.5e9, "limit_bytes": 1e11, "tables": 3, "biggest": [
            {"name": "public.orders", "table_bytes": 2e9, "index_bytes": 5e8, "rows": 1000000}]},
        "forecast": {"downtime_s": 720, "because": "2.0 GB of tables at 40.0 MB a second"},
        "clients": [{"application": "web", "user": "shop", "address": "10.0.0.7", "most_at_once": 5, "seen_in_percent": 80}],
        "sampled_s": 5, "roles": [{"name": "shop", "is_reserved": False}], **changed,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "result", "code"),
    [("ready", "passed", 0), ("ready", "warning", 0), ("not ready", "failed", 1), ("unknown", "unknown", 3)],
)
def test_the_exit_code_is_the_verdict(plane: Plane, typed: Keyboard, verdict: str, result: str, code: int) -> None:
    plane.answers |= {PATH: checked(finding(result), verdict=verdict), "GET /healthz": {}}

    ended = typed("check", "postgres://shop@db.example.com/shop?sslmode=require")

    assert (ended.exit_code, ended.stdout.splitlines()[-1]) == (code, VERDICTS[verdict][1])


def test_what_is_not_passed_is_told_with_reason_and_fix(plane: Plane, typed: Keyboard) -> None:
    plane.answers |= {
        PATH: checked(finding("failed"), finding("passed", id="S1"), verdict="not ready"),
        "GET /healthz": {},
    }

    shown = typed("check", "postgres://shop@db.example.com/shop").stdout

    assert " ✘ S16  One waits.\n        No snapshot has it.\n        ROLLBACK PREPARED 'x';\n" in shown
    assert " ✓ 1 check passed; 1 failed" in shown
    for fact in (
        "Amazon RDS (role rdsadmin)",
        "2.5 GB of 100.0 GB",
        "about 12 min",
        "hstore",
        "10.0.0.7",
        "public.orders",
    ):
        assert fact in shown


def test_a_name_can_not_move_the_cursor(plane: Plane, typed: Keyboard) -> None:
    plane.answers |= {PATH: checked(finding("failed", what="\x1b[2J\nAll is well")), "GET /healthz": {}}

    assert "\\x1b[2J\\nAll is well" in typed("check", "postgres://shop@db.example.com/shop").stdout


def test_csv_files_are_written_and_hold_no_formula(plane: Plane, typed: Keyboard, tmp_path: Path) -> None:
    plane.answers |= {PATH: checked(finding("warning")), "GET /healthz": {}}

    ended = typed("check", "postgres://shop@db.example.com/shop", "--csv", str(tmp_path / "out"))

    rows = {path.name: list(csv.DictReader(StringIO(path.read_text()))) for path in (tmp_path / "out").iterdir()}
    assert ended.exit_code == 0
    assert sorted(rows) == ["clients.csv", "extensions.csv", "findings.csv", "settings.csv"]
    assert rows["settings.csv"][0]["source"] == "'=1+1"
    assert rows["clients.csv"][0]["address"] == "10.0.0.7"


def test_both_addresses_and_the_sample_are_sent(plane: Plane, typed: Keyboard) -> None:
    plane.answers |= {PATH: checked(), "GET /healthz": {}}

    typed("check", "postgres://a@x/a", "postgres://b@y/b", "--sample", "0.5")

    assert plane.sent(PATH) == [{"source": "postgres://a@x/a", "target": "postgres://b@y/b", "sample_s": 0.5}]


def test_a_pooler_has_a_report_of_one_line(plane: Plane, typed: Keyboard) -> None:
    alone = checked(finding("failed", id="S3"), verdict="not ready", source=None, size=None, forecast=None)
    plane.answers |= {PATH: alone, "GET /healthz": {}}

    ended = typed("check", "postgres://a@x/a")

    assert (ended.exit_code, "S3" in ended.stdout, "Clients" in ended.stdout) == (1, True, False)


def test_a_database_elsewhere_is_checked_by_a_real_control_plane(
    control_plane: ControlPlane, elsewhere: Elsewhere
) -> None:
    """No password is told, nor written to a log."""
    ended = control_plane.typed("check", elsewhere.url, "--sample", "0", "--json")

    found = json.loads(ended.stdout)
    assert (ended.exit_code, found["verdict"]) == (0, "ready")
    assert found["size"]["biggest"][0]["name"] == "public.orders"
    secret = elsewhere.location.password or ""
    assert secret not in ended.stdout + control_plane.logs()


@pytest.mark.parametrize(
    ("changed", "id_", "code"),
    [
        ({"password": "wrong"}, "login_refused", 1),
        ({"port": "1"}, "server_unreachable", 3),
        ({"sslmode": "disable", "sslrootcert": None}, "login_refused", 1),
    ],
)
def test_an_address_that_does_not_let_us_in_is_an_error(
    control_plane: ControlPlane, elsewhere: Elsewhere, changed: dict[str, str], id_: str, code: int
) -> None:
    ended = control_plane.typed("check", elsewhere.url_with(**changed), "--json")

    assert (ended.exit_code, json.loads(ended.stdout)["id"]) == (code, id_)


@pytest.mark.parametrize(
    ("id_", "code"),
    [("server_unreachable", 3), ("connection_lost", 3), ("check_failed", 3), ("too_many_questions", 3),
     ("bad_address", 1), ("login_refused", 1)],
)  # fmt: skip
def test_a_check_that_could_not_run_does_not_end_like_a_failed_one(
    plane: Plane, typed: Keyboard, id_: str, code: int
) -> None:
    plane.answers |= {PATH: Reply({"id": id_, "what": "It did not work."}, 422), "GET /healthz": {}}

    ended = typed("check", "postgres://a@x/a", "--json")

    assert (ended.exit_code, json.loads(ended.stdout)["id"]) == (code, id_)


@pytest.mark.parametrize(
    "id_", ["server_unreachable", "connection_lost", "login_refused", "step_deadline", "copy_failed"]
)
@pytest.mark.parametrize("options", [[], ["--counts"]])
def test_a_comparison_that_could_not_run_does_not_end_as_if_it_had_found_a_difference(
    plane: Plane, typed: Keyboard, id_: str, options: list[str]
) -> None:
    failed = {"id": 7, "status": "failed", "finished_at": "2026-01-01T00:00:00Z", "error": {"id": id_, "what": "No."}}
    plane.answers |= {
        "POST /changeover/v1/verifications": {"id": 7},
        "GET /changeover/v1/verifications/7": failed,
        "GET /healthz": {},
    }

    ended = typed("verify", "postgres://a@x/a", "postgres://b@y/b", "--json", *options)

    assert (ended.exit_code, json.loads(ended.stdout)["id"]) == (3, id_)


@pytest.mark.parametrize(
    "body", [{}, {"source": "nonsense://x"}, {"source": "postgres://x", "sample_s": -1}, {"source": "=", "sample_s": 0}]
)
def test_a_request_that_makes_no_sense_is_refused_in_words(control_plane: ControlPlane, body: dict[str, Any]) -> None:
    with control_plane.client() as client:
        answer = client.post("/changeover/v1/checks", json=body)

    assert (answer.status_code, bool(answer.json()["message"])) == (422, True)

"""`migrate --exclude-table` and its siblings, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.changeovers.methods.snapshot.test_migrate import ROWS, can_write, is_empty, migrate, rows_of, source, target
from tests.fix_control_plane import ControlPlane, Typed
from tests.fix_provider import Elsewhere

__all__ = ["migrate", "source", "target"]


def test_a_part_is_moved_and_plan_report_and_verification_are_about_that_part(
    control_plane: ControlPlane, migrate: Callable[..., Typed], target: Elsewhere
) -> None:
    planned = migrate("--plan", "--exclude-table", "item?")
    done = migrate("--exclude-table", "item?", "--hold", "read-only")

    assert "public.items, public.items_id_seq" in planned.stdout, planned.everything
    assert done.exit_code == 0, done.everything
    assert rows_of(target, "orders") == ROWS
    assert target.ask("SELECT to_regclass('public.items')") == [(None,)]
    assert "public.items, public.items_id_seq" in done.stdout
    assert "all content compared: equal" in done.stdout
    compared = control_plane.typed("verify", "env:OLD", "env:NEW")
    assert compared.exit_code == 0, compared.everything
    assert "Excluded:" in compared.stdout
    again, other = migrate("--exclude-table", "item?"), migrate("--exclude-table", "orders")
    assert again.exit_code == 0, again.everything
    assert other.exit_code == 1
    assert "has ended, with other options: exclude tables" in other.everything


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--exclude-table", "orders"), "constraint items_order_id_fkey on table public.items needs"),
        (("--exclude-table", "no'thing"), "matches nothing"),
        (("--only-schema", "shop"), "The source has: public."),
        (("--exclude-schema", "a.b"), "Invalid name pattern"),
    ],
)
def test_what_can_not_be_excluded_is_refused_before_anything_changes(
    migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere, words: tuple[str, ...], says: str
) -> None:
    for command in (("--plan", *words), (*words, "--hold", "read-only")):
        refused = migrate(*command)
        assert refused.exit_code == 1, refused.everything
        assert says in refused.everything
    assert is_empty(target)
    assert can_write(source)


def test_other_patterns_with_the_repeated_command_are_refused(
    migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere
) -> None:
    source.ask("CREATE FUNCTION public.fails(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'")
    source.ask("CREATE INDEX fails ON public.orders (public.fails(id))")
    source.ask(
        "CREATE OR REPLACE FUNCTION public.fails(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 / ($1 - 5)'"
    )
    stopped = migrate("--exclude-table", "items")
    assert stopped.exit_code == 1, stopped.everything

    other = migrate("--exclude-table", "recent")

    assert other.exit_code == 1
    assert "--exclude-table" in other.everything
    source.ask("CREATE OR REPLACE FUNCTION public.fails(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'")
    same = migrate("--exclude-table", "items", "--json")
    assert same.exit_code == 0, same.everything
    report = json.loads(same.stdout.splitlines()[-1])["report"]
    assert ["public", "items"] in report["copy"]["excluded"]["tables"]
    assert target.ask("SELECT to_regclass('public.items')") == [(None,)]

"""What the copy names as not brought: a difference that is known and doesn't stop a held migration."""

from __future__ import annotations

from collections.abc import Callable

from tests.changeovers.methods.snapshot.test_migrate import ROWS, can_write, migrate, rows_of, source, target
from tests.fix_control_plane import ControlPlane, Typed
from tests.fix_provider import Elsewhere

from changeover.changeovers.verification.named import MISSING, unnamed
from changeover.postgres.comparing.comparison import Comparison, Difference, Part

__all__ = ["migrate", "source", "target"]

LOOP = """
CREATE VIEW public.circle AS SELECT 1 AS id;
CREATE OR REPLACE VIEW public.circle AS SELECT id FROM public.circle;
CREATE VIEW public.over AS SELECT id FROM public.circle;
COMMENT ON VIEW public.circle IS 'mine';
GRANT SELECT ON public.circle TO PUBLIC;
"""


def test_what_no_sql_makes_is_named_and_does_not_stop_the_migration(
    control_plane: ControlPlane, migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere
) -> None:
    """A comparison afterwards says that the report names it, and what else differs."""
    with source.database.connect() as owner:
        owner.execute(LOOP)
        owner.execute(
            "CREATE TABLE parent (a int); CREATE TABLE child (b text) INHERITS (parent); ALTER TABLE parent ADD z text"
        )
        owner.execute("CREATE MATERIALIZED VIEW stale AS SELECT count(*) FROM parent; INSERT INTO child VALUES (1)")

    done = migrate("--hold", "read-only")

    assert done.exit_code == 0, done.everything
    assert rows_of(target, "orders") == ROWS
    assert "Not copied: VIEW public.circle. It reads itself" in done.stdout
    assert "equal but for 3 that the notes name as not brought" in done.stdout
    assert "materialized view public.stale was filled at another time" in done.stdout
    assert not can_write(source)

    compared = control_plane.typed("verify", "env:OLD", "env:NEW")
    assert compared.exit_code == 0, compared.everything
    assert "Both hold the same, except for what the report of migration" in compared.stdout
    assert "view public.circle is missing on the target" in compared.stdout
    assert "table public.child differs in its order of columns" in compared.stdout
    assert "materialized view public.stale was filled at another time" in compared.stdout

    with target.database.connect() as owner:
        owner.execute("DELETE FROM items WHERE id = 3")
    compared = control_plane.typed("verify", "env:OLD", "env:NEW")
    assert compared.exit_code == 1
    assert "table public.items has" in compared.stdout
    assert "Not counted is what the report of migration" in compared.stdout


def test_only_what_the_copy_named_is_passed_over() -> None:
    part = Part("schema")
    for thing, says in (
        ("view public.circle", MISSING), ("view public.other", MISSING), ("view public.circle", "is missing on the source"),
        ("acl public.TABLE t", "is defined differently: x"), ("table public.t", "is defined differently: x"),
        ("extension hstore", "has object function ext.mine() on the source and not on the target"),
    ):  # fmt: skip
        part.differs(Difference(thing, says))
    found = Comparison((part,), is_quick=False, bytes_compared=0, rows_compared=0, rows_seconds=0, seconds=0)

    named = ["view public.circle", "function ext.mine()", 'acl public.TABLE "t"', "table public.t"]
    left = unnamed(found, named)

    assert [str(one) for one in left] == [
        "view public.other is missing on the target",
        "view public.circle is missing on the source",
        "table public.t is defined differently: x",
    ]
    part.differences_total += 1
    assert unnamed(found, ["view public.circle", "view public.other", "function ext.mine()"]) == found.differences

"""What the copy names as not brought: a difference that is known and doesn't stop a held migration."""

from __future__ import annotations

from collections.abc import Callable

from tests.changeovers.migrating.test_migrate import ROWS, can_write, migrate, rows_of, source, target
from tests.fix_control_plane import Typed
from tests.fix_provider import Elsewhere

from changeover.changeovers.migrating.comparing import MISSING, unnamed
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
    migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere
) -> None:
    with source.database.connect() as owner:
        owner.execute(LOOP)

    done = migrate("--hold", "read-only")

    assert done.exit_code == 0, done.everything
    assert rows_of(target, "orders") == ROWS
    assert "Not brought: VIEW public.circle. It reads itself" in done.stdout
    assert "equal but for 3 that the notes name as not brought" in done.stdout
    assert not can_write(source)


def test_only_what_the_copy_named_is_passed_over() -> None:
    part = Part("schema")
    for thing, says in (
        ("view public.circle", MISSING), ("view public.other", MISSING), ("view public.circle", "is missing on the source"),
        ("extension hstore", "has object function ext.mine() on the source and not on the target"),
    ):  # fmt: skip
        part.differs(Difference(thing, says))
    found = Comparison((part,), is_quick=False, bytes_compared=0, rows_compared=0, rows_seconds=0, seconds=0)

    left = unnamed(found, ["view public.circle", "function ext.mine()"])

    assert [str(one) for one in left] == [
        "view public.other is missing on the target",
        "view public.circle is missing on the source",
    ]
    part.differences_total += 1
    assert unnamed(found, ["view public.circle", "view public.other", "function ext.mine()"]) == found.differences

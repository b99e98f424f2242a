"""What the target must have for the schema of the source."""

from __future__ import annotations

from tests.changeovers.checks.fix_grounds import Pair, asked, results


async def test_a_target_without_public_is_named_with_the_statement_that_makes_it(pair: Pair) -> None:
    pair.here("CREATE TABLE public.one (a int)", "CREATE EXTENSION hstore")
    pair.there("DROP SCHEMA public")

    (found,) = await asked("T15", pair.source, pair.target)
    tried = await asked("T5", pair.source, pair.target)
    pair.there(found.fix.removeprefix("On the target: "))

    assert (found.result, results(tried)) == ("failed", ["passed"])
    assert results(await asked("T15", pair.source, pair.target)) == ["passed"]


async def test_a_source_without_public_needs_none(pair: Pair) -> None:
    for run in (pair.here, pair.there):
        run("DROP SCHEMA public")

    assert results(await asked("T15", pair.source, pair.target)) == ["passed"]


async def test_an_extension_elsewhere_fails_the_check_if_something_depends_on_it(pair: Pair) -> None:
    pair.here('CREATE SCHEMA "Ext"', 'CREATE EXTENSION citext SCHEMA "Ext"', 'CREATE EXTENSION unaccent SCHEMA "Ext"',
              'CREATE TABLE users (mail "Ext".citext)')  # fmt: skip
    pair.there("CREATE EXTENSION citext", "CREATE EXTENSION unaccent")

    used, unused = await asked("T16", pair.source, pair.target)
    pair.there(used.fix.removeprefix("On the target: "))

    assert (used.result, unused.result) == ("failed", "warning")
    assert used.what == "The extension citext is in the schema public on the target, and in Ext on the source."
    assert [row[2] for row in pair.there(used.query) if row[0] == "citext"] == ['"Ext"']
    assert len(await asked("T16", pair.source, pair.target)) == 1


async def test_an_extension_that_is_on_one_side_only_is_in_its_place(pair: Pair) -> None:
    pair.here("CREATE SCHEMA ext", "CREATE EXTENSION citext SCHEMA ext", "CREATE TABLE users (mail ext.citext)")
    pair.there("CREATE EXTENSION hstore")

    assert results(await asked("T16", pair.source, pair.target)) == ["passed"]


async def test_an_extension_that_was_not_updated_is_told(pair: Pair) -> None:
    pair.here("CREATE EXTENSION pg_trgm VERSION '1.3'", "CREATE EXTENSION hstore")

    (behind,) = await asked("C34", pair.source)
    pair.here(behind.fix.split(": ")[1])

    assert (behind.result, "pg_trgm 1.3" in behind.what, "hstore" in behind.what) == ("warning", True, False)
    assert results(await asked("C34", pair.source)) == ["passed"]


async def test_lz4_needs_a_target_that_was_built_with_it(pair: Pair, newer_pair: Pair) -> None:
    has_lz4 = newer_pair.there(
        "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
    )
    pair.here("CREATE TABLE docs (id int, body text COMPRESSION lz4, other text COMPRESSION pglz)")

    (found,) = await asked("T17", pair.source, newer_pair.target)

    assert found.result == ("passed" if has_lz4 == [(True,)] else "failed")
    if found.result == "failed":
        assert "public.docs.body." in found.what
        assert pair.here(found.query) == [("docs", "body")]
        pair.here(found.fix.split("): ")[1].split(";")[0])
        assert results(await asked("T17", pair.source, newer_pair.target)) == ["passed"]


async def test_xml_needs_a_target_that_was_built_with_it(pair: Pair, newer_pair: Pair) -> None:
    lacks_xml = newer_pair.there("SELECT 1 FROM pg_config WHERE name = 'CONFIGURE' AND setting ~ 'with-libxml'") == []
    pair.here("CREATE TABLE docs (id int, body xml, list xml[], other text)",
              "CREATE VIEW made AS SELECT xmlelement(name a, id) AS one FROM docs",
              "CREATE VIEW rows AS SELECT * FROM docs, XMLTABLE('/a' PASSING body COLUMNS b text)",
              "CREATE VIEW plain AS SELECT other FROM docs")  # fmt: skip

    (here,) = await asked("T25", pair.source, pair.target)
    (there,) = await asked("T25", pair.source, newer_pair.target)

    assert here.what.startswith("4 columns and views with XML")
    assert (here.result, there.result) == ("passed", "failed" if lacks_xml else "passed")
    assert not lacks_xml or "public.docs.body, public.docs.list, public.made, public.rows." in there.what


async def test_collations_are_tried_on_the_target(pair: Pair, newer_pair: Pair) -> None:
    pair.here("CREATE COLLATION by_number (provider = icu, locale = 'en-u-kn-true', deterministic = false)",
              "CREATE COLLATION plain (lc_collate = 'C', lc_ctype = 'C')")  # fmt: skip
    has_icu = newer_pair.there("SELECT count(*) > 0 FROM pg_collation WHERE collname LIKE '%-x-icu'")

    here = await asked("T18", pair.source, pair.target)
    (there,) = await asked("T18", pair.source, newer_pair.target)

    assert results(here) == ["passed"]
    assert there.result == ("passed" if has_icu == [(True,)] else "failed")
    assert there.result == "passed" or "public.by_number (icu, en-u-kn-true)" in there.what
    assert newer_pair.there("SELECT 1 FROM pg_namespace WHERE nspname = '_changeover_probe'") == []


async def test_a_locale_that_the_target_lacks_is_named(pair: Pair) -> None:
    pair.here("CREATE COLLATION far (lc_collate = 'C', lc_ctype = 'C')",
              "UPDATE pg_collation SET collcollate = 'tlh_QO.utf8' WHERE collname = 'far'")  # fmt: skip

    (found,) = await asked("T18", pair.source, pair.target)

    assert (found.result, "public.far (libc, tlh_QO.utf8)" in found.what) == ("failed", True)


async def test_a_library_of_the_source_that_the_target_lacks_is_told(pair: Pair, newer_pair: Pair) -> None:
    """PostgreSQL 17 gave up old_snapshot."""
    pair.here(f"ALTER DATABASE {pair.source_name} SET session_preload_libraries = 'plpgsql', 'old_snapshot'")

    (found,) = await asked("T19", pair.source, newer_pair.target)
    both = await asked("T19", pair.source, pair.target)
    pair.here(found.fix.split("on the source: ")[1])

    assert (found.result, "library old_snapshot" in found.what, results(both)) == ("warning", True, ["passed"])
    assert results(await asked("T19", pair.source, newer_pair.target)) == ["passed"]

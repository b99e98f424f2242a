"""After a restore: everything that the archive lists is looked up, and what is not there is named."""

from __future__ import annotations

import io
import subprocess

import pytest
from tests.fix_provider import Elsewhere, Provider

from changeover.platform.transfers.completeness import missing
from changeover.postgres.libpq import addresses_of_blocking, told
from changeover.postgres.reaching import reach
from changeover.postgres.toc import TocEntry, read_toc

SHOP = """
CREATE SCHEMA "public data";
CREATE SCHEMA "_heroku x";
CREATE TYPE mood AS ENUM ('good');
CREATE DOMAIN positive AS int CONSTRAINT above CHECK (VALUE > 0);
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION one(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE "public data"."a.b" (id serial PRIMARY KEY, n int CONSTRAINT above CHECK (n > 0));
CREATE TABLE "_heroku x".t (id int REFERENCES "public data"."a.b");
CREATE INDEX "by n" ON "public data"."a.b" (n);
CREATE VIEW seen AS SELECT 1 AS x;
CREATE MATERIALIZED VIEW kept AS SELECT 1 AS x;
CREATE TRIGGER fires BEFORE INSERT ON "_heroku x".t FOR EACH ROW EXECUTE FUNCTION fire();
CREATE RULE nothing AS ON DELETE TO "_heroku x".t DO INSTEAD NOTHING;
CREATE POLICY mine ON "_heroku x".t USING (true);
CREATE STATISTICS both_of ON id, n FROM "public data"."a.b";
"""


@pytest.fixture(scope="module")
def shop(provider: Provider) -> tuple[Elsewhere, list[TocEntry]]:
    """A database of one object of each kind, and the table of contents of its dump."""
    made = provider.database()
    with made.database.connect() as session:
        session.execute(f"DROP TABLE orders; {SHOP}".encode())
    program = provider.host.installation.bin_directory / "pg_dump"
    with told(made.location, addresses_of_blocking(made.location)) as told_:
        done = subprocess.run(
            [program, "--format=custom"], env=told_.environment() | {"PGDATABASE": made.database.name}, pass_fds=told_.files,
            stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
    return made, read_toc(io.BytesIO(done.stdout))


async def test_nothing_is_missing_where_nothing_was_lost(shop: tuple[Elsewhere, list[TocEntry]]) -> None:
    made, listed = shop

    async with reach(made.location) as connection:
        assert await missing(connection, listed) == []


LOSSES = [
    ('DROP TABLE "_heroku x".t', "TABLE _heroku x.t"),
    ('DROP SCHEMA "_heroku x" CASCADE', "SCHEMA _heroku x"),
    ("DROP VIEW seen", "VIEW public.seen"),
    ("DROP MATERIALIZED VIEW kept", "MATERIALIZED VIEW public.kept"),
    ('DROP INDEX "public data"."by n"', "INDEX public data.by n"),
    ('ALTER TABLE "public data"."a.b" DROP CONSTRAINT "a.b_pkey" CASCADE', "CONSTRAINT public data.a.b a.b_pkey"),
    ('ALTER TABLE "_heroku x".t DROP CONSTRAINT t_id_fkey', "FK CONSTRAINT _heroku x.t t_id_fkey"),
    ('DROP TRIGGER fires ON "_heroku x".t', "TRIGGER _heroku x.t fires"),
    ('DROP RULE nothing ON "_heroku x".t', "RULE _heroku x.t nothing"),
    ('DROP POLICY mine ON "_heroku x".t', "POLICY _heroku x.t mine"),
    ("DROP STATISTICS both_of", "STATISTICS public.both_of"),
    ("DROP TYPE mood", "TYPE public.mood"),
    ("DROP DOMAIN positive", "DOMAIN public.positive"),
    ("DROP FUNCTION one(int)", "1 routines of the schema public"),
    ('ALTER TABLE "public data"."a.b" ALTER id DROP DEFAULT; DROP SEQUENCE "public data"."a.b_id_seq"', "SEQUENCE"),
]


@pytest.mark.parametrize(("loss", "named"), LOSSES, ids=[named for _, named in LOSSES])
async def test_what_was_lost_is_named(shop: tuple[Elsewhere, list[TocEntry]], loss: str, named: str) -> None:
    made, listed = shop
    async with reach(made.location, is_read_only=False) as connection, connection.transaction(force_rollback=True):
        await connection.execute("SET LOCAL search_path = public")
        await connection.execute(loss.encode())

        assert any(one.startswith(named) for one in await missing(connection, listed))

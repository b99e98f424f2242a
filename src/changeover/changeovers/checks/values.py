"""Checks of the source's values: encodings, collations, types whose meaning depends on settings."""

from __future__ import annotations

from psycopg import sql

from changeover.changeovers.checks.finding import Answers, check, failed, named, passed, unknown, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.side import Side
from changeover.quantities import counted

SAMPLED_COLUMNS, SAMPLED_ROWS = 200, 20_000
_TEXT_COLUMNS = """SELECT nspname, relname, attname, name || '.' || quote_ident(attname)
  FROM mine JOIN pg_attribute a ON a.attrelid = mine.oid AND attnum > 0 AND NOT attisdropped
 WHERE relkind IN ('r', 'm') AND atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
   AND has_column_privilege(mine.oid, attnum, 'SELECT')
 ORDER BY relpages DESC, 1, 2, attnum LIMIT %(most)s"""
_NOT_ASCII = """
SELECT convert_to({column}, 'SQL_ASCII')
  FROM (SELECT {column} FROM ONLY {schema}.{table} LIMIT {rows}) one
 WHERE {column} !~ '^[\\x01-\\x7f]*$' LIMIT 1000"""


@check("C20", "All types have the same meaning on the target")
async def types(look: Look) -> Answers:
    money = await look.source.names(
        """SELECT name || '.' || quote_ident(attname) FROM mine
              JOIN pg_attribute a ON a.attrelid = mine.oid AND attnum > 0 AND NOT attisdropped
             WHERE relkind IN ('r', 'm', 'p') AND atttypid IN ('money'::regtype, 'money[]'::regtype) ORDER BY 1"""
    )
    if not money:
        return
    here = look.source.value("lc_monetary")
    if look.target is None:
        yield warning(f"Columns of type money: {named(money)}.",
                      f"Their meaning depends on lc_monetary, which is {here} on the source.",
                      f"Use the same on the target: ALTER DATABASE … SET lc_monetary = '{here}';")  # fmt: skip
    elif look.target.value("lc_monetary") != here and not look.source.settings["lc_monetary"].comes_along:
        yield failed(
            f"Columns of type money would change their meaning: {named(money)}.",
            f"lc_monetary is {here} on the source and {look.target.value('lc_monetary')} on the target, with another currency.",
            f"On the target: ALTER DATABASE {_quoted(look.target)} SET lc_monetary = '{here}';",
        )


@check("C21", "All texts match the encoding")
async def encoding(look: Look) -> Answers:
    """Only SQL_ASCII accepts any bytes. Reads a sample of each text column as UTF-8."""
    if look.source.identity.encoding != "SQL_ASCII":
        return
    wanted = look.target.identity.encoding if look.target else "UTF8"
    if wanted == "SQL_ASCII":
        yield passed("Both sides are SQL_ASCII: bytes are copied unchanged.")
        return
    columns = await look.source.rows(_TEXT_COLUMNS, most=SAMPLED_COLUMNS + 1)
    wrong: list[str] = []
    other: list[str] = []
    for schema, table, column, name in columns[:SAMPLED_COLUMNS]:
        texts = await _not_ascii(look.source, schema, table, column)
        (wrong if any(not _is_utf8(text) for text in texts) else other).extend([name] if texts else [])
    if wrong:
        yield failed(
            f"Bytes that are not {wanted}, in an SQL_ASCII database: {named(wrong)}.",
            f"The target is {wanted} and refuses them.",
            "Move to a database with ENCODING 'SQL_ASCII' TEMPLATE template0; or correct them: "
            "UPDATE … SET c = convert_from(convert_to(c, 'SQL_ASCII'), 'LATIN1') if they are LATIN1.",
        )
    elif other or len(columns) > SAMPLED_COLUMNS:
        yield warning(
            f"The source is SQL_ASCII, and the sample is {wanted}"
            + (f", not only ASCII in {named(other)}." if other else "."),
            f"{SAMPLED_ROWS} rows of {counted(min(len(columns), SAMPLED_COLUMNS), 'column')} were read. Others may differ.",
            "If the copy finds other bytes, it stops and reports the table.",
        )
    else:
        yield passed("The source is SQL_ASCII, and the sample is plain ASCII.")


async def _not_ascii(side: Side, schema: str, table: str, column: str) -> list[bytes]:
    query = sql.SQL(_NOT_ASCII).format(
        column=sql.Identifier(column), schema=sql.Identifier(schema), table=sql.Identifier(table),
        rows=sql.Literal(SAMPLED_ROWS),
    )  # fmt: skip
    return [bytes(row[0]) for row in await (await side.connection.execute(query)).fetchall()]


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


@check("C22", "Collations are available elsewhere")
async def collations(look: Look) -> Answers:
    """Lists the collations in use. T7 compares them with the target's."""
    used = await used_collations(look.source)
    icu = [name for name, provider in used if provider == "i"]
    if look.target is None and icu and not any(one.has_icu for one in look.offered):
        yield failed(f"ICU collations are in use: {named(icu)}.", "No PostgreSQL on this machine has ICU.",
                     "Install a PostgreSQL with ICU, such as Debian's: apt-get install postgresql")  # fmt: skip
    elif used:
        yield passed(f"Collations in use besides the database's own: {named(name for name, _ in used)}.")


async def used_collations(side: Side) -> list[tuple[str, str]]:
    """Name and provider of collations that columns, indexes and domains use, except `default`, `C` and `POSIX`."""
    return [
        (str(name), str(provider))
        for name, provider in await side.rows(
            """SELECT DISTINCT c.collname, c.collprovider FROM pg_collation c
                 WHERE c.collname NOT IN ('default', 'C', 'POSIX', 'ucs_basic')
                   AND c.oid IN (SELECT attcollation FROM pg_attribute JOIN mine ON mine.oid = attrelid
                                 UNION SELECT unnest(indcollation) FROM pg_index JOIN mine ON mine.oid = indexrelid
                                 UNION SELECT typcollation FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
                                        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
                 ORDER BY 1"""
        )
    ]


@check("T7", "Encoding and collations are the same on the target", "target")
async def locale(look: Look) -> Answers:
    source, target = look.source.identity, look.there.identity
    if source.encoding != target.encoding and "SQL_ASCII" not in (source.encoding, target.encoding):
        if target.encoding == "UTF8":
            yield passed(f"{source.encoding} is converted to UTF8.")
        else:
            yield failed(f"The target is {target.encoding}, the source {source.encoding}.",
                         "Some of its characters do not exist in the target's encoding.",
                         f"CREATE DATABASE … ENCODING '{source.encoding}' TEMPLATE template0;")  # fmt: skip
    elif target.encoding == "SQL_ASCII" != source.encoding:
        yield warning("The target is SQL_ASCII.", "It does not validate texts, so any bytes can be written to it.",
                      f"CREATE DATABASE … ENCODING '{source.encoding}' TEMPLATE template0;")  # fmt: skip
    rules = [(side.locale or side.collate, side.ctype) for side in (source, target)]
    if rules[0] != rules[1]:
        yield warning(
            f"Sort orders of text differ: {rules[0][0]} on the source, {rules[1][0]} on the target.",
            "ORDER BY and comparisons may give a different order. Indexes are rebuilt, so they are correct.",
            f"CREATE DATABASE … LC_COLLATE '{source.collate}' LC_CTYPE '{source.ctype}' TEMPLATE template0;",
        )
    used = [name for name, _ in await used_collations(look.source)]
    made = await look.source.names("SELECT collname FROM pg_collation WHERE oid >= 16384")
    known = await look.there.names("SELECT collname FROM pg_collation")
    lacking = [name for name in used if name not in known and name not in made]
    if lacking:
        yield failed(f"The target has no collation {named(lacking)}.", "Columns or indexes of the source use it.",
                     f'On the target: CREATE COLLATION "{lacking[0]}" (…); or install its locale there.')  # fmt: skip
    if not known:
        yield unknown("The target lists no collations.", "They could not be compared.")


def _quoted(side: Side) -> str:
    return '"' + side.identity.database.replace('"', '""') + '"'

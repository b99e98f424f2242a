"""The end of a generated database: changes after the fact, comments, rights, and what is set for the database itself."""

from __future__ import annotations

from typing import Final

from tests.corpus.grammar import Database
from tests.corpus.values import TEXTS, literal

GRANTED: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
SETTINGS: Final = (
    "search_path = 'a b', \"$user\", public", "DateStyle = 'German, DMY'", "IntervalStyle = sql_standard",
    "bytea_output = escape", "array_nulls = off", "extra_float_digits = -2", "xmloption = document",
    "TimeZone = 'Asia/Kathmandu'", "work_mem = '7MB'", "app.mode = 'it''s, a\\b \"x\"'", "row_security = off",
    "default_transaction_isolation = serializable", "statement_timeout = '600s'", "standard_conforming_strings = off",
    "quote_all_identifiers = on", "check_function_bodies = off", "default_toast_compression = pglz", "lc_messages = 'C'",
    "synchronous_commit = off", "enable_seqscan = off", "client_encoding = latin1", "transform_null_equals = on",
)  # fmt: skip


def adorn(made: Database) -> None:
    for step in (_late_changes, _comments, _owners, _rights, _properties):
        step(made)


def _late_changes(made: Database) -> None:
    """What ALTER TABLE alone can say."""
    random = made.random
    for table in made.tables:
        column = random.choice([*table.columns])
        if made.chance(20):
            made.say(f"ALTER TABLE {table.name} ALTER COLUMN {column} SET STATISTICS {random.choice((0, 500))}")
        if table.kind == "TABLE" and "text" in table.columns[column] and made.chance(50):
            storage = random.choice(("EXTERNAL", "MAIN"))
            # A long value that was compressed before fits into an index, and does not once it arrives uncompressed.
            storage = "MAIN" if _is_in_an_index(made, column) else storage
            made.say(f"ALTER TABLE {table.name} ALTER COLUMN {column} SET STORAGE {storage}")
        if table.kind != "PARTITIONED" and made.chance(20):
            made.say(f"ALTER TABLE {table.name} ALTER COLUMN {column} SET (n_distinct = -0.5)")


def _is_in_an_index(made: Database, column: str) -> bool:
    """At most: of any table with a column of that name."""
    words = ("INDEX", "UNIQUE", "PRIMARY KEY", "EXCLUDE")
    return any(column in statement and any(word in statement for word in words) for statement in made.sql)


def _comments(made: Database) -> None:
    random = made.random
    for table in made.tables:
        if made.chance(40):
            made.say(f"COMMENT ON TABLE {table.name} IS {literal(random.choice(TEXTS))}")
        if made.chance(30):
            made.say(
                f"COMMENT ON COLUMN {table.name}.{random.choice([*table.columns])} IS {literal(random.choice(TEXTS))}"
            )
    for schema in made.schemas:
        if made.chance(30):
            made.say(f"COMMENT ON SCHEMA {schema} IS {literal(random.choice(TEXTS))}")


def _owners(made: Database) -> None:
    for table in made.tables:
        if made.chance(40) and table.kind == "TABLE":
            made.say(f"ALTER TABLE {table.name} OWNER TO {made.random.choice(made.roles)}")
    for view in made.views:
        if made.chance(30):
            made.say(f"ALTER VIEW {view} OWNER TO {made.random.choice(made.roles)}")
    for sequence in made.sequences:
        if made.chance(30):
            made.say(f"ALTER SEQUENCE {sequence} OWNER TO {made.random.choice(made.roles)}")


def _rights(made: Database) -> None:
    """Given, given on, taken from owners and from everybody; of tables, columns, routines, and of what will be made."""
    random = made.random
    for table in made.tables:
        for role in [*made.roles, "PUBLIC"]:
            if made.chance(30):
                rights = ", ".join(random.sample(GRANTED, random.randint(1, 3)))
                option = " WITH GRANT OPTION" if role != "PUBLIC" and made.chance(30) else ""
                made.say(f"GRANT {rights} ON {table.name} TO {role}{option}")
            if made.chance(15):
                made.say(f"GRANT SELECT ({random.choice([*table.columns])}) ON {table.name} TO {role}")
        if made.chance(10):
            made.say(f"REVOKE ALL ON {table.name} FROM CURRENT_USER, {made.roles[0]}")
    for routine in made.routines:
        if made.chance(50):
            made.say(f"REVOKE ALL ON FUNCTION {routine}(text) FROM PUBLIC")
            made.say(f"GRANT EXECUTE ON FUNCTION {routine}(text) TO {random.choice(made.roles)}")
    for sequence in made.sequences:
        if made.chance(40):
            made.say(f"GRANT USAGE ON SEQUENCE {sequence} TO {random.choice(made.roles)}")
    if made.chance(60):
        where = f" IN SCHEMA {random.choice(made.schemas)}" if made.chance(50) else ""
        made.say(f"ALTER DEFAULT PRIVILEGES FOR ROLE {made.roles[0]}{where} GRANT SELECT ON TABLES TO {made.roles[-1]}")
    if made.chance(30):
        made.say(f"ALTER DEFAULT PRIVILEGES FOR ROLE {made.roles[0]} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    made.say(f"REVOKE CREATE ON SCHEMA public FROM {random.choice([*made.roles, 'PUBLIC'])}")


def _properties(made: Database) -> None:
    """They come last, for they change what later sessions mean. THIS_DATABASE stands for the database's name."""
    random = made.random
    for setting in random.sample(SETTINGS, random.randint(0, 4)):
        made.say(f"ALTER DATABASE THIS_DATABASE SET {setting}")
    for role in made.roles:
        if made.chance(40):
            made.say(f"ALTER ROLE {role} IN DATABASE THIS_DATABASE SET {random.choice(SETTINGS)}")
    if made.chance(40):
        made.say(f"COMMENT ON DATABASE THIS_DATABASE IS {literal(random.choice(TEXTS))}")
    if made.chance(30):
        made.say(f"ALTER DATABASE THIS_DATABASE OWNER TO {made.roles[0]}")
    if made.chance(30):
        made.say("REVOKE CONNECT, TEMP ON DATABASE THIS_DATABASE FROM PUBLIC")
        made.say(f"GRANT CONNECT ON DATABASE THIS_DATABASE TO {made.roles[-1]}")
    if made.chance(30):
        made.say("ALTER DATABASE THIS_DATABASE CONNECTION LIMIT 33")

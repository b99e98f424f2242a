"""Source databases of every sort, each made by a seed: a small grammar that knows what may depend on what.

What it writes is valid, so a statement that the server refuses is a fault of the grammar. For PostgreSQL 15 and newer.
"""

from __future__ import annotations

from random import Random

from tests.corpus.adorning import adorn
from tests.corpus.grammar import Database, Table
from tests.corpus.values import KEYS, TEXTS, Names, identifier, literal


def generate(seed: int) -> list[str]:
    """Statements, each to be run by itself. The same for the same seed, whatever it was called before."""
    made = Database(seed, random := Random(seed), Names(random))  # noqa: S311 - no secret comes of it
    for make in (_schemas, _roles, _types, _routines, _sequences):
        make(made)
    for _ in range(random.randint(3, 7)):
        random.choice((_plain, _plain, _plain, _partitioned, _inherited))(made)
    for make in (_rows, _foreign_keys, _constraints, _indexes, _views, _programs, _more_programs, _large_objects):
        make(made)
    adorn(made)
    return made.sql


def _schemas(made: Database) -> None:
    for _ in range(made.random.randint(1, 3)):
        made.schemas.append(made.names.new("schema"))
        made.say(f"CREATE SCHEMA {made.schemas[-1]}")


def _roles(made: Database) -> None:
    """They belong to the whole server, so their names have the seed in them."""
    for number in range(made.random.randint(1, 3)):
        made.roles.append(identifier(f"g{made.seed} {number} {made.random.choice(('a b', 'Ü', 'x'))}"))
        kind = made.random.choice(
            ("LOGIN PASSWORD 'p\\w'", "NOLOGIN", "NOINHERIT CREATEDB", "LOGIN CONNECTION LIMIT 3")
        )
        made.say(f"CREATE ROLE {made.roles[-1]} {kind}")
    for member in made.roles[1:]:
        option = " WITH ADMIN OPTION" if made.chance(30) else ""
        made.say(f"GRANT {made.roles[0]} TO {member}{option}")
    for role in made.roles:
        made.say(f"GRANT CREATE, USAGE ON SCHEMA {', '.join(made.schemas)} TO {role}")


def _types(made: Database) -> None:
    random = made.random
    labels = [literal(label[:50]) for label in random.sample([text for text in TEXTS if text.strip()], 3)]
    enum = made.new()
    made.say(f"CREATE TYPE {enum} AS ENUM ({', '.join(labels)})")
    made.types[enum] = lambda r: r.choice(labels)
    made.types[f"{enum}[]"] = lambda r: f"ARRAY[{r.choice(labels)}, NULL]::{enum}[]"
    domain = made.new()
    check = random.choice(
        ("VALUE ~ '^[^x]'", "VALUE IN ('a', 'b c', 'it''s')", "length(VALUE) BETWEEN 1 AND 5 OR VALUE IS NULL")
    )
    made.say(f"CREATE DOMAIN {domain} AS text DEFAULT 'a' CONSTRAINT {made.names.new(domain)} CHECK ({check})")
    made.types[domain] = lambda r: r.choice(("'a'", "'b c'", "'it''s'"))
    composite = made.new()
    fields = ", ".join(f"{made.names.new(composite)} {kind}" for kind in ("int", "text", enum))
    made.say(f"CREATE TYPE {composite} AS ({fields})")
    made.types[composite] = lambda r: f"ROW({r.randint(0, 9)}, {literal(r.choice(TEXTS))}, {r.choice(labels)})"
    spans = made.new()
    random.choice(made.schemas)
    # in the same schema: that is where PostgreSQL makes its constructors, wherever the type lies
    multirange = f"{made.schema_of(spans)}.{made.beside(spans)}"
    made.say(f"CREATE TYPE {spans} AS RANGE (SUBTYPE = date, MULTIRANGE_TYPE_NAME = {multirange})")
    made.types[spans] = lambda r: r.choice(("'[2024-01-01,2024-02-01)'", "'empty'"))
    if made.chance(50):
        made.say(f"CREATE COLLATION {made.new('collation')} (PROVIDER = libc, LOCALE = 'C')")


def _routines(made: Database) -> None:
    for _ in range(made.random.randint(1, 2)):
        name = made.new()
        made.say(f"CREATE FUNCTION {name}(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || ''\\x'''")
        made.routines.append(name)
    name = made.new()
    made.say(
        f"CREATE PROCEDURE {name}(INOUT x int, y text DEFAULT 'a''b') LANGUAGE plpgsql AS $f$ BEGIN x := 1; END $f$"
    )
    name = made.new()
    made.say(f"CREATE AGGREGATE {name}(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')")
    if made.chance(50):
        made.say(
            f"CREATE OPERATOR {made.random.choice(made.schemas)}.<+> (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)"
        )


def _sequences(made: Database) -> None:
    for _ in range(made.random.randint(1, 2)):
        name = made.new()
        kind = made.random.choice(
            ("AS smallint", "INCREMENT -5 MINVALUE -1000 MAXVALUE 50", "START 7 CACHE 10 CYCLE MAXVALUE 90")
        )
        made.say(f"CREATE SEQUENCE {name} {kind}")
        made.sequences.append(name)
        if made.chance(60):
            made.say(f"SELECT setval({literal(name)}, {made.random.randint(1, 50)}, {made.chance(50)})")


def _column(made: Database, table: str, columns: dict[str, str]) -> str:
    """Its definition; rows that leave it out get its default."""
    name, kind = made.names.new(table), made.random.choice([*made.types])
    columns[name] = kind
    more = ""
    if made.chance(20) and "[]" not in kind:
        more = f" DEFAULT {(made.types[kind])(made.random)}"
    return f"{name} {kind}{more}"


def _plain(made: Database) -> None:
    random, name, columns = made.random, made.new(), dict[str, str]()
    key, key_type = made.names.new(name), random.choice([*KEYS])
    parts = [f"{key} {key_type}", *(_column(made, name, columns) for _ in range(random.randint(1, 6)))]
    if made.chance(40):
        parts.append(
            f"{made.names.new(name)} bigint GENERATED {random.choice(('ALWAYS', 'BY DEFAULT'))} AS IDENTITY (START 5)"
        )
    if made.chance(40):
        source = made.names.new(name)
        columns[source] = "text"
        parts += [
            f"{source} text",
            f"{made.names.new(name)} text GENERATED ALWAYS AS ({made.routines[0]}({source})) STORED",
        ]
    if made.chance(30):
        parts.append(f"{made.names.new(name)} bigint DEFAULT nextval({literal(made.sequences[0])})")
    random.shuffle(parts)
    options = random.choice(("", "", " WITH (fillfactor = 70, autovacuum_enabled = false)"))
    kind = "UNLOGGED TABLE" if made.chance(10) else "TABLE"
    made.say(f"CREATE {kind} {name} ({', '.join(parts)}){options}")
    made.tables.append(Table(name, {key: key_type, **columns}, key, kind))
    if made.chance(30):
        gone = made.names.new(name)
        made.say(f"ALTER TABLE {name} ADD COLUMN {gone} int DEFAULT 7")
        made.say(f"ALTER TABLE {name} DROP COLUMN {gone}")
    unique = random.choice(
        ("PRIMARY KEY ({})", "UNIQUE ({})", "UNIQUE NULLS NOT DISTINCT ({})", "PRIMARY KEY ({}) DEFERRABLE")
    )
    made.say(f"ALTER TABLE {name} ADD CONSTRAINT {made.beside(name)} {unique.format(key)}")
    if "DEFERRABLE" in unique:
        made.deferrable.add(name)


def _partitioned(made: Database) -> None:
    """By range, list or hash, some with a level below; columns of a leaf may stand in another order."""
    random, name, columns = made.random, made.new(), dict[str, str]()
    key, more = made.names.new(name), _column(made, name, columns)
    way = random.choice(("RANGE", "LIST", "HASH"))
    made.say(f"CREATE TABLE {name} ({more}, {key} int NOT NULL) PARTITION BY {way} ({key})")
    bounds = {
        "RANGE": ("FROM (MINVALUE) TO (0)", "FROM (0) TO (MAXVALUE)"),
        "LIST": ("IN (1, 2, 3)", None),
        "HASH": ("WITH (MODULUS 2, REMAINDER 0)", "WITH (MODULUS 2, REMAINDER 1)"),
    }[way]
    for bound in bounds:
        leaf, values = made.new(), f"FOR VALUES {bound}" if bound else "DEFAULT"
        if made.chance(50):
            made.say(f"CREATE TABLE {leaf} ({key} int NOT NULL, gone int, {more})")
            made.say(f"ALTER TABLE {leaf} DROP COLUMN gone")
            made.say(f"ALTER TABLE {name} ATTACH PARTITION {leaf} {values}")
        else:
            made.say(f"CREATE TABLE {leaf} PARTITION OF {name} {values}")
    if made.chance(60):
        made.say(f"ALTER TABLE {name} ADD CONSTRAINT {made.beside(name)} PRIMARY KEY ({key})")
    made.tables.append(Table(name, {key: "int", **columns}, kind="PARTITIONED"))


def _inherited(made: Database) -> None:
    """A parent with rows of its own, and a child with further columns. They stand in the order that a dump gives them."""
    name, child, columns = made.new(), made.new(), dict[str, str]()
    parts = [_column(made, name, columns) for _ in range(2)]
    made.say(f"CREATE TABLE {name} ({', '.join(parts)})")
    more = dict[str, str]()
    further = _column(made, name, more)
    made.say(f"CREATE TABLE {child} ({further}) INHERITS ({name})")
    made.tables += [Table(name, columns, kind="PARENT"), Table(child, columns | more, kind="CHILD")]


def _rows(made: Database) -> None:
    for table in made.tables:
        if made.chance(10):
            continue
        names, seen = list(table.columns), set[str]()
        for _ in range(made.random.choice((1, 5, 40))):
            key = KEYS[table.columns[table.key]](made.random) if table.key else ""
            if table.kind == "PARTITIONED":
                key = str(made.random.randint(-(10**8), 10**8))
            if key in seen:
                continue
            seen.add(key)
            values = [
                key if key and number == 0 else made.value(table.columns[one]) for number, one in enumerate(names)
            ]
            made.say(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(values)})")


def _constraints(made: Database) -> None:
    """What rows keep, what only new rows must keep, and what reads another table."""
    random = made.random
    for table in made.tables:
        column = random.choice([*table.columns])
        if made.chance(40):
            state = random.choice(("", " NO INHERIT" if table.kind != "PARTITIONED" else ""))
            check = f"CHECK (({column})::text IS DISTINCT FROM 'never'){state}"
            made.say(f"ALTER TABLE {table.name} ADD CONSTRAINT {made.beside(table.name)} {check}")
        if made.chance(20):
            check = f"CHECK (({column}) IS NULL) NOT VALID"
            made.say(f"ALTER TABLE {table.name} ADD CONSTRAINT {made.beside(table.name)} {check}")
    if made.chance(50):
        table, other, name = random.choice(made.tables), random.choice(made.tables), made.new()
        made.say(
            f"CREATE FUNCTION {name}(text) RETURNS bool LANGUAGE sql STABLE AS "
            f"{literal(f'SELECT EXISTS (SELECT FROM {other.name}) OR NOT EXISTS (SELECT FROM {other.name})')}"
        )
        column = random.choice([*table.columns])
        made.say(f"ALTER TABLE {table.name} ADD CHECK ({name}(({column})::text))")


def _foreign_keys(made: Database) -> None:
    keyed = [table for table in made.tables if table.key and table.kind == "TABLE"]
    for table in keyed:
        if not made.chance(60):
            continue
        other, column = made.random.choice(keyed), made.names.new(table.name)
        made.say(f"ALTER TABLE {table.name} ADD COLUMN {column} {other.columns[other.key]}")
        if made.chance(70):
            made.say(f"UPDATE {table.name} SET {column} = (SELECT {other.key} FROM {other.name} ORDER BY 1 LIMIT 1)")
        how = made.random.choice(("", " ON DELETE CASCADE", " ON UPDATE SET NULL", " NOT VALID"))
        if other.name not in made.deferrable:
            made.say(
                f"ALTER TABLE {table.name} ADD CONSTRAINT {made.beside(table.name)} "
                f"FOREIGN KEY ({column}) REFERENCES {other.name} ({other.key}){how}"
            )


def _indexes(made: Database) -> None:
    random = made.random
    for table in made.tables:
        if not table.steady:
            continue
        column = random.choice(table.steady)
        for _ in range(random.randint(0, 2)):
            what = random.choice(
                (
                    f"(md5(({column})::text))", f"({made.routines[0]}(({column})::text) DESC NULLS LAST)",
                    f"(length(({column})::text)) WHERE ({column})::text IN ('a', 'b')",
                    f"USING hash (md5(({column})::text))", f"USING brin (length(({column})::text)) WITH (pages_per_range = 4)",
                )
            )  # fmt: skip
            made.say(f"CREATE INDEX {made.beside(table.name)} ON {table.name} {what}")
        if table.key and made.chance(30):
            index = made.beside(table.name)
            made.say(f"CREATE UNIQUE INDEX {index} ON {table.name} ({table.key}) INCLUDE ({column})")
            made.say(f"CLUSTER {table.name} USING {index}")
        if table.kind == "TABLE" and made.chance(20):
            made.say(f"ALTER TABLE {table.name} REPLICA IDENTITY FULL")
        if len(table.steady) > 1 and made.chance(60):
            pair = ", ".join(f"(({one})::text)" for one in random.sample(table.steady, 2))
            made.say(f"CREATE STATISTICS {made.new('statistics')} ON {pair} FROM {table.name}")


def _views(made: Database) -> None:
    """Over tables and each other; some materialized, some of these empty, some with an index or a rule."""
    random = made.random
    for _ in range(random.randint(1, 4)):
        name, below = made.new(), random.choice([*made.views, *(table.name for table in made.tables)])
        text = f"SELECT x, (x.*)::text IN ('a', 'b') AS is_one FROM {below} AS x"
        kind = random.choice(("VIEW", "VIEW", "MATERIALIZED VIEW"))
        if kind == "VIEW":
            option = random.choice(("", " WITH (security_barrier)"))
            made.say(f"CREATE VIEW {name}{option} AS {text}")
            if made.chance(30):
                made.say(f"CREATE RULE {made.names.new(name)} AS ON INSERT TO {name} DO INSTEAD NOTHING")
        else:
            made.say(f"CREATE MATERIALIZED VIEW {name} AS {text}")
            made.say(f"CREATE INDEX {made.beside(name)} ON {name} (is_one)")
            if made.chance(20):
                made.say(f"REFRESH MATERIALIZED VIEW {name} WITH NO DATA")
        if kind == "VIEW":
            made.views.append(name)


def _programs(made: Database) -> None:
    """Triggers, policies and rules of tables."""
    random, name = made.random, made.new()
    made.say(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    for table in made.tables:
        column = random.choice([*table.columns])
        if made.chance(40):
            trigger = made.names.new(f"trigger {table.name}")
            moment = random.choice(("BEFORE INSERT", f"AFTER UPDATE OF {column}", "BEFORE DELETE OR INSERT"))
            when = (
                f" WHEN (NEW.{column}::text IN ('a', 'b'))"
                if moment[-6:] == "INSERT" and "DELETE" not in moment
                else ""
            )
            made.say(f"CREATE TRIGGER {trigger} {moment} ON {table.name} FOR EACH ROW{when} EXECUTE FUNCTION {name}()")
            if made.chance(50):
                made.say(
                    f"ALTER TABLE {table.name} {random.choice(('DISABLE', 'ENABLE REPLICA', 'ENABLE ALWAYS'))} TRIGGER {trigger}"
                )
        if made.chance(30):
            policy = made.names.new(f"policy {table.name}")
            made.say(
                f"CREATE POLICY {policy} ON {table.name} AS {random.choice(('PERMISSIVE', 'RESTRICTIVE'))} FOR SELECT "
                f"TO {random.choice([*made.roles, 'PUBLIC'])} USING (({column})::text IN ('a', 'b'))"
            )
            made.say(f"ALTER TABLE {table.name} {random.choice(('ENABLE', 'FORCE'))} ROW LEVEL SECURITY")


def _more_programs(made: Database) -> None:
    if made.chance(30):
        made.say(f"CREATE FOREIGN DATA WRAPPER {made.names.new('wrapper')} OPTIONS (a 'b''c')")
    if made.chance(30):
        made.say(f"CREATE TEXT SEARCH CONFIGURATION {made.new('configuration')} (COPY = pg_catalog.german)")
    for table in made.tables:
        if table.kind == "TABLE" and made.chance(20):
            sequence = f"{made.schema_of(table.name)}.{made.beside(table.name)}"
            made.say(f"CREATE SEQUENCE {sequence} OWNED BY {table.name}.{made.random.choice([*table.columns])}")


def _large_objects(made: Database) -> None:
    for number in range(made.random.choice((0, 0, 1, 3))):
        oid = 700000 + number
        made.say(f"SELECT lo_from_bytea({oid}, decode(repeat('{made.random.getrandbits(32):08x}', 2048), 'hex'))")
        if made.chance(50):
            made.say(f"SELECT lo_put({oid}, 100000, '\x01')")
        if made.chance(50):
            made.say(f"GRANT SELECT ON LARGE OBJECT {oid} TO {made.random.choice([*made.roles, 'PUBLIC'])}")
        if made.chance(50):
            made.say(f"ALTER LARGE OBJECT {oid} OWNER TO {made.random.choice(made.roles)}")
        if made.chance(30):
            made.say(f"COMMENT ON LARGE OBJECT {oid} IS {literal(made.random.choice(TEXTS))}")

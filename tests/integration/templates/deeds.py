# SPDX-License-Identifier: MIT
"""What a role may do to its slot, at random: rows, files, definitions, in several sessions at once.

Everything is chosen by one random.Random out of what is committed in the slot, so a seed does the same again.
Statements may fail; whoever tests does not always get what he wants either.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from psycopg.pq import TransactionStatus

WORDS = ["", "a", "it's", "back\\slash", "ünï☃", "NULL", "{}", '"', "x" * 3000, " ", "%s", "$1", "new\nline"]

NOW = """
SELECT c.relname, c.relkind, c.relispartition, coalesce(json_agg(json_build_array(attname, format_type(atttypid, atttypmod),
	attgenerated::text || attidentity::text) ORDER BY attnum) FILTER (WHERE attnum > 0 AND NOT attisdropped), '[]')
FROM pg_class c LEFT JOIN pg_attribute ON attrelid = c.oid
WHERE relnamespace = to_regnamespace(%s)::oid AND relkind IN ('r', 'p', 'v', 'm', 'S', 'i', 'I')
GROUP BY c.oid ORDER BY relname
"""

NAMES = """
SELECT 'constraint', quote_ident(conname) || ' ON ' || conrelid::regclass::text FROM pg_constraint WHERE connamespace = {ns} AND conrelid <> 0
UNION ALL SELECT 'trigger', quote_ident(tgname) || ' ON ' || tgrelid::regclass::text FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
	WHERE relnamespace = {ns} AND NOT tgisinternal
UNION ALL SELECT 'type', typname FROM pg_type WHERE typnamespace = {ns} AND typtype = 'e'
UNION ALL SELECT 'domain', typname FROM pg_type WHERE typnamespace = {ns} AND typtype = 'd'
UNION ALL SELECT 'function', proname || '(' || pg_get_function_identity_arguments(oid) || ')' FROM pg_proc WHERE pronamespace = {ns}
ORDER BY 1, 2
"""


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@dataclass
class Relation:
    name: str
    kind: str
    partition: bool
    columns: list[list[str]]

    @property
    def q(self) -> str:
        return quote(self.name)


@dataclass
class Slot:
    """What there is, committed, at this moment."""

    relations: list[Relation] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)

    def of(self, kinds: str) -> list[Relation]:
        return [r for r in self.relations if r.kind in kinds]


class Deeds:
    """Does deeds in a slot; `done` is what was done, for who must understand it."""

    def __init__(self, rng: random.Random, dsn: str, schema: str, admin: psycopg.Connection, ddl: bool):
        self.rng, self.schema, self.admin, self.ddl = rng, schema, admin, ddl
        self.done: list[str] = []
        self.sessions = [self._session(dsn) for _ in range(rng.choice([1, 1, 2, 3]))]
        self.session = self.sessions[0]  # whose turn it is
        self.with_savepoint: set[psycopg.Connection] = set()
        self.made = 0
        self.now = Slot()
        self.stale = True  # definitions may have changed

    def _session(self, dsn: str) -> psycopg.Connection:
        session = psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
        session.execute("SET lock_timeout = '15ms'")
        session.execute("SET statement_timeout = '5s'")
        return session

    def close(self) -> None:
        for session in self.sessions:
            session.close()

    # Looking.

    def look(self) -> None:
        rows = self.admin.execute(NOW, (self.schema,)).fetchall()
        self.now = Slot([Relation(*row) for row in rows])
        ns = self.admin.execute("SELECT to_regnamespace(%s)::oid", (self.schema,)).fetchone()[0] or 0
        for kind, name in self.admin.execute(NAMES.format(ns=ns)):
            self.now.names.setdefault(kind, []).append(name.replace(f"{self.schema}.", ""))

    def pick(self, things: list):
        """One of them; without any, the deed is none."""
        if not things:
            raise Nothing
        return self.rng.choice(things)

    def table(self, kinds: str = "rp") -> Relation:
        return self.pick(self.now.of(kinds))

    def column(self, table: Relation, generated: bool = False) -> list[str]:
        return self.pick([c for c in table.columns if generated or not c[2]])

    def name(self, kind: str) -> str:
        return self.pick(self.now.names.get(kind, []))

    def new(self) -> str:
        self.made += 1
        return f"new_{self.made}"

    def value(self, type_: str) -> str:
        rng = self.rng
        if rng.random() < 0.1:
            return rng.choice(["NULL", "DEFAULT"])
        if type_.endswith("[]"):
            return rng.choice(["'{}'", "'{NULL}'", "NULL"])
        if type_.startswith(("integer", "bigint", "smallint", "numeric", "positive")):
            return str(rng.choice([-1, 0, 1, 2, 3, 7, 99, rng.randrange(10000)]))
        if type_.startswith("date") or type_.startswith("timestamp"):
            return rng.choice(["'2019-05-05'", "'2020-06-06'", "'infinity'", "'2021-01-01'"])
        if type_ in ("json", "jsonb"):
            return rng.choice(["'{}'", "'[1, null]'", "'\"x\"'"])
        if type_ == "boolean":
            return rng.choice(["true", "false"])
        if type_.split(".")[-1] == "mood":
            return rng.choice(["'sad'", "'ok'", "'happy'"])
        return literal(rng.choice(WORDS))

    def some(self, table: Relation) -> str:
        """A condition that is true for some rows."""
        limit = self.rng.choice([1, 1, 2, 5, 1000])
        return f"ctid IN (SELECT ctid FROM {table.q} x ORDER BY md5(x::text) LIMIT {limit})"

    # Doing.

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.session = self.rng.choice(self.sessions)
            kinds = ROWS + (DEFINITIONS if self.ddl else [])
            try:
                if self.stale:
                    self.look()
                deed = self.rng.choice(kinds)
                text = deed(self)
                self.stale = deed in DEFINITIONS or text in ("COMMIT", "ROLLBACK")
            except Nothing:
                continue
            self.execute(self.session, text)
        for session in self.sessions:
            if session.info.transaction_status != TransactionStatus.IDLE and self.rng.random() < 0.8:
                self.execute(session, self.rng.choice(["COMMIT", "COMMIT", "ROLLBACK"]))

    def execute(self, session: psycopg.Connection, text: str) -> None:
        number = self.sessions.index(session)
        try:
            if text.startswith("COPY "):
                head, _, rows = text.partition("\n")
                with session.cursor().copy(head) as copy:
                    copy.write(rows)
            else:
                session.execute(text)
            self.done.append(f"{number}: {text[:300]}")
            if text == "SAVEPOINT s":
                self.with_savepoint.add(session)
            elif text.startswith(("BEGIN", "COMMIT", "RELEASE")) or text == "ROLLBACK":
                self.with_savepoint.discard(session)
        except psycopg.Error as e:
            first = str(e).splitlines()[0]
            self.done.append(f"{number}: {text[:300]}  -- {first}")
            if session.closed:
                raise
            if session.info.transaction_status == TransactionStatus.INERROR:
                back = session in self.with_savepoint and self.rng.random() < 0.8
                self.execute(session, "ROLLBACK TO s" if back else "ROLLBACK")

    @property
    def busy(self) -> bool:
        return any(s.info.transaction_status != TransactionStatus.IDLE for s in self.sessions)


class Nothing(Exception):
    """There is nothing to do this deed to."""


Deed = Callable[[Deeds], str]
ROWS: list[Deed] = []
DEFINITIONS: list[Deed] = []


def rows(weight: int) -> Callable[[Deed], Deed]:
    def add(deed: Deed) -> Deed:
        ROWS.extend([deed] * weight)
        return deed

    return add


@rows(12)
def insert(do: Deeds) -> str:
    table = do.table()
    columns = [c for c in table.columns if not c[2]]
    if not columns or do.rng.random() < 0.2:
        return f"INSERT INTO {table.q} DEFAULT VALUES"
    columns = do.rng.sample(columns, do.rng.randint(1, len(columns)))
    values = ", ".join("(" + ", ".join(do.value(c[1]) for c in columns) + ")" for _ in range(do.rng.choice([1, 1, 3])))
    end = do.rng.choice(["", "", " ON CONFLICT DO NOTHING"])
    return f"INSERT INTO {table.q} ({', '.join(quote(c[0]) for c in columns)}) VALUES {values}{end}"


@rows(1)
def insert_many(do: Deeds) -> str:
    table = do.table()
    columns = [c for c in table.columns if not c[2] and c[1] in ("integer", "text", "bigint")]
    if not columns:
        return f"INSERT INTO {table.q} SELECT FROM generate_series(1, 500)"
    column = do.pick(columns)
    cast = "" if column[1] != "text" else "::text"
    return f"INSERT INTO {table.q} ({quote(column[0])}) SELECT (g + 5000){cast} FROM generate_series(1, {do.rng.choice([50, 3000])}) g ON CONFLICT DO NOTHING"


@rows(8)
def update(do: Deeds) -> str:
    table = do.table("rrrpv")
    column = do.column(table)
    value = do.rng.choice([do.value(column[1]), quote(column[0])])
    where = f" WHERE {do.some(table)}" if table.kind == "r" and do.rng.random() < 0.7 else ""
    return f"UPDATE {table.q} SET {quote(column[0])} = {value}{where}"


@rows(7)
def delete(do: Deeds) -> str:
    table = do.table("rrrp")
    where = f" WHERE {do.some(table)}" if table.kind == "r" and do.rng.random() < 0.7 else ""
    return f"DELETE FROM {do.rng.choice(['', 'ONLY ']) if table.kind == 'r' else ''}{table.q}{where}"


@rows(2)
def swap(do: Deeds) -> str:
    """Takes rows away and puts as many back: their number says nothing."""
    table = do.table("r")
    columns = ", ".join(quote(c[0]) for c in table.columns if not c[2])
    if not columns:
        raise Nothing
    return f"WITH gone AS (DELETE FROM {table.q} WHERE {do.some(table)} RETURNING {columns}) INSERT INTO {table.q} ({columns}) SELECT {columns} FROM gone"


@rows(3)
def truncate(do: Deeds) -> str:
    tables = ", ".join(do.table().q for _ in range(do.rng.choice([1, 1, 2, 4])))
    return f"TRUNCATE {tables} {do.rng.choice(['', 'RESTART IDENTITY'])} {do.rng.choice(['', 'CASCADE', 'CASCADE'])}"


@rows(2)
def copy(do: Deeds) -> str:
    table = do.table()
    columns = [c for c in table.columns if not c[2] and c[1] in ("integer", "text")]
    column = do.pick(columns)
    lines = "".join(f"{n if column[1] == 'integer' else f'line {n}'}\n" for n in range(7000, 7000 + do.rng.choice([1, 20])))
    return f"COPY {table.q} ({quote(column[0])}) FROM STDIN\n{lines}"


@rows(4)
def sequence(do: Deeds) -> str:
    name = literal(do.table("S").q)
    return do.rng.choice([
        f"SELECT nextval({name})", f"SELECT nextval({name})", f"SELECT setval({name}, {do.rng.choice([1, 2, 8, 1000])})",
        f"SELECT setval({name}, {do.rng.choice([1, 7, 8])}, false)", f"ALTER SEQUENCE {do.table('S').q} RESTART",
    ])  # fmt: skip


@rows(10)
def transaction(do: Deeds) -> str:
    if do.session.info.transaction_status == TransactionStatus.IDLE:
        return do.rng.choice(["BEGIN", "BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE"])
    ends = ["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"]
    within = ["SAVEPOINT s", "SAVEPOINT s", "SET CONSTRAINTS ALL DEFERRED"]
    if do.session in do.with_savepoint:
        within = ["ROLLBACK TO s", "ROLLBACK TO s", "RELEASE s", "SAVEPOINT s"]
    return do.rng.choice(ends + within)


@rows(3)
def files(do: Deeds) -> str:
    table = do.table("rpm")
    return do.rng.choice([
        f"VACUUM {table.q}", f"VACUUM FULL {table.q}", f"VACUUM FREEZE {table.q}", f"ANALYZE {table.q}", "ANALYZE",
        f"REINDEX TABLE {table.q}", f"REINDEX TABLE CONCURRENTLY {table.q}",
    ])  # fmt: skip


@rows(3)
def refresh(do: Deeds) -> str:
    view = do.table("m")
    return f"REFRESH MATERIALIZED VIEW {do.rng.choice(['', 'CONCURRENTLY '])}{view.q}{do.rng.choice(['', '', ' WITH NO DATA'])}"


@rows(3)
def own_session(do: Deeds) -> str:
    """What belongs to the session alone."""
    table = do.table("rpvm")
    return do.rng.choice([
        f"CREATE TEMP TABLE {do.new()} AS SELECT * FROM {table.q}", f"CREATE TEMP VIEW {do.new()} AS SELECT * FROM {table.q}",
        f"DECLARE {do.new()} CURSOR WITH HOLD FOR SELECT * FROM {table.q}", f"PREPARE {do.new()} AS SELECT * FROM {table.q}",
        "LISTEN x", "NOTIFY x", "SELECT pg_advisory_lock_shared(17)", "DISCARD PLANS", "CREATE TEMP SEQUENCE IF NOT EXISTS mine",
        f"LOCK {table.q} IN SHARE MODE", f"SELECT * FROM {table.q} FOR UPDATE", "DISCARD TEMP",
    ])  # fmt: skip


def definition(weight: int) -> Callable[[Deed], Deed]:
    def add(deed: Deed) -> Deed:
        DEFINITIONS.extend([deed] * weight)
        return deed

    return add


@definition(10)
def alter_table(do: Deeds) -> str:
    table, other = do.table("rrrp"), do.table("rp")
    column = quote(do.column(table, generated=True)[0]) if table.columns else '"a"'
    return f"ALTER TABLE {table.q} " + do.rng.choice([
        f"ADD {do.new()} integer DEFAULT 5", f"ADD {do.new()} text", f"DROP {column} CASCADE", f"RENAME {column} TO {do.new()}",
        f"RENAME TO {do.new()}", f"ALTER {column} TYPE text", f"ALTER {column} TYPE bigint", f"ALTER {column} SET DEFAULT NULL",
        f"ALTER {column} DROP DEFAULT", f"ALTER {column} SET NOT NULL", f"ALTER {column} DROP NOT NULL", f"ALTER {column} DROP EXPRESSION",
        f"ALTER {column} SET STATISTICS 55", f"ALTER {column} SET STORAGE plain", f"ALTER {column} SET (n_distinct = 5)",
        f"ADD CONSTRAINT {do.new()} CHECK (true)", f"ADD CONSTRAINT {do.new()} UNIQUE ({column})", f"ADD CHECK ({column} IS NOT NULL) NOT VALID",
        f"ADD FOREIGN KEY ({column}) REFERENCES {other.q}", "DISABLE TRIGGER USER", "ENABLE TRIGGER USER", "ENABLE ROW LEVEL SECURITY",
        "FORCE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY", "SET (fillfactor = 66)", "RESET (fillfactor)",
        "SET UNLOGGED", "SET LOGGED", "REPLICA IDENTITY FULL", "REPLICA IDENTITY NOTHING", "SET WITHOUT CLUSTER", f"INHERIT {other.q}",
        f"NO INHERIT {other.q}", f"DETACH PARTITION {other.q}", f"ATTACH PARTITION {other.q} DEFAULT", "SET SCHEMA public", "DISABLE RULE r",
        f"ADD GENERATED_{do.new()} integer GENERATED ALWAYS AS IDENTITY",
    ])  # fmt: skip


@definition(7)
def create(do: Deeds) -> str:
    table, new = do.table("rpvm"), do.new()
    return "CREATE " + do.rng.choice([
        f"TABLE {new} (a serial PRIMARY KEY, b text)", f"TABLE {new} AS SELECT * FROM {table.q}", f"TABLE {new} (LIKE {table.q} INCLUDING ALL)",
        f"TABLE {new} () INHERITS ({table.q})", f"TABLE {new} PARTITION OF {table.q} DEFAULT", f"VIEW {new} AS SELECT * FROM {table.q}",
        f"MATERIALIZED VIEW {new} AS SELECT * FROM {table.q}", f"INDEX ON {table.q} (({table.q}::text))", f"SEQUENCE {new}",
        f"TYPE {new} AS ENUM ('a')", f"TYPE {new} AS (a integer)", f"TYPE {new} AS RANGE (subtype = integer)", f"DOMAIN {new} AS integer CHECK (VALUE > 0)",
        f"FUNCTION {new}() RETURNS integer LANGUAGE sql AS 'SELECT 1'", f"FUNCTION {new}(integer) RETURNS SETOF {table.q} LANGUAGE sql AS 'SELECT * FROM {table.q.replace(chr(39), chr(39) * 2)}'",
        f"AGGREGATE {new}(integer) (SFUNC = int4pl, STYPE = integer)", "OPERATOR #+# (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4pl)",
        f"RULE {new} AS ON DELETE TO {table.q} DO INSTEAD NOTHING", f"RULE {new} AS ON UPDATE TO {table.q} DO ALSO NOTHING",
        f"POLICY {new} ON {table.q} USING (false)", f'COLLATION {new} FROM "C"', f"TEXT SEARCH CONFIGURATION {new} (COPY = english)",
        f"STATISTICS {new} ON ctid, tableoid FROM {table.q}", f"PROCEDURE {new}() LANGUAGE sql AS 'SELECT 1'",
    ])  # fmt: skip


@definition(2)
def create_trigger(do: Deeds) -> str:
    function = do.pick([f for f in do.now.names.get("function", []) if f.endswith("()")])
    when, what = do.rng.choice(["BEFORE", "AFTER"]), do.rng.choice(["INSERT", "DELETE", "TRUNCATE", "UPDATE"])
    return f"CREATE TRIGGER {do.new()} {when} {what} ON {do.table('rp').q} EXECUTE FUNCTION {function}"


@definition(3)
def alter_others(do: Deeds) -> str:
    table = do.table("r")
    column = quote(do.column(table, generated=True)[0])
    return "ALTER " + do.rng.choice([
        lambda: f"SEQUENCE {do.table('S').q} OWNED BY NONE",
        lambda: f"SEQUENCE {do.table('S').q} OWNED BY {table.q}.{column}",
        lambda: f"SEQUENCE {do.table('S').q} CACHE 5 CYCLE",
        lambda: f"SEQUENCE {do.table('S').q} RENAME TO {do.new()}",
        lambda: f"INDEX {do.table('iI').q} RENAME TO {do.new()}",
        lambda: f"INDEX {do.table('i').q} SET (fillfactor = 60)",
        lambda: f"INDEX {do.table('iI').q} DEPENDS ON EXTENSION citext",
        lambda: f"FUNCTION {do.name('function')} DEPENDS ON EXTENSION citext",
        lambda: f"TRIGGER {do.name('trigger')} RENAME TO {do.new()}",
        lambda: f"VIEW {do.table('v').q} SET (security_barrier)",
        lambda: f"VIEW {do.table('v').q} RENAME TO {do.new()}",
        lambda: f"MATERIALIZED VIEW {do.table('m').q} SET (fillfactor = 60)",
        lambda: f"MATERIALIZED VIEW {do.table('m').q} CLUSTER ON {do.table('i').q}",
    ])()  # fmt: skip


@definition(3)
def drop(do: Deeds) -> str:
    word, kinds = do.rng.choice([("TABLE", "rp"), ("VIEW", "v"), ("MATERIALIZED VIEW", "m"), ("SEQUENCE", "S"), ("INDEX", "iI")])
    return f"DROP {word} {do.table(kinds).q} {do.rng.choice(['', 'CASCADE'])}"


@definition(3)
def drop_named(do: Deeds) -> str:
    kind = do.rng.choice(["type", "domain", "function", "trigger", "constraint"])
    name = do.name(kind)
    if kind == "constraint":
        constraint, _, table = name.rpartition(" ON ")
        return f"ALTER TABLE {table} DROP CONSTRAINT {constraint} CASCADE"
    return f"DROP {kind} {name} {do.rng.choice(['', 'CASCADE'])}"


@definition(3)
def types(do: Deeds) -> str:
    return do.rng.choice([
        lambda: f"ALTER TYPE {do.name('type')} ADD VALUE {literal(do.new())}",
        lambda: f"ALTER TYPE {do.name('type')} ADD VALUE {literal(do.new())} BEFORE 'ok'",
        lambda: f"ALTER TYPE {do.name('type')} RENAME VALUE 'ok' TO {literal(do.new())}",
        lambda: f"ALTER TYPE {do.name('type')} RENAME TO {do.new()}",
        lambda: f"ALTER DOMAIN {do.name('domain')} ADD CHECK (VALUE IS NOT NULL) NOT VALID",
        lambda: f"ALTER DOMAIN {do.name('domain')} SET DEFAULT 3",
    ])()  # fmt: skip


@definition(3)
def functions(do: Deeds) -> str:
    name = do.name("function")
    return f"ALTER FUNCTION {name} " + do.rng.choice([
        "IMMUTABLE", "VOLATILE", "COST 77", "SET search_path = public", "RESET ALL", "SECURITY DEFINER", "PARALLEL SAFE", "STRICT",
        f"RENAME TO {do.new()}",
    ])  # fmt: skip


@definition(4)
def rights(do: Deeds) -> str:
    table = do.table("rpvmS")
    return do.rng.choice([
        f"GRANT SELECT (ctid) ON {table.q} TO reader", f"GRANT SELECT (tableoid), UPDATE (xmin) ON {table.q} TO PUBLIC",
        f"REVOKE USAGE ON TYPE {table.q} FROM PUBLIC", f"GRANT SELECT ON {table.q} TO PUBLIC", f"GRANT ALL ON {table.q} TO reader WITH GRANT OPTION", f"REVOKE ALL ON {table.q} FROM CURRENT_USER",
        f"REVOKE DELETE, INSERT ON {table.q} FROM CURRENT_USER", f"REVOKE ALL ON {table.q} FROM PUBLIC, reader", f"GRANT USAGE ON SCHEMA {do.schema} TO reader",
        f"REVOKE CREATE ON SCHEMA {do.schema} FROM CURRENT_USER", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {do.schema} GRANT USAGE ON TYPES TO reader", f"GRANT ALL ON ALL TABLES IN SCHEMA {do.schema} TO reader",
    ])  # fmt: skip


@definition(3)
def comments(do: Deeds) -> str:
    table = do.table("r")
    return "COMMENT ON " + do.rng.choice([
        lambda: f"TABLE {table.q} IS 'mine'",
        lambda: f"COLUMN {table.q}.{quote(do.column(table, True)[0])} IS {literal(do.rng.choice(WORDS[1:]))}",
        lambda: f"SCHEMA {do.schema} IS 'mine'",
        lambda: f"FUNCTION {do.name('function')} IS 'mine'",
        lambda: f"TYPE {do.name('type')} IS 'mine'",
        lambda: f"TRIGGER {do.name('trigger')} IS 'mine'",
        lambda: f"CONSTRAINT {do.name('constraint')} IS 'mine'",
        lambda: f"INDEX {do.table('iI').q} IS 'mine'",
        lambda: f"SEQUENCE {do.table('S').q} IS 'mine'",
        lambda: f"TABLE {table.q} IS NULL",
    ])()  # fmt: skip


@definition(2)
def of_the_role(do: Deeds) -> str:
    return do.rng.choice([
        "ALTER ROLE CURRENT_USER SET search_path = public", "ALTER ROLE CURRENT_USER SET default_transaction_read_only = on",
        "ALTER ROLE CURRENT_USER SET work_mem = '1MB'", "ALTER ROLE CURRENT_USER RESET ALL", "ALTER ROLE CURRENT_USER IN DATABASE app SET jit = on",
        "SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')", f"DROP SCHEMA {do.schema} CASCADE", "DROP OWNED BY CURRENT_USER",
        "ALTER ROLE CURRENT_USER PASSWORD 'mine'", "ALTER ROLE CURRENT_USER SET statement_timeout = 1",
    ])  # fmt: skip


@definition(3)
def back_and_forth(do: Deeds) -> str:
    """What was changed is changed back; the catalogs' rows are other ones."""
    table = do.table("r")
    return do.rng.choice([
        f"ALTER TABLE {table.q} RENAME TO passing; ALTER TABLE passing RENAME TO {table.q}",
        f"ALTER TABLE {table.q} ADD passing integer; ALTER TABLE {table.q} DROP passing",
        f"CREATE TABLE passing AS TABLE {table.q}; DROP TABLE passing",
        f"CREATE TABLE passing (LIKE {table.q} INCLUDING ALL); INSERT INTO passing SELECT * FROM {table.q}; DROP TABLE {table.q}; ALTER TABLE passing RENAME TO {table.q}",
        f"ALTER TABLE {table.q} DISABLE TRIGGER USER; DELETE FROM {table.q}; ALTER TABLE {table.q} ENABLE TRIGGER USER",
        f"COMMENT ON TABLE {table.q} IS 'x'; COMMENT ON TABLE {table.q} IS NULL", "CREATE SEQUENCE passing; DROP SEQUENCE passing",
        f"TRUNCATE {table.q} CASCADE; ALTER TABLE {table.q} SET (fillfactor = 44)",
    ])  # fmt: skip

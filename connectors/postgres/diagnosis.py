"""What `firstcause doctor` asks of a database: is it there, what may the role do, what would show more."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from connectors.errors import RefusedError
from connectors.governor import SourceFailedError
from connectors.live import Check
from connectors.postgres.wall import Session, Wall

_ROLE = """
    SELECT r.rolname AS role, r.rolsuper AS super, r.rolcreaterole AS creates_roles,
           r.rolcreatedb AS creates_databases, r.rolreplication AS replicates, r.rolbypassrls AS bypasses,
           pg_has_role(r.oid, 'pg_monitor', 'USAGE') AS monitors,
           has_database_privilege(r.oid, current_database(), 'TEMPORARY') AS temporary
    FROM pg_roles r WHERE r.rolname = current_user"""

_WRITABLE = """
    SELECT n.nspname::text AS schema, c.relname::text AS table
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema'
          AND NOT n.nspname LIKE 'pg_%'
          AND has_table_privilege(current_user, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
    ORDER BY 1, 2 LIMIT 20"""

_CREATES = """
    SELECT n.nspname::text AS schema FROM pg_namespace n
    WHERE NOT n.nspname LIKE 'pg_%' AND has_schema_privilege(current_user, n.oid, 'CREATE')
    ORDER BY 1 LIMIT 20"""

_PLANNABLE = """
    SELECT count(*)::int4 AS tables,
           (count(*) FILTER (WHERE has_table_privilege(current_user, c.oid, 'SELECT')))::int4 AS granted
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND NOT n.nspname LIKE 'pg_%'"""

_EXTENSIONS = """
    SELECT x.name::text AS name, x.installed_version IS NOT NULL AS installed
    FROM pg_available_extensions x WHERE x.name IN ('pg_stat_statements', 'hypopg')"""

_PRELOADED = "SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'"


def check(wall: Wall, database: str) -> Sequence[Check]:
    """Everything in one session; where there is none, why."""
    began = time.monotonic()
    try:
        with wall.session() as session:
            version = session.version
            seconds = time.monotonic() - began
            return [
                Check("reachable", "ok", f"PostgreSQL {version}", seconds=seconds),
                *_supported(version),
                *_role(session),
                *_statistics(session),
                *_plans(session),
            ]
    except (SourceFailedError, RefusedError) as failure:
        return [Check("reachable", "failed", str(failure), _fix(failure, database), time.monotonic() - began)]


def _fix(failure: SourceFailedError | RefusedError, database: str) -> str:
    if "role" in str(failure) or "password" in str(failure):
        return f"firstcause sql-role --database {database} prints the role and its grants"
    return f"check the host, the port and the database of `dsn`: psql -d {database} must work from here"


def _supported(version: int) -> Iterator[Check]:
    if not 12 <= version <= 18:
        yield Check("version", "warning", f"{version} is not among those it was made for: 12 to 18")


def _role(session: Session) -> Iterator[Check]:
    role = session.rows(_ROLE).rows[0]
    name = f'"{role["role"]}"'
    powers = [
        (role["super"], "SUPERUSER"),
        (role["creates_roles"], "CREATEROLE"),
        (role["creates_databases"], "CREATEDB"),
        (role["replicates"], "REPLICATION"),
        (role["bypasses"], "BYPASSRLS"),
    ]
    held = [power for has, power in powers if has]
    if held:
        fix = (
            f"ALTER ROLE {name} {' '.join(f'NO{power}' for power in held)}, or a role of firstcause sql-role"
        )
        yield Check("role cannot act", "warning", f"{name} is {', '.join(held)}", fix)
    yield from _writes(session, name, bool(role["super"]))
    if not role["monitors"]:
        fix = f"GRANT pg_monitor TO {name}"
        yield Check("role sees statistics", "warning", f"{name} is no member of pg_monitor", fix)
    else:
        yield Check("role sees statistics", "ok", f"{name} is a member of pg_monitor")
    if role["temporary"]:
        fix = "REVOKE TEMPORARY ON DATABASE … FROM PUBLIC, once nobody relies on it"
        yield Check("role makes no tables", "ok", "PUBLIC may make temporary tables; the wall does not", fix)


def _writes(session: Session, name: str, superuser: bool) -> Iterator[Check]:
    if superuser:
        return  # may write everywhere: said already
    tables = [f"{row['schema']}.{row['table']}" for row in session.rows(_WRITABLE).rows]
    schemas = [str(row["schema"]) for row in session.rows(_CREATES).rows]
    if tables:
        fix = f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {', '.join(tables)} FROM {name} (or from PUBLIC)"
        yield Check("role cannot write", "warning", f"{name} may write to {', '.join(tables)}", fix)
    if schemas:
        fix = f"REVOKE CREATE ON SCHEMA {', '.join(schemas)} FROM PUBLIC"
        yield Check("role cannot define", "warning", f"{name} may create in {', '.join(schemas)}", fix)
    if not tables and not schemas:
        yield Check("role cannot write", "ok", f"{name} may write to no table and create in no schema")


def _statistics(session: Session) -> Iterator[Check]:
    there = {row["name"]: bool(row["installed"]) for row in session.rows(_EXTENSIONS).rows}
    loaded = session.rows(_PRELOADED).rows
    preloaded = bool(loaded) and "pg_stat_statements" in str(loaded[0]["setting"])
    if there.get("pg_stat_statements") and preloaded:
        yield Check("pg_stat_statements", "ok", "installed and loaded")
    else:
        fix = "CREATE EXTENSION pg_stat_statements"
        if not preloaded:
            fix = f"shared_preload_libraries = 'pg_stat_statements' and a restart, then {fix}"
        yield Check("pg_stat_statements", "warning", "no statements can be compared without it", fix)
    if there.get("hypopg"):
        yield Check("hypopg", "ok", "installed")
    else:
        fix = (
            "CREATE EXTENSION hypopg" if "hypopg" in there else "install hypopg, then CREATE EXTENSION hypopg"
        )
        yield Check("hypopg", "warning", "what an index would gain is estimated without it", fix)


def _plans(session: Session) -> Iterator[Check]:
    found = session.rows(_PLANNABLE).rows[0]
    if found["tables"] and found["granted"] < found["tables"]:
        yield Check(
            "plans",
            "warning",
            f"{found['granted']} of {found['tables']} tables may be planned over",
            "firstcause sql-role --database … --plans SCHEMA prints the grants",
        )
    else:
        yield Check("plans", "ok", f"{found['granted']} tables may be planned over")

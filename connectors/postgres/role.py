"""The role layer: the exact grants of a role that can look and cannot act. A person runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.postgres.limits import Limits


@dataclass(frozen=True, slots=True)
class RoleWish:
    """The role that is wanted. `planned`: schemas that may be planned, which takes SELECT there."""

    role: str = "firstcause"
    database: str = "postgres"
    planned: Sequence[str] = ()


def identifier(name: str) -> str:
    """The name as SQL quotes it."""
    if not name.isprintable() or not name:
        raise ValueError("the name of a role, database or schema is printable and not empty")
    return '"' + name.replace('"', '""') + '"'


def grants(wish: RoleWish, limits: Limits | None = None) -> tuple[str, ...]:
    """The statements that make the role, in order. Running them again changes nothing."""
    caps = limits or Limits()
    role, database = identifier(wish.role), identifier(wish.database)
    return (
        _create(wish.role),
        f"ALTER ROLE {role} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS LOGIN"
        f" CONNECTION LIMIT {caps.connections + 2}",
        f"GRANT pg_monitor TO {role}",
        f"GRANT CONNECT ON DATABASE {database} TO {role}",
        *(
            statement
            for schema in wish.planned
            for statement in (
                f"GRANT USAGE ON SCHEMA {identifier(schema)} TO {role}",
                f"GRANT SELECT ON ALL TABLES IN SCHEMA {identifier(schema)} TO {role}",
                f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {identifier(schema)} TO {role}",
            )
        ),
        *(f"ALTER ROLE {role} SET {setting}" for setting in _settings(caps)),
    )


def extensions() -> tuple[str, ...]:
    """What an administrator may install for more to be seen."""
    return (
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
        "CREATE EXTENSION IF NOT EXISTS hypopg",
    )


def advice(wish: RoleWish) -> tuple[str, ...]:
    """What PUBLIC has, and so this role too. Others may rely on it: advised, never needed."""
    return (
        f"REVOKE TEMPORARY ON DATABASE {identifier(wish.database)} FROM PUBLIC",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC",
    )


def _create(role: str) -> str:
    literal = role.replace("'", "''")
    tag = "$firstcause$"
    if tag in role:
        raise ValueError("this name cannot be quoted")
    return (
        f"DO {tag} BEGIN"
        f" IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = E'{_escaped(literal)}')"
        f" THEN CREATE ROLE {identifier(role)} LOGIN; END IF; END {tag}"
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\")


def _settings(limits: Limits) -> tuple[str, ...]:
    return (
        "default_transaction_read_only = on",
        "search_path = pg_catalog, pg_temp",
        f"statement_timeout = '{round(limits.statement * 1000)}ms'",
        f"lock_timeout = '{round(limits.lock * 1000)}ms'",
        f"idle_in_transaction_session_timeout = '{round(limits.idle * 1000)}ms'",
        "temp_file_limit = '64MB'",
        "work_mem = '4MB'",
        "max_parallel_workers_per_gather = 0",
    )


def script(wish: RoleWish, limits: Limits | None = None) -> str:
    """The whole as a file for psql, with the reasons."""
    lines = [
        "-- A role that can read statistics and the catalogue, and cannot change anything.",
        f"-- Run as an administrator of the database {wish.database}. Then give it a password:",
        f"--   \\password {wish.role}",
        *(f"{statement};" for statement in grants(wish, limits)),
    ]
    if not wish.planned:
        lines.append(
            "-- No plan can be made without SELECT, for EXPLAIN asks for it: --plans SCHEMA adds it."
        )
    lines += [
        "-- Optional, each shows more: statements over time; what an index would gain.",
        *(f"-- {statement};" for statement in extensions()),
        "-- Advised: what every role may do here, this one included. Look who relies on it first.",
        *(f"-- {statement};" for statement in advice(wish)),
    ]
    return "\n".join(lines) + "\n"

"""The least-privileged role for MySQL and MariaDB: the exact grants, and what a role has beyond them."""

from __future__ import annotations

import re

_HARMLESS = frozenset({"USAGE", "PROCESS", "SHOW VIEW", "SELECT", "BINLOG MONITOR", "REPLICATION CLIENT"})
_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?P<where>\S+) TO", re.IGNORECASE)


def grants(role: str, database: str) -> str:
    """SQL that an administrator runs once.

    SHOW VIEW on the shop's database makes its tables visible in information_schema without letting the role
    read a row; PROCESS shows sessions and locks; performance_schema holds the statements' counters.
    """
    who, where = f"{_quoted(role)}@'%'", "`" + database.replace("`", "``") + "`"
    return "\n".join(
        (
            f"CREATE USER {who} IDENTIFIED BY '…' WITH MAX_USER_CONNECTIONS 4;",
            f"GRANT PROCESS ON *.* TO {who};",
            f"GRANT SELECT ON performance_schema.* TO {who};",
            f"GRANT SHOW VIEW ON {where}.* TO {who};",
            "-- statement counters need performance_schema = ON in the server's configuration",
        )
    )


def beyond(shown: list[str]) -> list[str]:
    """The privileges of SHOW GRANTS that go beyond those: each with where it holds."""
    found = []
    for line in shown:
        match = _GRANT.match(line)
        if match is None:
            continue
        where = match["where"].replace("`", "")
        for what in (each.strip().upper() for each in match["what"].split(",")):
            reads_rows = what == "SELECT" and not where.startswith(
                ("performance_schema.", "information_schema.")
            )
            if what not in _HARMLESS or reads_rows:
                found.append(f"{what} on {where}")
    return found


def _quoted(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "''") + "'"

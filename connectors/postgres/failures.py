"""What a PostgreSQL error means for an investigation, without the values that its text may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.governor import SourceFailedError

if TYPE_CHECKING:
    import psycopg

_MEANING = {
    "08": ("the connection broke", True),
    "28": ("the server did not accept the role or its password", False),
    "3D": ("there is no such database", False),
    "53300": ("no connection is left: max_connections is reached", True),
    "53": ("the server is out of a resource", True),
    "55P03": ("a lock was not free in time", True),
    "57014": ("cancelled: it took too long, or the budget was spent", True),
    "57": ("the server is shutting down or starting", True),
    "25P03": ("our transaction was idle too long", True),
    "25006": ("the server refused to write", False),
    "42501": ("the role lacks a grant", False),
    "42": ("the server cannot read the statement as it stands", False),
    "40": ("a conflict with recovery or a deadlock", True),
}


def translated(name: str, error: psycopg.Error) -> SourceFailedError:
    """The failure in our words, with the server's code."""
    import psycopg

    code = error.sqlstate
    if code is None:
        if isinstance(error, psycopg.errors.ConnectionTimeout):
            return SourceFailedError(f"{name}: no connection in time", retry=True)
        refused = _of_the_connection(error)
        return SourceFailedError(f"{name}: {refused}", retry=True)
    meaning, retry = _MEANING.get(code) or _MEANING.get(code[:2]) or ("the server reports an error", False)
    detail = f" ({error.diag.message_primary})" if code == "42501" else ""
    return SourceFailedError(
        f"{name}: {meaning}{detail} [SQLSTATE {code}]", retry=retry, counts=code[:2] in {"08", "53", "57"}
    )


def _of_the_connection(error: psycopg.Error) -> str:
    """A failed connection carries no code; libpq's words are told apart by what it always says."""
    text = str(error)
    for words, meaning in _AT_THE_DOOR:
        if words in text:
            return meaning
    return "the server cannot be reached"


_AT_THE_DOOR = (
    ("too many clients", "no connection is left: max_connections is reached"),
    ("remaining connection slots", "no connection is left but those kept for administrators"),
    ("too many connections for role", "the role's own connection limit is reached"),
    ("too many connections for database", "the database's connection limit is reached"),
    ("password authentication failed", "the server did not accept the role or its password"),
    ("no password supplied", "the server wants a password"),
    ("no pg_hba.conf entry", "pg_hba.conf lets this role not in from here"),
    ("does not exist", "there is no such role or database"),
    ("starting up", "the server is starting up"),
    ("shutting down", "the server is shutting down"),
    ("timeout expired", "no connection in time"),
    ("could not translate host name", "the host's name is not known"),
    ("Connection refused", "nobody listens there"),
)

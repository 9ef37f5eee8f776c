"""Command templates that a person can run: placeholders filled and quoted for the tool, or not filled at all.

A command is never run by this program. Values come from logs, catalogues and alerts, so each is hostile
until quoted: as an SQL identifier or constant, as a PromQL label value, as one word of a shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Literal

from connectors.contract import Frozen
from playbooks.ddl import backticked, identifier, literal

Tool = Literal["psql", "mysql", "kubectl", "promql", "shell"]

_SQL = frozenset({"psql", "mysql"})

PLACEHOLDER = re.compile(r"\{(?P<name>[a-z_]+)(?::(?P<form>ident|literal|sql|label))?\}")

FACTS = frozenset(
    {
        "application", "build", "callee", "change", "columns", "commit", "container", "database", "ddl",
        "ddl_undo", "entity", "host", "index", "migration_path", "migration_text", "namespace", "node", "pid",
        "pod", "queryid", "rows", "schema", "service", "statement", "table", "version", "workload",
    }
)  # fmt: skip
"""Every name a template may use."""

TRUSTED_SQL = frozenset({"ddl", "ddl_undo"})
"""Facts that are SQL written by this project, identifiers quoted."""

LONGEST_VALUE = 300


class Command(Frozen):
    """A template for one tool.

    `text`: kubectl and shell: the words after quoting; promql: an expression; psql, mysql: SQL, where every
    placeholder says its form (`{table:ident}`, `{table:literal}`, `{ddl:sql}`). `before`: SQL that must come
    first in the same session.
    """

    tool: Tool
    text: str
    before: str = ""

    def placeholders(self) -> tuple[tuple[str, str], ...]:
        """Every placeholder's name and form."""
        return tuple((m["name"], m["form"] or "") for m in PLACEHOLDER.finditer(self.text))


def complaint(command: Command) -> str | None:
    """What is wrong with a template, None when nothing is."""
    for name, form in command.placeholders():
        if name not in FACTS:
            return f"unknown placeholder {{{name}}}"
        if command.tool in _SQL and not form:
            return f"{{{name}}} in SQL needs a form: ident, literal or sql"
        if command.tool == "promql" and form != "label":
            return f"{{{name}}} in PromQL needs the form label"
        if command.tool in {"kubectl", "shell"} and form:
            return f"{{{name}}} in a shell command takes no form"
        if form == "sql" and name not in TRUSTED_SQL:
            return f"{{{name}:sql}} is not SQL of our own"
    return None


def render(command: Command, facts: Mapping[str, str]) -> str | None:
    """The command with every placeholder filled, None when a fact is missing or cannot be quoted."""
    if complaint(command) is not None or not _speaks(command.tool, facts.get("dialect", "")):
        return None
    values = {name: facts.get(name, "") for name, _ in command.placeholders()}
    if not all(_usable(name, value, command.tool) for name, value in values.items()):
        return None

    def fill(match: re.Match[str]) -> str:
        return _quoted(values[match["name"]], match["form"] or "word", command.tool)

    return _wrapped(command, PLACEHOLDER.sub(fill, command.text), facts)


def _speaks(tool: Tool, dialect: str) -> bool:
    """Whether SQL for this tool suits the database at hand; PostgreSQL's where none is known."""
    return tool not in _SQL or (tool == "mysql") == (dialect == "mysql")


def _usable(name: str, value: str, tool: Tool) -> bool:
    """Not empty, not endless, printable, and no option in a word's place."""
    if name in TRUSTED_SQL:
        return bool(value)
    option = tool in {"kubectl", "shell"} and value.startswith("-")
    return bool(value) and len(value) <= LONGEST_VALUE and value.isprintable() and not option


def _quoted(value: str, form: str, tool: Tool) -> str:
    if form == "ident":
        return backticked(value) if tool == "mysql" else identifier(value)
    if form == "literal":
        # A backslash escapes in MySQL's strings, unless a mode says otherwise.
        return (
            f"'{value.replace(chr(92), chr(92) * 2).replace(chr(39), chr(39) * 2)}'"
            if tool == "mysql"
            else literal(value)
        )
    if form == "label":
        return value.replace("\\", "\\\\").replace('"', '\\"')
    return value if form == "sql" else shlex.quote(value)


def _wrapped(command: Command, text: str, facts: Mapping[str, str]) -> str:
    if command.tool == "promql":
        return f'promtool query instant "$PROMETHEUS_URL" {shlex.quote(text)}'
    if command.tool in _SQL:
        database = facts.get("database", "")
        usable = database and database.isprintable() and not database.startswith("-")
        where = f" {'-D' if command.tool == 'mysql' else '-d'} {shlex.quote(database)}" if usable else ""
        parts = [part for part in (command.before, text) if part]
        if command.tool == "mysql":
            return f"mysql{where} -e {shlex.quote('; '.join(parts))}"
        return f"psql -X{where}" + "".join(f" -c {shlex.quote(part)}" for part in parts)
    return text


def words(template: str, facts: Mapping[str, str]) -> str | None:
    """A sentence with its placeholders filled, for people; None when a fact is missing."""
    names = [m["name"] for m in PLACEHOLDER.finditer(template)]
    if not all(facts.get(name) for name in names):
        return None
    return PLACEHOLDER.sub(lambda m: _sentence(facts[m["name"]]), template)


def _sentence(value: str) -> str:
    """One printable line."""
    return "".join(c if c.isprintable() else " " for c in value)[:LONGEST_VALUE]

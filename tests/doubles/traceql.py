"""The part of TraceQL that the double of Tempo understands: one span filter, select, rate by."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.doubles.span_memory import Stored, value_of

_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\")|(?P<op>&&|\|\||!=|<=|>=|=|<|>|[(){}|,])|(?P<word>[\w.:/-]+))"
)
_COMPARE: dict[str, Callable[[object, object], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": lambda a, b: a is not None and a < b,  # type: ignore[operator]  # numbers here
    ">": lambda a, b: a is not None and a > b,  # type: ignore[operator]  # numbers here
}
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
_INTRINSICS = frozenset({"status", "name", "kind", "duration", "nestedSetParent", "rootServiceName"})
Filter = Callable[[Stored], bool]


class SyntaxFaultError(Exception):
    """The query is not understood; the text is the server's."""


@dataclass
class Query:
    """A parsed query; `fields` are the attributes that it names, which come back with each span."""

    matches: Filter
    fields: list[str] = field(default_factory=list)
    rate_by: list[str] | None = None


class Parser:
    """Recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._fields: list[str] = []

    def parse(self) -> Query:
        self._expect("{")
        matches = (lambda _: True) if self._peek() == "}" else self._any()
        self._expect("}")
        query = Query(matches, self._fields)
        while self._peek() == "|":
            self._next()
            self._stage(query)
        if self._peek():
            raise self._fault(f"unexpected {self._peek()}")
        return query

    def _stage(self, query: Query) -> None:
        name = self._next()
        if name not in ("select", "rate"):
            raise self._fault(f"unknown identifier: {name}")
        listed = self._list()
        if name == "select":
            query.fields.extend(listed)
        else:
            query.rate_by = []
            if self._peek() == "by":
                self._next()
                query.rate_by = self._list()

    def _list(self) -> list[str]:
        self._expect("(")
        found = []
        while self._peek() != ")":
            found.append(self._next())
            if self._peek() == ",":
                self._next()
        self._expect(")")
        return found

    def _any(self) -> Filter:
        left = self._all()
        while self._peek() == "||":
            self._next()
            left = _either(left, self._all())
        return left

    def _all(self) -> Filter:
        left = self._condition()
        while self._peek() == "&&":
            self._next()
            left = _both(left, self._condition())
        return left

    def _condition(self) -> Filter:
        if self._peek() == "(":
            self._next()
            inner = self._any()
            self._expect(")")
            return inner
        name = self._next()
        scoped = name.startswith((".", "span.", "resource."))
        if not scoped and name not in _INTRINSICS:
            raise self._fault(f"unknown identifier: {name}")
        compare = _COMPARE.get(self._next())
        if compare is None:
            raise self._fault("unexpected operator")
        self._fields.append(name)
        value = _literal(self._next())
        return lambda span: compare(field_of(span, name), value)

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        return match.group().strip() if match else ""

    def _next(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise self._fault("syntax error: unexpected end of input")
        self._start = match.start() + len(match.group()) - len(match.group().lstrip())
        self._at = match.end()
        return match.group().strip()

    _start = 0

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise self._fault(f"syntax error: unexpected {found}")

    def _fault(self, what: str) -> SyntaxFaultError:
        where = f"line 1, col {self._start + 1}"
        return SyntaxFaultError(f"invalid TraceQL query: parse error at {where}: {what}")


def field_of(span: Stored, name: str) -> object:
    """What TraceQL's name means of the span."""
    if name == "status":
        return {0: "unset", 1: "ok", 2: "error"}[span.raw.get("status", {}).get("code", 0)]
    if name == "name":
        return span.raw["name"]
    if name == "duration":
        return span.end - span.start
    if name == "nestedSetParent":
        return 1 if span.raw.get("parentSpanId") else -1
    scope, _, key = name.partition(".")
    if scope == "resource":
        return value_of(span.resource.get("attributes", []), key)
    return value_of(span.raw.get("attributes", []), key)


def _literal(token: str) -> object:
    if token.startswith('"'):
        return token[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    number = re.fullmatch(r"(-?\d+(?:\.\d+)?)(ns|us|ms|s|m)?", token)
    return float(number[1]) * _UNITS.get(number[2], 1) if number else token


def _either(left: Filter, right: Filter) -> Filter:
    return lambda span: left(span) or right(span)


def _both(left: Filter, right: Filter) -> Filter:
    return lambda span: left(span) and right(span)

"""The part of LogQL that the double of Loki understands: selectors, filters, counts by labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\"|`[^`]*`)|(?P<op>\|=|\|~|!=|!~|=~|=|\||[{}()\[\],])|(?P<word>[\w.]+))"
)
_EMPTY = (
    "parse error : queries require at least one regexp or equality matcher that does not have an "
    'empty-compatible value. For instance, app=~".*" does not meet this requirement, but app=~".+" will'
)
Keep = Callable[[Mapping[str, str], str], bool]


class ParseError(Exception):
    """The query is not understood; the text is the server's."""


@dataclass
class LogQuery:
    """A parsed query: which streams, which of their lines, and the range in seconds where it counts them."""

    selects: Callable[[Mapping[str, str]], bool]
    keeps: list[Keep] = field(default_factory=list)
    names: tuple[str, ...] = ()
    seconds: int | None = None
    by: tuple[str, ...] | None = None

    def matches(self, labels: Mapping[str, str], line: str) -> bool:
        return self.selects(labels) and all(keep(labels, line) for keep in self.keeps)


class LogParser:
    """Recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parse(self) -> LogQuery:
        if self._peek() == "sum":
            query = self._sum()
        elif self._peek() == "count_over_time":
            query = self._count()
        else:
            query = self._log()
        if self._peek():
            raise self._fault()
        return query

    def _sum(self) -> LogQuery:
        self._expect("sum")
        by: tuple[str, ...] = ()
        if self._peek() == "by":
            self._next()
            self._expect("(")
            names = []
            while self._peek() != ")":
                names.append(self._next())
                if self._peek() == ",":
                    self._next()
            self._expect(")")
            by = tuple(names)
        self._expect("(")
        query = self._count()
        self._expect(")")
        query.by = by
        return query

    def _count(self) -> LogQuery:
        self._expect("count_over_time")
        self._expect("(")
        query = self._log()
        self._expect("[")
        query.seconds = int(self._next().removesuffix("s"))
        self._expect("]")
        self._expect(")")
        return query

    def _log(self) -> LogQuery:
        selects, names = self._selector()
        query = LogQuery(selects, names=names)
        while self._peek() in ("|=", "|~", "!=", "|"):
            query.keeps.append(self._stage())
        return query

    def _selector(self) -> tuple[Callable[[Mapping[str, str]], bool], tuple[str, ...]]:
        self._expect("{")
        matchers: list[tuple[str, str, str]] = []
        while self._peek() != "}":
            matchers.append((self._next(), self._next(), _string(self._next())))
            if self._peek() == ",":
                self._next()
        self._expect("}")
        if not any(op in ("=", "=~") and not _holds(op, "", value) for _, op, value in matchers):
            raise ParseError(_EMPTY)

        def selects(labels: Mapping[str, str]) -> bool:
            return all(_holds(op, labels.get(name, ""), value) for name, op, value in matchers)

        return selects, tuple(name for name, _, _ in matchers)

    def _stage(self) -> Keep:
        op = self._next()
        if op != "|":
            value = _string(self._next())
            if op == "|~":
                pattern = re.compile(value)
                return lambda _, line: pattern.search(line) is not None
            return lambda _, line: (value in line) == (op == "|=")
        ors = [self._label_filter()]
        while self._peek() == "or":
            self._next()
            ors.append(self._label_filter())
        return lambda labels, line: any(each(labels, line) for each in ors)

    def _label_filter(self) -> Keep:
        name, op, value = self._next(), self._next(), _string(self._next())
        return lambda labels, _: _holds(op, labels.get(name, ""), value)

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        return match.group().strip() if match else self._text[self._at :].strip()

    def _next(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise self._fault()
        self._at = match.end()
        return match.group().strip()

    def _expect(self, token: str) -> None:
        if self._peek() != token:
            raise self._fault()
        self._next()

    def _fault(self) -> ParseError:
        found = self._peek() or "$end"
        return ParseError(f"parse error at line 1, col {self._at + 1}: syntax error: unexpected {found}")


def _holds(op: str, have: str, want: str) -> bool:
    if op in ("=", "!="):
        return (have == want) == (op == "=")
    return (re.fullmatch(want, have) is not None) == (op == "=~")  # label matchers are anchored


def _string(token: str) -> str:
    if token.startswith("`"):
        return token[1:-1]
    if not token.startswith('"'):
        raise ParseError(f"parse error at line 1, col 1: syntax error: unexpected {token}, expecting STRING")
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), token[1:-1])

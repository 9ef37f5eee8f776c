"""Message templates, and attribute values as they may be told: text without what varies or is private.

The templates are a small Drain (He et al., ICWS 2017) over all lines at once, so that their order does not
matter; why no library, says `docs/design/lift.md`. Pure; hostile text costs no more than other text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from connectors.answers import LogSet
from playbooks.facts import short
from playbooks.logmix import pattern

ANY = "<*>"
_READ = 1_000
_MOST_WORDS = 48
_MOST_CLUSTERS = 48
_LIKENESS = 0.7
# So many words in one place are a value; fewer may be what tells statements apart (started, stopped).
_MANY = 4
_TOKEN = re.compile(r"[^\s\[\](){},;:=|]+|[\[\](){},;:=|]")
_MARKS = frozenset("[](){},;:=|")
_BRACKET = re.compile(r"([\[\](){}])")
# An innermost bracket that lists things or gives them after a colon is data, not words.
_DATA = re.compile(
    r"(?<=[:=])(\s?)[\[({][^\[\](){}]{0,400}[\])}]|(\w?)[\[({][^\[\](){}=,]{0,400}[=,][^\[\](){}]{0,400}[\])}]"
)
_NESTED = 6
# A word that holds a mark of what was masked, a digit or the joints of a name or address.
_VALUE = re.compile(r"[<>\d@/\\]|\w[.\-_]\w")
# An outcome is never a mere value: losing it would lose the incident.
_TELLING = re.compile(
    r"(?i)ok$|success|fail|err(or)?s?\b|exception|time[d-]?_?-?out|refus|den(y|ied)|reject|abort|cancel|invalid|missing"
    r"|(not|un|dis)_?-?(found|available|known|connected|healthy|authorized)|null|none$|true$|false$|up$|down$|panic"
    r"|warn|fatal|crit|start|stop|kill|expire|exceed|overflow|retry|full$|empty$|lost$|dead|open(ed)?$|close|lock"
)

_Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Templates:
    """`ids`: for each line the number of its template; `texts`: each template's words, sorted."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]

    def text(self, number: int) -> str:
        """The template's words."""
        return self.texts[number]


@dataclass(slots=True)
class _Cluster:
    """Lines alike so far: what they share, ANY where they differ, and the lines."""

    shared: list[str]
    lines: list[_Words]


def _words(text: str) -> _Words:
    return tuple(_TOKEN.findall(text)[:_MOST_WORDS])


def masked(body: str) -> str:
    """The body without values, bracket by bracket: long words in brackets stay words, data becomes a mark."""
    parts = _BRACKET.split(body[:_READ])
    text = "".join(part if i % 2 else pattern(part) for i, part in enumerate(parts))
    for _ in range(_NESTED):
        flat = _DATA.sub(r"\1\2<data>", text)
        if flat == text:
            break
        text = flat
    return text


def _bones(line: _Words) -> list[str]:
    """The line without what looks like a value or stands where values stand, after : or =."""
    return [
        ANY if word not in _MARKS and not _TELLING.search(word) and (_VALUE.search(word) or given) else word
        for word, given in zip(line, _given(line), strict=True)
    ]


def _given(line: _Words) -> list[bool]:
    return [row > 0 and line[row - 1] in {":", "="} for row in range(len(line))]


def _likeness(shared: Sequence[str], bones: Sequence[str]) -> float:
    """The part of the line's own words that it shares; a line of values alone is like any other such."""
    words = [i for i, word in enumerate(bones) if word not in _MARKS and word != ANY]
    return sum(shared[i] == bones[i] for i in words) / len(words) if words else 1.0


def _place(leaf: list[_Cluster], line: _Words) -> None:
    """Into the most alike cluster, the first of equals; into a new one where none is and there is room."""
    bones = _bones(line)
    scores = [_likeness(cluster.shared, bones) for cluster in leaf]
    best = max(range(len(leaf)), key=lambda i: (scores[i], -i), default=-1)
    if best < 0 or (scores[best] < _LIKENESS and len(leaf) < _MOST_CLUSTERS):
        leaf.append(_Cluster(bones, [line]))
        return
    cluster = leaf[best]
    cluster.lines.append(line)
    cluster.shared = [a if a == b else ANY for a, b in zip(cluster.shared, bones, strict=True)]


def _skeleton(line: _Words) -> _Words:
    """The tree's path: number of words and punctuation."""
    return tuple(word if word in _MARKS else "" for word in line)


def _is_value(words: set[str]) -> bool:
    return len(words) >= _MANY or all(_VALUE.search(word) for word in words)


def _settled(lines: list[_Words]) -> Iterable[tuple[str, list[_Words]]]:
    """Split a cluster where few plain words or outcomes tell statements apart; elsewhere ANY."""
    free = [
        given or _is_value(words)
        for given, words in zip(_given(lines[0]), map(set, zip(*lines, strict=True)), strict=True)
    ]
    parts: dict[_Words, list[_Words]] = defaultdict(list)
    for line in lines:
        key = (
            "" if wild and not _TELLING.search(word) else word for word, wild in zip(line, free, strict=True)
        )
        parts[tuple(key)].append(line)
    for members in parts.values():
        places = zip(*members, strict=True)
        yield " ".join(place[0] if len(set(place)) == 1 else ANY for place in places), members


def _firsts_merged(groups: Iterable[tuple[str, list[_Words]]]) -> dict[str, list[_Words]]:
    """Templates that differ only in their first word, in many ways, are one: the value came first."""
    alike: dict[str, list[tuple[str, list[_Words]]]] = defaultdict(list)
    for text, lines in groups:
        alike[text.partition(" ")[2]].append((text, lines))
    out: dict[str, list[_Words]] = defaultdict(list)
    for rest, variants in alike.items():
        heads = {text.partition(" ")[0] for text, _ in variants}
        merge = (
            len(heads) > 1
            and len(rest.split()) > 1
            and _is_value(heads)
            and not any(map(_TELLING.search, heads))
        )
        for text, lines in variants:
            out[f"{ANY} {rest}" if merge else text] += lines
    return out


def _joined(text: str) -> str:
    """Punctuation closed up, as in writing; words hold none, so different words stay different texts."""
    return re.sub(r"(?<=[\[({=|]) ", "", re.sub(r" (?=[\[\](){},;:=|])", "", text))


def templates(bodies: Sequence[str]) -> Templates:
    """The template of each body. The same lines in another order have the same templates.

    Time grows with the number of different masked lines: a leaf holds a bounded number of clusters.
    """
    marked = {body: masked(body) for body in dict.fromkeys(bodies)}
    words = {text: _words(text) for text in dict.fromkeys(marked.values())}
    tree: dict[tuple[_Words, str], list[_Cluster]] = defaultdict(list)
    for line in sorted(dict.fromkeys(words.values())):
        first = next((word for word in line if word not in _MARKS), "")
        _place(tree[(_skeleton(line), ANY if _VALUE.search(first) else first)], line)
    leaves = (cluster for leaf in tree.values() for cluster in leaf)
    groups = _firsts_merged(group for cluster in leaves for group in _settled(cluster.lines))
    lines = {_joined(text): members for text, members in groups.items()}
    texts = tuple(sorted(lines))
    number = {line: i for i, text in enumerate(texts) for line in lines[text]}
    return Templates(tuple(number[words[marked[body]]] for body in bodies), texts)


def named(logs: LogSet) -> LogSet:
    """The logs with a logger everywhere: where none is known, the line's template stands for it."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, record in enumerate(logs.records):
        if not record.logger:
            rows[record.service].append(row)
    records = list(logs.records)
    for mine in rows.values():
        found = templates([records[row].body for row in mine])
        for row, number in zip(mine, found.ids, strict=True):
            records[row] = replace(records[row], logger=found.text(number))
    return replace(logs, records=tuple(records))


# --- attribute values ----------------------------------------------------------------------------------
_TEXTS = ("db.", "url.", "http.url", "http.target")
_ENTITIES = tuple(
    (kind, re.compile(f"(?i){names}"))
    for kind, names in (
        ("flag", r"feature[._]?flag|(^|[._])(flags?|experiment|variant)([._]|$)"),
        ("version", r"^((service|app|deployment|release)[._])?version$|image[._]tags?$"
                    r"|(^|[._])(commit|revision|git_?sha|replicaset)([._]|$)"),
        ("pod", r"(^|[._])pod([._]|$)|^service\.instance\.id$|^container\."),
        ("node", r"(^|[._])node([._]name)?$|^host\."),
        ("zone", r"(^|[._])(\w{0,40}zone|region|data_?center)$"),
        ("tenant", r"(^|[._])(tenant|organi[sz]ation|org|account)([._]?(id|name))?$"),
    )
)  # fmt: skip
INFRASTRUCTURE = frozenset({"version", "pod", "node", "zone"})
_MAIL = (re.compile(r"[\w.+-]{1,64}@[\w.-]{1,128}"), "<mail>")
_VEILS = (
    (re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "<id>"),
    _MAIL,
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9a-fA-F]{1,4}:){3,}[0-9a-fA-F:]*"), "<ip>"),
    (re.compile(r"\b[0-9a-fA-F]{12,}\b"), "<hex>"),
    (re.compile(r"\+?\d(?:[ ()/-]{0,2}\d){5,}"), "<n>"),
)
_PERSON = re.compile(
    r"(?i)(^|[._])(user|enduser|username|e?mail|phone|session|cookie|token|password|secret|authorization|ip)"
    r"([._]|$)|(first|last|full|customer|person)[._]?name$|^client\.address$|client_?ip$|user_?id$"
)


@lru_cache(maxsize=1024)
def entity_kind(attribute: str) -> str:
    """What an attribute names: version, pod, node, zone, tenant, flag, else attribute."""
    return next((kind for kind, names in _ENTITIES if names.search(attribute)), "attribute")


def shown(attribute: str, value: str) -> str:
    """The value as it may be shown: infrastructure as it is, statements as patterns, persons never."""
    if entity_kind(attribute) in INFRASTRUCTURE:
        return short(veiled(value[:400], mails_only=True), 80)
    text = pattern(value) if attribute.startswith(_TEXTS) else value[:400]
    return short(veiled(text, attribute), 80)


def veiled(text: str, name: str = "", mails_only: bool = False) -> str:
    """A short text without mails, addresses, ids and long numbers; nothing where `name` is a person's."""
    if _PERSON.search(name):
        return "<masked>"
    for veil, mark in (_MAIL,) if mails_only else _VEILS:
        text = veil.sub(mark, text)
    return text

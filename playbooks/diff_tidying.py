# ruff: noqa: E501 - a pattern stays on one line
"""What a diff changes without changing behaviour: block comments, layout, names of one's own, own versions.

Each answer is a proof by the text alone; where the text does not prove it, the answer is no. Must not know
any fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playbooks.diffs import FileDiff, Line, Pair

LONGEST_LINE = 300

_WORDS = re.compile(r"[A-Za-z_$@][\w$]*|\d[\w.]*|\"[^\"]*\"|'[^']*'|`[^`]*`|[^\sA-Za-z0-9_]")
_BLOCKS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        "c cc cpp h hpp cs go java js jsx ts tsx mjs kt kts scala rs swift php sql tf hcl groovy gradle proto"
        " css scss dart m".split(),
        ("/*", "*/"),
    ),
    **dict.fromkeys("html xml md vue svelte".split(), ("<!--", "-->")),
}
_TRIPLE = re.compile(r"\"\"\"|'''")
_DOCSTRING = re.compile(r"[rRuU]{0,1}(\"\"\"|''')")


def words_of(text: str) -> list[str]:
    """A line as tokens: identifiers, numbers, quoted strings, signs."""
    return _WORDS.findall(text[:LONGEST_LINE])


# --- block comments and docstrings --------------------------------------------------------------------
def commented(lines: Sequence[Line], path: str) -> tuple[frozenset[int], frozenset[int]]:
    """Ids of the lines inside of a block comment or docstring, by side: as it was, as it is."""
    suffix = path.rsplit(".", 1)[-1].lower()
    found: list[set[int]] = [set(), set()]
    for side, inside in zip("-+", found, strict=True):
        for _, group in groupby(lines, key=lambda line: line.hunk):
            shown = [line for line in group if line.sign in (side, " ")]
            if suffix in ("py", "pyi"):
                inside.update(_in_docstrings(shown))
            elif suffix in _BLOCKS:
                inside.update(_in_blocks(shown, *_BLOCKS[suffix]))
    return frozenset(found[0]), frozenset(found[1])


def _in_blocks(lines: Sequence[Line], start: str, end: str) -> Iterator[int]:
    """A hunk that meets an end without a start began inside of the comment."""
    opened = False
    for n, line in enumerate(lines):
        bare = line.text.strip()
        if opened or bare.startswith(start):
            opened = end not in bare
            if opened or bare.endswith(end):
                yield id(line)
        elif end in bare and start not in bare and bare.endswith(end):
            yield from (id(one) for one in lines[: n + 1])


def _in_docstrings(lines: Sequence[Line]) -> Iterator[int]:
    """Strings that stand alone; a string that is given to something is code."""
    quote, documents, before = "", False, ":"
    for n, line in enumerate(lines):
        bare = line.text.strip()
        if quote:
            if documents:
                yield id(line)
            quote = "" if quote in bare else quote
        elif (found := _TRIPLE.search(bare)) is not None:
            documents = _DOCSTRING.match(bare) is not None
            if bare == found.group() and not before.endswith(":"):
                yield from (id(one) for one in lines[: n + 1])
                continue
            if documents:
                yield id(line)
            quote = "" if bare.count(found.group()) >= 2 else found.group()
        before = bare


# --- layout --------------------------------------------------------------------------------------------
_OPENS = re.compile(r"(?:\breturn|[=:]|\b(?:in|if|and|or|not|await|yield|assert))\s*\($")
_PLAIN_QUOTED = re.compile(r"^'([^'\"$\\{}#]*)'$")
_ONE_STATEMENT = re.compile(r"\) \{ ([^{};]{1,300}); \} ")
_LAST_COMMA = re.compile(r", (?=[)\]}])")


def laid_out(lines: Sequence[Line]) -> frozenset[int]:
    """Ids of changed lines in runs whose words are the same on both sides, however they are broken up."""
    same: set[int] = set()
    for changed, group in groupby(lines, key=lambda line: (line.sign != " ", line.hunk)):
        run = list(group)
        old = [line for line in run if line.sign == "-"]
        new = [line for line in run if line.sign == "+"]
        if changed[0] and old and new and _stream(old) == _stream(new):
            same.update(id(line) for line in run)
    return frozenset(same)


def _stream(lines: Sequence[Line]) -> str:
    """The words in order, without what only layout needs: semicolons, last commas, one kind of quotes."""
    words: list[str] = []
    wrapped = 0
    for line in lines:
        bare = line.text.strip()
        if wrapped and bare in (")", "),"):
            wrapped -= 1
            continue
        opens = _OPENS.search(bare)
        wrapped += opens is not None
        words.extend(words_of(bare[:-1] if opens else bare))
    text = " ".join(_PLAIN_QUOTED.sub(r'"\1"', word) for word in words) + " "
    text = _LAST_COMMA.sub("", _ONE_STATEMENT.sub(r") \1; ", text))
    return text.replace("; ", "")


def shape(line: Line) -> str:
    """A line without spacing, its kind of quotes, and what may end it."""
    words = [_PLAIN_QUOTED.sub(r'"\1"', word) for word in words_of(line.text)]
    return "".join(words).rstrip(",;")


# --- names of one's own --------------------------------------------------------------------------------
_DECLARES = re.compile(
    r"\b(?:def|func|function|fn|fun|class|struct|interface|enum|trait|record|protocol|type|var|let|const|val|import|as|for|in)\s+(?:\([^)]{0,80}\)\s*)?([A-Za-z_$@][\w$]*)"
    r"|(?<![\w$@])([A-Za-z_$@][\w$]*)\s*(?::=|=(?!=)|:\s)"
)
_KEYWORDS = frozenset(
    "true false True False None nil null and or not asc desc ASC DESC min max any all int float str round floor ceil"
    " Decimal double long string bool var let const async await break continue return".split()
)


def declared(lines: Iterable[Line]) -> frozenset[str]:
    """Names that these lines bring into being: only a name of one's own can be swapped without effect."""
    return frozenset(a or b for line in lines for a, b in _DECLARES.findall(line.text))


def renamed(added: Sequence[Line], removed: Sequence[Line], pairs: Sequence[Pair]) -> Mapping[str, str]:
    """Old names to new where every change is one identifier swapped consistently; empty otherwise.

    Never a string, number or sign, and no two names for one.
    """
    if not pairs or len(pairs) != len(added) or len(pairs) != len(removed):
        return {}
    names: dict[str, str] = {}
    for pair in pairs:
        old, new = words_of(pair.old.text), words_of(pair.new.text)
        if len(old) != len(new):
            return {}
        for before, after in zip(old, new, strict=True):
            if before == after:
                continue
            if not (_is_name(before) and _is_name(after)) or names.setdefault(before, after) != after:
                return {}
    return names if len(set(names.values())) == len(names) else {}


def _is_name(word: str) -> bool:
    return (word[0].isalpha() or word[0] in "_$@") and word not in _KEYWORDS


def renames_only(files: Sequence[FileDiff]) -> frozenset[str]:
    """Paths of files in which only names changed that this file, or another of the same diff, declares."""
    came = frozenset().union(*(declared(f.added) for f in files)) if files else frozenset()
    went = frozenset().union(*(declared(f.removed) for f in files)) if files else frozenset()
    found: set[str] = set()
    for file in files:
        names = renamed(file.added, file.removed, file.pairs)
        here = set(names.values()) <= declared(file.added)
        if names and (here or (set(names.values()) <= came and set(names) <= went)):
            found.add(file.path)
    return frozenset(found)


# --- versions and labels -------------------------------------------------------------------------------
_OWN_VERSION = re.compile(
    r"^\"?version\"?\s*[:=]\s*[\"']?v?\d[\w.+-]{0,40}[\"']?,?$|^<version>[\w.]{1,40}-SNAPSHOT</version>$"
)
_DEPENDED = re.compile(r"dependenc|plugin|require|source|packages|\[\[", re.IGNORECASE)
_MANIFESTS = re.compile(
    r"(^|/)(package\.json|pyproject\.toml|cargo\.toml|composer\.json|chart\.ya?ml|pom\.xml)$", re.IGNORECASE
)
_NOTES = re.compile(r"^(annotations|labels|tags)\b", re.IGNORECASE)
_FOR_PEOPLE = re.compile(
    r"^[\"']?[\w./-]{0,60}(owner|contact|team|descri|docs?\b|link|repo|cost|maintain|changelog|slack|chat|jira)"
    r"[\w-]{0,20}[\"']?\s*[:=]",
    re.IGNORECASE,
)  # fmt: skip


def own_version(file: FileDiff) -> bool:
    """Whether the file only counts up the version of what it describes, not of what that needs."""
    changed = [*file.added, *file.removed]
    if not changed or not _MANIFESTS.search(file.path):
        return False
    if any(not _OWN_VERSION.match(line.text.strip()) or line.indent > 4 for line in changed):
        return False
    first = next((n for n, line in enumerate(file.lines) if line.sign != " "), 0)
    above = [line.text for line in file.lines[max(0, first - 8) : first]]
    parents = [parent for line in changed for parent in line.parents]
    nested = any(re.search(r"[:=]\s*[{\[]$", parent) for parent in parents)
    return not nested and not any(_DEPENDED.search(text) for text in (*above, *parents))


def for_people(file: FileDiff) -> bool:
    """Whether only labels or annotations changed that tell people whose it is."""
    changed = [*file.added, *file.removed]
    return bool(changed) and all(
        any(_NOTES.match(parent) for parent in line.parents[:1]) and _FOR_PEOPLE.match(line.text.strip())
        for line in changed
    )

"""From a diff to what it can do: the edits found in it, and per effect how well it could bring that about.

Must not know the fault it is held against; `changes` compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from playbooks.change_effects import Effect
from playbooks.diff_features import (
    ANY_CODE,
    ANY_CONFIG,
    DEPENDENCY,
    EDITS,
    FLIPPED,
    GROWS,
    IN_LOOP,
    RENAMED_KEY,
    SWITCHED,
    Edit,
)
from playbooks.diff_settings import turned
from playbooks.diffs import HARMLESS_ROLES, Diff, FileDiff, Line, Pair, Role, words_of

_SIGNS = frozenset("< > = ! + - * / % & | ?".split()) | {"and", "or", "not", "true", "false", "True", "False", "nil", "null",
          "None", "asc", "desc", "ASC", "DESC", "min", "max", "any", "all", "if", "unless"}  # fmt: skip
_LOOP = re.compile(r"\b(for|foreach|while|each|each_with_index|map|flat_?map|loop|collect|stream)\b")
_CALL = re.compile(
    r"\.objects\.(get|filter)|\.(query|queryrow|querycontext|queryrowcontext|execute|exec|find|find_by|findone|findbyid|get|fetch|load"
    r"|select|save|update|insert|post|put|call|invoke|send|lookup|fetchone|scalar|count|first|where)\w{0,8}\(|\bfetch\(|\bawait\b|\bselect\b.{1,200}\bfrom\b",
    re.IGNORECASE,
)
_GROWING = re.compile(
    r"([@$\w.]*\w)\s*(?:\[[^\]]{1,80}\]\s*=[^=]|\.(?:append|push|add|put|set|insert|extend|unshift|setdefault|store|computeifabsent)\(|<<|=\s*append\(\s*([\w.]+))",
    re.IGNORECASE,
)
_BOUNDED = re.compile(
    r"max_?(len|size|entries|items)|lru|evict|ttl|expire|delete|\.pop|shift\(|clear|trim|popitem|len\(.*[><]|size\(\)\s*[><]|cap\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"^[\"'`].*[\"'`]$")
_GLOBAL = re.compile(
    r"^(?:var|let|const|static|private static|public static|final|val|export const)?\s*([@$A-Za-z_][\w]*)\s*(?::[^=]{0,60})?=?\s*(?:map\[|\[\]|\{\}|new\b|dict\(|list\(|set\(|make\(|defaultdict|hashmap|\[)?",
    re.IGNORECASE,
)
_DEV_ONLY = re.compile(
    r"eslint|prettier|lint|mypy|ruff|pytest|jest|mocha|vitest|junit|mockito|rspec|rubocop|types/|testify|black|coverage|faker|storybook|@types|typedoc|husky|indirect",
    re.IGNORECASE,
)


_TIDIED = 0.5
"""What is left of the suspicion of an edit that lost nothing: most are what they say, tidying."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One edit as found: what it says, where, and what it can do."""

    name: str
    says: str
    path: str
    text: str
    effects: Mapping[Effect, float]
    cause: str
    slow: bool = False
    telling: bool = True


@dataclass(frozen=True, slots=True)
class Power:
    """What a diff can do. `harmless` names why it can do nothing at all; `known` is false without a diff."""

    known: bool
    harmless: str = ""
    traces: tuple[Trace, ...] = ()
    general: Mapping[Effect, float] = field(default_factory=dict)
    lines: int = 0


def power_of(diff: Diff) -> Power:
    """What the diff can do, by the edits found in it."""
    live = [f for f in diff.files if f.role not in HARMLESS_ROLES]
    if not live:
        return Power(known=bool(diff.files), harmless=_roles(diff) if diff.files else "")
    if not diff.known:
        return Power(known=False)
    why = _idle(live)
    if why:
        return Power(known=True, harmless=why)
    traces = [trace for f in live for trace in _traces(f)]
    return Power(True, "", tuple(traces), _general(live), diff.changed_lines)


def _roles(diff: Diff) -> str:
    names = {
        Role.DOCS: "documentation",
        Role.TEST: "tests",
        Role.CI: "build files",
        Role.MONITORING: "dashboards and alerts",
        Role.ASSET: "static files",
    }
    return "only " + " and ".join(sorted({names.get(f.role, str(f.role)) for f in diff.files}))


def _idle(files: Sequence[FileDiff]) -> str:
    """Why the live files cannot alter behaviour; empty when they can."""
    busy = [f for f in files if (f.added or f.removed) and not f.renames_only]
    if busy:
        return ""
    for why, idle in (
        ("only log lines", any(f.logging_only for f in files)),
        ("only names of identifiers", any(f.renames_only for f in files)),
        ("only comments", any(f.comments_only for f in files)),
    ):
        if idle:
            return why
    return "only spacing, order or imports" if any(f.lines for f in files) else "no lines of text"


def _traces(file: FileDiff) -> list[Trace]:
    if file.role is Role.DEPENDENCY:
        return _dependency(file)
    if file.renames_only:
        return []
    settings, flips, keys = _paired(file)
    paired = {
        id(line)
        for trace_pair in (*settings, *flips, *keys)
        for line in (trace_pair[0].old, trace_pair[0].new)
    }
    traces = [trace for _, trace in (*settings, *flips, *keys)]
    rest_added = [line for line in file.added if id(line) not in paired]
    rest_removed = [line for line in file.removed if id(line) not in paired]
    traces.extend(_edits(file, rest_added, rest_removed))
    traces.extend(_loops(file))
    traces.extend(_growth(file))
    return traces


def _dependency(file: FileDiff) -> list[Trace]:
    lines = [*file.added, *file.removed]
    shipped = [line for line in lines if not _DEV_ONLY.search(line.text)]
    if not shipped or file.path.endswith(("go.sum", "package-lock.json", "yarn.lock")):
        return []
    first = shipped[0].text.strip()
    return [
        Trace("dependency", "moves a dependency", file.path, first, DEPENDENCY, "bad_deploy", telling=False)
    ]


Found = list[tuple[Pair, Trace]]


def _paired(file: FileDiff) -> tuple[Found, Found, Found]:
    settings: Found = []
    flips: Found = []
    keys: Found = []
    for pair in file.pairs:
        turn = turned(pair)
        text = pair.new.text.strip()
        if turn is not None:
            said = f"changes {turn.label or 'a number'} from {turn.old} to {turn.new}"
            effects: Mapping[Effect, float] = turn.setting.effects if turn.setting else ANY_CONFIG
            cause = turn.setting.cause if turn.setting else "config_change"
            scaled = _scaled(effects, _how_far(turn.factor))
            settings.append(
                (
                    pair,
                    Trace(
                        "setting",
                        said,
                        file.path,
                        text,
                        scaled,
                        cause,
                        bool(turn.setting and turn.setting.slow),
                    ),
                )
            )
            continue
        kind = _kind(pair)
        if kind == "flip":
            said = f"turns a condition or sign round ({pair.old.text.strip()[:60]} became {text[:60]})"
            flips.append(
                (
                    pair,
                    Trace(
                        "flip",
                        said,
                        file.path,
                        text,
                        SWITCHED if file.role is Role.CONFIG else FLIPPED,
                        _key_cause(file),
                    ),
                )
            )
        elif kind == "key":
            old, new = _renamed(pair)
            said = f"renames {old[:40]} to {new[:40]}"
            keys.append((pair, Trace("key", said, file.path, text, _of_key(file, pair), _key_cause(file))))
    return settings, flips, keys


def _how_far(factor: float) -> float:
    """A setting turned by a tenth matters less than one turned to a tenth."""
    ratio = max(factor, 1.0 / factor) if factor > 0 else 10.0
    return 1.0 if ratio >= 2 else 0.45 + 0.55 * (ratio - 1.0)


def _scaled(effects: Mapping[Effect, float], by: float) -> dict[Effect, float]:
    return {effect: weight * by for effect, weight in effects.items()}


def _key_cause(file: FileDiff) -> str:
    return "config_change" if file.role is Role.CONFIG else "bad_deploy"


def _of_key(file: FileDiff, pair: Pair) -> Mapping[Effect, float]:
    """A renamed key, plus whatever the line is about (an image, a route, a topic …)."""
    effects = dict(RENAMED_KEY)
    for edit in EDITS:
        if edit.side != "loss" and _serves(edit, file) and edit.pattern.search(pair.new.text):
            for effect, weight in edit.effects.items():
                effects[effect] = max(effects.get(effect, 0.0), weight)
    return effects


def _kind(pair: Pair) -> str:
    """How two alike lines differ: by a sign or truth value, by a quoted name or key, or otherwise."""
    gone, come = _difference(pair)
    if not gone and not come:
        return ""
    if all(word in _SIGNS for word in (*gone, *come)):
        return "" if [*gone, *come] in (["&"], ["*"]) else "flip"
    if len(gone) == len(come) == 1 and all(_QUOTED.match(word) for word in (*gone, *come)):
        return "key"
    if len(gone) == len(come) == 1 and (_is_key(pair.old, gone[0]) and _is_key(pair.new, come[0])):
        return "key"
    same_words = sorted(w for w in words_of(pair.old.text) if w[0].isalnum()) == sorted(
        w for w in words_of(pair.new.text) if w[0].isalnum()
    )
    return "flip" if same_words and any(word in _SIGNS for word in (*gone, *come)) else ""


def _difference(pair: Pair) -> tuple[list[str], list[str]]:
    old, new = words_of(pair.old.text), words_of(pair.new.text)
    left = list(new)
    gone: list[str] = []
    for word in old:
        if word in left:
            left.remove(word)
        else:
            gone.append(word)
    return gone, left


def _is_key(line: Line, word: str) -> bool:
    return bool(re.match(rf"\s*-?\s*['\"]?{re.escape(word)}['\"]?\s*[:=]", line.text)) or "json:" in line.text


def _renamed(pair: Pair) -> tuple[str, str]:
    gone, come = _difference(pair)
    return (gone[0] if gone else "a name"), (come[0] if come else "another")


def _serves(edit: Edit, file: FileDiff) -> bool:
    return edit.roles is None or file.role in edit.roles


def _edits(file: FileDiff, added: Sequence[Line], removed: Sequence[Line]) -> Iterable[Trace]:
    for edit in EDITS:
        if not _serves(edit, file):
            continue
        here, there = (removed, added) if edit.side == "loss" else (added, removed)
        hits = [line for line in here if edit.pattern.search(line.text)]
        gone = [line for line in there if edit.pattern.search(line.text)]
        if edit.side == "touch":
            hits, gone = [*hits, *gone], []
        if len(hits) > len(gone):
            effects = (
                _scaled(edit.effects, _TIDIED) if edit.side == "touch" and file.conserved else edit.effects
            )
            yield Trace(
                edit.name,
                edit.says,
                file.path,
                hits[0].text.strip(),
                effects,
                edit.cause,
                edit.slow,
                edit.side != "touch",
            )


def _loops(file: FileDiff) -> Iterable[Trace]:
    """Calls once per element: a query or call below a loop, where either is new."""
    before = sum(1 for line in file.lines if line.sign == "-" and _looped(line))
    after = [line for line in file.lines if line.sign == "+" and _looped(line)]
    if len(after) > before:
        yield Trace(
            "in_loop",
            "makes a query or call once per element",
            file.path,
            after[0].text.strip(),
            IN_LOOP,
            "slow_query",
        )


def _looped(line: Line) -> bool:
    if not _CALL.search(line.text):
        return False
    return any(_LOOP.search(parent) for parent in line.parents[:3]) or bool(
        re.search(r"\bfor\b.{1,80}\bin\b|\.(map|each|forEach)\(", line.text)
    )


def _growth(file: FileDiff) -> Iterable[Trace]:
    """Additions to something that outlives the request, with no bound beside them."""
    outlive = _outliving(file)
    bounded = any(_BOUNDED.search(line.text) for line in file.added)
    for line in file.added:
        match = _GROWING.search(line.text)
        if match is None or line.indent == 0:
            continue
        name = (match.group(2) or match.group(1)).lower() if match.group(1) else ""
        root = name.split(".")[0].lstrip("@$")
        own = name.startswith(("self.", "this.", "@")) or "." in name or (match.group(1) or "").isupper()
        if root in outlive or own:
            weight = (1.0 if root in outlive else 0.8) * (0.3 if bounded else 1.0)
            yield Trace(
                "grows",
                f"adds to {name} without a bound",
                file.path,
                line.text.strip(),
                _scaled(GROWS, weight),
                "memory_leak",
                slow=True,
            )
            return


def _outliving(file: FileDiff) -> frozenset[str]:
    """Names declared at the outermost level, in capitals, or as static."""
    names: set[str] = set()
    for line in file.lines:
        if line.sign == "-" or (line.indent > 0 and "static" not in line.text):
            continue
        match = _GLOBAL.match(line.text.strip())
        if (
            match
            and ("=" in line.text or line.text.lstrip().startswith("var "))
            and "(" not in line.text.split("=")[0]
        ):
            names.update(
                word.lower()
                for word in words_of(line.text.split("=")[0])
                if word[0].isalpha() or word[0] in "_@"
            )
    return frozenset(name.lstrip("@$") for name in names)


def _general(files: Sequence[FileDiff]) -> dict[Effect, float]:
    """What edits of no known kind may do, by the role of the files."""
    merged: dict[Effect, float] = {}
    for file in files:
        if file.renames_only or not (file.added or file.removed) or file.role is Role.DEPENDENCY:
            continue
        base = ANY_CONFIG if file.role is Role.CONFIG else ANY_CODE
        for effect, weight in _scaled(base, _TIDIED if file.conserved else 1.0).items():
            merged[effect] = max(weight, merged.get(effect, 0.0))
    return merged

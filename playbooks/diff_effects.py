"""From a diff to what it can do: the edits found in it, and per effect how well it could bring that about.

Must not know the fault it is held against; `changes` compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from playbooks.change_effects import Effect
from playbooks.diff_features import ANY_CODE, ANY_CONFIG, DEPENDENCY, EDITS, GROWS
from playbooks.diff_pairs import Trace, scaled, serves, swaps
from playbooks.diff_tidying import for_people, own_version, words_of
from playbooks.diff_work import sunk, works
from playbooks.diffs import HARMLESS_ROLES, Diff, FileDiff, Line, Role

MOST_MATCHED = 400
_GROWING = re.compile(
    r"(?<![@$\w.])([@$\w.]{0,100}\w)\s{0,4}(?:\[[^\]]{1,80}\]\s*=[^=]|\.(?:append|push|add|put|set|insert|extend|unshift|setdefault|store|computeifabsent)\(|<<|=\s*append\(\s*([\w.]+))",
    re.IGNORECASE,
)
_BOUNDED = re.compile(
    r"max_?(len|size|entries|items)|lru|evict|ttl|expire|delete|\.pop|shift\(|clear|trim|popitem|len\([^<>]{0,80}[><]|size\(\)\s*[><]|cap\b",
    re.IGNORECASE,
)
_GLOBAL = re.compile(
    r"^(?:var|let|const|static|private static|public static|final|val|export const)?\s*[@$A-Za-z_]\w*",
    re.IGNORECASE,
)
_DEV_ONLY = re.compile(
    r"eslint|prettier|lint|mypy|ruff|pytest|jest|mocha|vitest|junit|mockito|rspec|rubocop|types/|testify|black|coverage|faker|storybook|@types|typedoc|husky|indirect",
    re.IGNORECASE,
)


_DEV_FILE = re.compile(
    r"(^|/)(dev|test|lint|docs?)[-_]?requirements|requirements[-_/.]?(dev|test|lint|docs?)", re.IGNORECASE
)

_TIDIED = 0.5
"""What is left of the suspicion of an edit that lost nothing: most are what they say, tidying."""


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
    busy = any((f.added or f.removed) and not _settled(f) for f in files)
    if busy or any(sunk(f) for f in files):
        return ""
    for why, idle in (
        ("only log lines", any(f.logging_only for f in files)),
        ("only wording", any(_worded(f) for f in files)),
        ("only the version that it gives itself", any(own_version(f) for f in files)),
        ("only labels for people", any(for_people(f) for f in files)),
        ("only tools of development", any(f.role is Role.DEPENDENCY and not _shipped(f) for f in files)),
        ("only names of identifiers", any(f.renames_only for f in files)),
        ("only comments", any(f.comments_only for f in files)),
    ):
        if idle:
            return why
    return "only spacing, order or imports" if any(f.lines for f in files) else "no lines of text"


def _settled(file: FileDiff) -> bool:
    """Whether what changed in the file cannot alter behaviour."""
    tools = file.role is Role.DEPENDENCY and not _shipped(file)
    return file.renames_only or tools or _worded(file) or own_version(file) or for_people(file)


def _shipped(file: FileDiff) -> list[Line]:
    """Lines of a list of dependencies that speak of what is shipped."""
    if _DEV_FILE.search(file.path):
        return []
    return [line for line in (*file.added, *file.removed) if not _DEV_ONLY.search(line.text)]


def _worded(file: FileDiff) -> bool:
    """Whether every change is to text for people."""
    understood = swaps(file)
    lines = 2 * sum(1 for swap in understood if swap.trace is None)
    return 0 < lines == len(file.added) + len(file.removed)


def _traces(file: FileDiff) -> list[Trace]:
    if file.role is Role.DEPENDENCY and not _settled(file):
        return _dependency(file)
    if _settled(file):
        return []
    known = swaps(file)
    paired = {id(line) for swap in known for line in (swap.pair.old, swap.pair.new)}
    traces = [swap.trace for swap in known if swap.trace is not None]
    rest_added = [line for line in file.added if id(line) not in paired][:MOST_MATCHED]
    rest_removed = [line for line in file.removed if id(line) not in paired][:MOST_MATCHED]
    traces.extend(_edits(file, rest_added, rest_removed))
    traces.extend(works(file))
    traces.extend(_growth(file))
    return traces


def _dependency(file: FileDiff) -> list[Trace]:
    shipped = _shipped(file)
    if not shipped or file.path.endswith(("go.sum", "package-lock.json", "yarn.lock")):
        return []
    first = shipped[0].text.strip()
    return [
        Trace("dependency", "moves a dependency", file.path, first, DEPENDENCY, "bad_deploy", telling=False)
    ]


def _edits(file: FileDiff, added: Sequence[Line], removed: Sequence[Line]) -> Iterable[Trace]:
    for edit in EDITS:
        if not serves(edit, file):
            continue
        here, there = (removed, added) if edit.side == "loss" else (added, removed)
        hits = [line for line in here if edit.pattern.search(line.text)]
        gone = [line for line in there if edit.pattern.search(line.text)]
        if edit.side == "touch":
            hits, gone = [*hits, *gone], []
        if len(hits) > len(gone):
            effects = (
                scaled(edit.effects, _TIDIED) if edit.side == "touch" and file.conserved else edit.effects
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
        if (root in outlive or own) and "pool" not in name:
            weight = (1.0 if root in outlive else 0.8) * (0.3 if bounded else 1.0)
            yield Trace(
                "grows",
                f"adds to {name} without a bound",
                file.path,
                line.text.strip(),
                scaled(GROWS, weight),
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
        if _settled(file) or not (file.added or file.removed) or file.role is Role.DEPENDENCY:
            continue
        base = ANY_CONFIG if file.role is Role.CONFIG else ANY_CODE
        for effect, weight in scaled(base, _TIDIED if file.conserved else 1.0).items():
            merged[effect] = max(weight, merged.get(effect, 0.0))
    return merged

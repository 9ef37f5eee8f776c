# ruff: noqa: E501 - a pattern stays on one line
"""Work that a diff adds by where lines stand: loops in loops, calls in loops, waits in coroutines, lines moved inwards.

The table of edits reads lines; this reads what they lie under. Must not know any fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from playbooks.change_effects import Effect as E  # noqa: N817 - as in the table of edits
from playbooks.diff_features import BLOCKS, IN_LOOP, NESTED
from playbooks.diff_pairs import Trace
from playbooks.diff_tidying import shape
from playbooks.diffs import FileDiff, Line, Role

_LOOP = re.compile(r"\b(for|foreach|while|each|each_with_index|map|flat_?map|loop|collect|stream)\b")
_CALL = re.compile(
    r"\.objects\.(get|filter)|\.(query|queryrow|querycontext|queryrowcontext|execute|exec|find|find_by|findone|findbyid|get|fetch|load"
    r"|select|save|update|insert|post|put|call|invoke|send|lookup|fetchone|scalar|count|first|where)\w{0,8}\(|\bfetch\(|\bawait\b|\bselect\b.{1,120}\bfrom\b",
    re.IGNORECASE,
)
_WALKS = re.compile(
    r"\bfor\b|\bforeach\b|\bwhile\b|\.(filter|map|flatMap|some|every|find|findIndex|forEach|reduce|each|select|detect|any|all|stream)\s*[({]"
)
_WALK_IN_LINE = re.compile(
    r"\bfor\b.{1,80}\bfor\b|\.(?:map|filter|forEach|flatMap|each|some|every)\(.{1,120}\.(?:filter|map|some|every|find|findIndex|reduce|sort|forEach)\("
)
_COROUTINE = re.compile(r"\basync\s+(def|function|fn)\b|\basync\s*\(|\bsuspend\s+fun\b")
_BLOCKING = re.compile(
    r"\brequests\.(get|post|put|patch|delete|request)\(|\burlopen\(|time\.sleep\(|subprocess\.(run|check_output|call)\(|os\.system\(|(readFile|writeFile|exec|spawn|execFile|pbkdf2|scrypt|gzip)Sync\(|psycopg2?\.connect\(|Thread\.sleep\("
)
_DOES = re.compile(r"[\w\])]\s*\(")
_CALLED_OFTEN = re.compile(r"\b(def|function|func|fn|fun)\b|=>|\bdo\b|\)\s*(throws \w+\s*)?\{$")
_NOT_WORK = re.compile(
    r"\b(require|import|def|class|func|function|const \w+ = \(|return\b.*=>)\b|^\s*(@|\}|\))"
)


def works(file: FileDiff) -> Iterable[Trace]:
    """Every such edit of one file."""
    if file.role is not Role.CODE:
        return
    yield from _in_loops(file)
    yield from _nested(file)
    yield from _blocking(file)
    yield from sunk(file)


def _trace(name: str, says: str, file: FileDiff, line: Line) -> Trace:
    effects, cause = {
        "in_loop": (IN_LOOP, "slow_query"),
        "nested": (NESTED, "cpu_saturation"),
        "blocking": (BLOCKS, "bad_deploy"),
        "sunk": ({**BLOCKS, E.CPU: 0.7, E.DATABASE: 0.5, E.DISK: 0.4}, "bad_deploy"),
    }[name]
    return Trace(name, says, file.path, line.text.strip(), effects, cause)


def _in_loops(file: FileDiff) -> Iterable[Trace]:
    """Calls once per element: a query or call below a loop, where either is new."""
    before = sum(1 for line in file.lines if line.sign == "-" and _looped(line))
    after = [line for line in file.lines if line.sign == "+" and _looped(line)]
    if len(after) > before:
        yield _trace("in_loop", "makes a query or call once per element", file, after[0])


def _looped(line: Line) -> bool:
    if not _CALL.search(line.text):
        return False
    return any(_LOOP.search(parent) for parent in line.parents[:3]) or bool(
        re.search(r"\bfor\b.{1,80}\bin\b|\.(map|each|forEach)\(", line.text)
    )


def _nested(file: FileDiff) -> Iterable[Trace]:
    """Loops in loops over what is in memory: the work grows with the square."""
    before = sum(_walks_within(line) for line in file.removed)
    after = [line for line in file.added if _walks_within(line)]
    if len(after) > before:
        yield _trace("nested", "walks through elements inside of a walk through elements", file, after[0])


def _walks_within(line: Line) -> bool:
    if _WALK_IN_LINE.search(line.text):
        return True
    return bool(_WALKS.search(line.text)) and any(_WALKS.search(parent) for parent in line.parents[:2])


def _blocking(file: FileDiff) -> Iterable[Trace]:
    """Calls that hold the only thread of an event loop."""
    for line in file.added:
        if _BLOCKING.search(line.text) and any(_COROUTINE.search(parent) for parent in line.parents):
            yield _trace("blocking", "blocks the event loop while it waits", file, line)
            return


def sunk(file: FileDiff) -> list[Trace]:
    """A line that moved from outside of a function, or of a loop, to its inside."""
    taken = {shape(line): line for line in file.lines if line.sign == "-" and _DOES.search(line.text)}
    for line in file.lines if file.role is Role.CODE else ():
        old = taken.get(shape(line)) if line.sign == "+" else None
        if old is None or _NOT_WORK.search(line.text):
            continue
        if line.indent > old.indent == 0 and any(_CALLED_OFTEN.search(p) for p in line.parents):
            return [_trace("sunk", "does at every call what was done once", file, line)]
        if _in_loop(line) and not _in_loop(old):
            return [_trace("sunk", "does once per element what was done once", file, line)]
    return []


def _in_loop(line: Line) -> bool:
    return any(re.match(r"(for|foreach|while)\b", parent) for parent in line.parents[:3])

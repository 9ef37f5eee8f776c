"""changes.jsonl and commits.jsonl: what was changed, and the code behind it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, get_args

from connectors.answers import Change, ChangeKind, Commit, Commits, Timeline
from connectors.case.directory import CaseDirectory
from connectors.case.jsonl import JsonLines, Record, optional, text, texts
from connectors.case.manifest import Manifest
from connectors.case.reader import Found, Once, instant, missing, span_text, unasked, until
from connectors.contract import Question, Source, Unavailable
from connectors.questions import ChangeTimeline, CommitLog

CHANGES, COMMITS = "changes.jsonl", "commits.jsonl"
_KINDS: frozenset[str] = frozenset(get_args(ChangeKind))


@dataclass(frozen=True, slots=True)
class _Step:
    """One line of changes.jsonl."""

    at: datetime
    kind: str
    fields: Record


@dataclass(frozen=True, slots=True)
class _Steps:
    by_id: dict[str, list[_Step]]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _CommitFile:
    commits: list[Commit]
    notes: tuple[str, ...]


class ChangesReader:
    """Answers questions about changes and commits."""

    source: ClassVar[Source] = Source.CHANGES
    questions: ClassVar[tuple[type[Question], ...]] = (ChangeTimeline, CommitLog)

    def __init__(self, directory: CaseDirectory, manifest: Manifest) -> None:
        self._directory = directory
        self._at = manifest.at
        self._steps = Once(self._load_changes)
        self._commits = Once(self._load_commits)

    def present(self) -> bool:
        """Whether the case holds changes or commits."""
        return any(self._directory.find(name) is not None for name in (CHANGES, COMMITS))

    def answer(self, question: Question, now: datetime) -> Found | Unavailable:
        """The changes or the commits of a window."""
        if isinstance(question, ChangeTimeline):
            return self._timeline(question, now)
        if isinstance(question, CommitLog):
            return self._log(question, now)
        return unasked(self.source, question)

    def _timeline(self, question: ChangeTimeline, now: datetime) -> Found | Unavailable:
        if self._directory.find(CHANGES) is None:
            return missing(self.source, CHANGES)
        loaded = self._steps.get()
        if isinstance(loaded, Unavailable):
            return loaded
        start, end = question.window.start, until(question.window, now)
        seen = {id_: [step for step in steps if step.at <= end] for id_, steps in loaded.by_id.items()}
        changes = [_change(id_, steps) for id_, steps in seen.items() if steps and steps[-1].at >= start]
        changes.sort(key=lambda change: (change.at, change.id))
        query = f"{CHANGES}: {len(changes)} changes, {span_text(start, end)}"
        return Found(Timeline(changes=tuple(changes)), query, end, loaded.notes)

    def _log(self, question: CommitLog, now: datetime) -> Found | Unavailable:
        if self._directory.find(COMMITS) is None:
            return missing(self.source, COMMITS)
        loaded = self._commits.get()
        if isinstance(loaded, Unavailable):
            return loaded
        start, end = question.window.start, until(question.window, now)
        commits = tuple(commit for commit in loaded.commits if start <= commit.at <= end)
        query = f"{COMMITS}: {len(commits)} commits, {span_text(start, end)}"
        return Found(Commits(commits=commits), query, end, loaded.notes)

    def _load_changes(self) -> _Steps | Unavailable:
        lines = JsonLines(self._directory, self._directory.find(CHANGES) or CHANGES)
        steps = []
        for fields in lines:
            at = _at(fields)
            if at is None:
                lines.reject()
            elif at <= self._at:
                steps.append(_Step(at, _kind(fields), fields))
        reason = lines.useless()
        if reason is not None:
            return Unavailable(self.source, reason)
        return _Steps(_by_id(steps), lines.trouble())

    def _load_commits(self) -> _CommitFile | Unavailable:
        lines = JsonLines(self._directory, self._directory.find(COMMITS) or COMMITS)
        commits = []
        for fields in lines:
            at, sha = _at(fields), text(fields, "sha")
            if at is None or not sha:
                lines.reject()
            elif at <= self._at:
                commits.append(_commit(sha, at, fields))
        reason = lines.useless()
        if reason is not None:
            return Unavailable(self.source, reason)
        commits.sort(key=lambda commit: (commit.at, commit.sha))
        return _CommitFile(commits, lines.trouble())


def _at(fields: Record) -> datetime | None:
    try:
        return instant(fields.get("at"))
    except ValueError:
        return None


def _kind(fields: Record) -> str:
    kind = text(fields, "kind")
    return kind if kind in _KINDS else "other"


def _by_id(steps: list[_Step]) -> dict[str, list[_Step]]:
    """The steps of each change, by time. A line without an id gets one that any second run derives again."""
    commits = Counter(text(step.fields, "commit") for step in steps)
    taken: Counter[str] = Counter()
    found: dict[str, list[_Step]] = {}
    for step in steps:
        id_ = optional(step.fields, "id")
        if id_ is None:
            id_ = _derived_id(step, commits)
            taken[id_] += 1
            id_ = id_ if taken[id_] == 1 else f"{id_}#{taken[id_]}"
        found.setdefault(id_, []).append(step)
    for same in found.values():
        same.sort(key=lambda step: step.at)
    return found


def _derived_id(step: _Step, commits: Counter[str]) -> str:
    commit = text(step.fields, "commit")
    if commit and commits[commit] == 1:
        return commit
    return f"{step.kind}:{text(step.fields, 'service')}:{step.at:%FT%TZ}"


def _change(id_: str, steps: list[_Step]) -> Change:
    """One change from its steps: what the first step to know a field says of it."""
    pods = dict.fromkeys(pod for step in steps for pod in texts(step.fields, "pods"))
    return Change.model_validate(
        {
            "id": id_,
            "at": steps[0].at,
            "kind": steps[0].kind,
            "service": _first(steps, "service"),
            "summary": _first(steps, "summary") or "",
            "version": _first(steps, "version"),
            "commit": _first(steps, "commit"),
            "pods": tuple(pods),
            "link": _first(steps, "link"),
            "steps": tuple(step.at for step in steps),
        }
    )


def _first(steps: list[_Step], name: str) -> str | None:
    return next((value for step in steps if (value := optional(step.fields, name))), None)


def _commit(sha: str, at: datetime, fields: Record) -> Commit:
    return Commit(
        sha=sha,
        at=at,
        author=text(fields, "author"),
        message=text(fields, "message"),
        files=texts(fields, "files"),
        diff=optional(fields, "diff"),
    )

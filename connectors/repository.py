"""Source repositories as a source: the commits behind what was rolled out, with diffs, and its migrations.

Works on any `Forge` (a local clone, GitHub, GitLab). Asks for the commits between the revisions that were
deployed, and for those of the window; nothing is ever written, checked out or run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from connectors.answers import Answer, Change, Commit, Commits, SourceFile, SourceFiles
from connectors.codec import sha256
from connectors.contract import Question, Reading, Unavailable, Window
from connectors.governor import SourceFailedError
from connectors.live import Check
from connectors.migration_paths import MOST_FILE_BYTES, in_order, is_migration, order
from connectors.questions import ChangeTimeline, CommitLog, MigrationFiles
from connectors.redaction import redacted
from connectors.revisions import RolledOut, rolled_out
from connectors.source_checks import reach
from connectors.timeline import one_timeline

MOST_COMMITS = 200
MOST_DIFFS = 40
MOST_DIFF_CHARACTERS = 60_000
MOST_MIGRATIONS = 300
_REDACT_AT_ONCE = 32_000

Deployed = Callable[[Window, datetime], Sequence[Change]]
"""What else is known to have been deployed in a window, until now: the cluster's rollouts, say."""


class Forge(Protocol):
    """Where a repository's history lies. Every call may raise SourceFailedError; none changes anything."""

    @property
    def place(self) -> str:
        """The repository as a person knows it: a path, or owner/name."""
        ...

    def resolve(self, revision: str) -> str | None:
        """The full commit that a commit, short commit, tag or branch names; None where it names none."""
        ...

    def between(self, base: str, head: str, most: int) -> Sequence[Commit]:
        """Commits reachable from head and not from base, newest first, without diffs."""
        ...

    def during(self, window: Window, most: int) -> Sequence[Commit]:
        """Commits of the default branch by commit time, newest first, without diffs."""
        ...

    def with_diff(self, commit: Commit) -> Commit:
        """The commit with its files and its unified diff against its first parent."""
        ...

    def deployments(self, window: Window) -> Sequence[Change]:
        """Deployments that the forge itself has on record."""
        ...

    def paths(self, revision: str) -> Sequence[str]:
        """Every file of a revision."""
        ...

    def read(self, revision: str, path: str) -> str | None:
        """A file's text; None where it is binary, too large or absent."""
        ...

    def check(self) -> str:
        """What a first look at the repository shows, in a few words."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """One repository in the configuration.

    `services`: whose source it holds (all, when empty). `folder`: where in the tree, for migrations.
    `deploys`: whether the forge keeps deployments worth asking for.
    """

    name: str
    services: tuple[str, ...] = ()
    folder: str = ""
    deploys: bool = False


class RepositoryConnector:
    """Answers about the commits, deployments and migrations of one repository."""

    def __init__(self, place: Place, forge: Forge, deployed: Deployed | None = None) -> None:
        self._place = place
        self._forge = forge
        self._deployed = deployed

    @property
    def name(self) -> str:
        """The instance's name in the configuration."""
        return self._place.name

    @property
    def questions(self) -> frozenset[type[Question]]:
        """Commits and migrations; the timeline where the forge keeps deployments."""
        known: set[type[Question]] = {CommitLog, MigrationFiles}
        return frozenset(known | {ChangeTimeline} if self._place.deploys else known)

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable | None:
        """The answer, with no commit or deployment later than `now`."""
        try:
            if isinstance(question, CommitLog):
                return self._commits(question, now)
            if isinstance(question, MigrationFiles):
                return self._migrations(question, now)
            if isinstance(question, ChangeTimeline):
                return self._timeline(question, now)
        except SourceFailedError as failure:
            return Unavailable(question.source, f"{self._forge.place}: {failure.reason}", failure.retry)
        return None

    def check(self, *, now: datetime) -> Sequence[Check]:  # noqa: ARG002 - a repository has no freshness
        """Look at the repository once."""
        began = time.monotonic()
        try:
            found = self._forge.check()
        except SourceFailedError as failure:
            return (Check("readable", "failed", failure.reason, _fix(failure), time.monotonic() - began),)
        return (Check("readable", "ok", found, "", time.monotonic() - began),)

    def close(self) -> None:
        """Give connections back."""
        self._forge.close()

    # --- commits ----------------------------------------------------------------------------------
    def _commits(self, question: CommitLog, now: datetime) -> Reading:
        window = _until(question.window, now)
        rollouts = self._rollouts(window, now)
        notes: list[str] = []
        inside = self._inside(rollouts, notes)
        known = {commit.sha: commit for commit in (*self._forge.during(window, MOST_COMMITS), *inside)}
        commits = sorted((each for each in known.values() if each.at <= now), key=_newest_first)[
            :MOST_COMMITS
        ]
        first = {commit.sha for commit in inside}
        order_ = sorted(commits, key=lambda each: (each.sha not in first, _newest_first(each)))
        told = [self._told(commit, n < MOST_DIFFS) for n, commit in enumerate(order_)]
        if len(order_) > MOST_DIFFS:
            notes.append(f"diffs of {MOST_DIFFS} of {len(order_)} commits, those that were rolled out first")
        answer = Commits(commits=tuple(sorted(told, key=lambda each: (each.at, each.sha))))
        ranges = ", ".join(f"{each.base or '?'}..{each.head}" for each in rollouts[-10:])
        query = f"{self._forge.place}: git log -p --since={window.start:%FT%TZ} --until={window.end:%FT%TZ}"
        return self._reading(question, f"{query} {ranges}".rstrip(), window.end, answer, tuple(notes))

    def _rollouts(self, window: Window, now: datetime) -> tuple[RolledOut, ...]:
        """What was deployed of this repository's services, by the forge's and by others' account."""
        changes = list(self._deployed(window, now)) if self._deployed is not None else []
        if self._place.deploys:
            changes.extend(self._forge.deployments(window))
        return rolled_out([each for each in changes if self._ours(each.service)])

    def _ours(self, service: str | None) -> bool:
        return not self._place.services or service in self._place.services

    def _inside(self, rollouts: Sequence[RolledOut], notes: list[str]) -> list[Commit]:
        """The commits of every rollout; where nothing before it is known, the one it names."""
        found: list[Commit] = []
        for each in rollouts:
            head = self._forge.resolve(each.head)
            if head is None:
                notes.append(f"{each.head} of {each.service or 'a deploy'} is not in {self._forge.place}")
                continue
            base = self._forge.resolve(each.base) if each.base else None
            inside = self._forge.between(base or f"{head}~1", head, MOST_COMMITS)
            # Rolled back: what went out then is what the other direction holds.
            found.extend(inside or (self._forge.between(head, base, MOST_COMMITS) if base else ()))
        return found

    def _told(self, commit: Commit, whole: bool) -> Commit:
        """The commit as it may be kept: diff bounded, secrets and people's addresses taken out."""
        full = self._forge.with_diff(commit) if whole else commit
        diff = full.diff
        if diff is not None:
            cut = len(diff) > MOST_DIFF_CHARACTERS
            diff = _redacted(diff[:MOST_DIFF_CHARACTERS]) + ("\n…" if cut else "")
        message = redacted(full.message)
        return full.model_copy(update={"diff": diff, "message": message, "author": redacted(full.author)})

    # --- deployments and migrations -------------------------------------------------------------------
    def _timeline(self, question: ChangeTimeline, now: datetime) -> Reading:
        window = _until(question.window, now)
        changes = [each for each in self._forge.deployments(window) if window.holds(each.at)]
        query = f"{self._forge.place}: deployments {window.start:%FT%TZ}..{window.end:%FT%TZ}"
        return self._reading(question, query, window.end, one_timeline(changes), ())

    def _migrations(self, question: MigrationFiles, now: datetime) -> Reading | Unavailable | None:
        if question.service is not None and not self._ours(question.service):
            return None
        revision = self._deployed_revision(now)
        head = self._forge.resolve(revision or "HEAD")
        if head is None:
            return Unavailable(question.source, f"{self._forge.place}: no revision {revision or 'HEAD'}")
        folder = self._place.folder.strip("/")
        inside = [path for path in self._forge.paths(head) if not folder or path.startswith(f"{folder}/")]
        wanted = sorted(filter(is_migration, inside), key=order)[:MOST_MIGRATIONS]
        texts = ((path, self._forge.read(head, path)) for path in wanted)
        files = tuple(
            SourceFile(path=path, text=_redacted(text))
            for path, text in texts
            if text is not None and len(text) <= MOST_FILE_BYTES
        )
        notes = () if revision else ("the deployed revision is not known: the default branch was read",)
        query = f"{self._forge.place}: {len(files)} schema and migration files of {head[:12]}"
        return self._reading(question, query, now, SourceFiles(files=in_order(files)), notes)

    def _deployed_revision(self, now: datetime) -> str | None:
        from datetime import timedelta

        rollouts = self._rollouts(Window(start=now - timedelta(days=30), end=now), now)
        return rollouts[-1].head if rollouts else None

    def _reading(
        self, question: Question, query: str, at: datetime, answer: Answer, notes: tuple[str, ...]
    ) -> Reading:
        return Reading(
            source=question.source,
            question=question,
            query=query,
            at=at,
            answer=answer,
            sha256=sha256(answer),
            notes=notes,
        )


def _until(window: Window, now: datetime) -> Window:
    return Window(start=window.start, end=min(window.end, now)) if window.start < now else window


def _newest_first(commit: Commit) -> tuple[float, str]:
    return (-commit.at.timestamp(), commit.sha)


def _redacted(text: str) -> str:
    """Redacted piece by piece: redaction cuts what is long, and a diff's lines are independent."""
    pieces, held, size = [], list[str](), 0
    for line in text.splitlines(keepends=True):
        if size + len(line) > _REDACT_AT_ONCE and held:
            pieces.append(redacted("".join(held)))
            held, size = [], 0
        held.append(line)
        size += len(line)
    pieces.append(redacted("".join(held)))
    return "".join(pieces)


def _fix(failure: SourceFailedError) -> str:
    if "401" in failure.reason:
        return "the token is missing, wrong or expired"
    if "403" in failure.reason or "404" in failure.reason:
        return "the token needs read access to this repository's contents and deployments"
    if "not reachable" in failure.reason:
        return reach("the forge's url")
    return "path must name a clone that this user may read" if "clone" in failure.reason else ""

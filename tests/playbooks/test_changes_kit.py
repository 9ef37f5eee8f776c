"""What the scenario tests of changes share: a short way to write a fault, its changes and their diffs.

Times are minutes relative to the onset; the alert fires ten minutes after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.answers import Change, ChangeKind, ClusterState, Commit, StatusEvent
from playbooks.changes import ChangeJudgement, judge_changes
from playbooks.look import FaultLook, Moved

ONSET = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return ONSET + timedelta(minutes=minutes)


def patch(path: str, body: str) -> str:
    lines = body.strip("\n")
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -10,7 +10,7 @@\n{lines}\n"


def commit(sha: str, minutes: float, message: str, *patches: str, author: str = "dev") -> Commit:
    diff = "".join(patches) or None
    files = tuple(p.split("b/", 1)[1].split("\n", 1)[0] for p in patches)
    return Commit(sha=sha, at=at(minutes), author=author, message=message, files=files, diff=diff)


def deploy(service: str, minutes: float, sha: str | None, version: str | None = None) -> Change:
    return change("deploy", service, minutes, f"{service} deployed", sha, version)


def flag(service: str | None, minutes: float, summary: str) -> Change:
    return change("flag", service, minutes, summary)


def change(
    kind: ChangeKind,
    service: str | None,
    minutes: float,
    summary: str,
    sha: str | None = None,
    version: str | None = None,
) -> Change:
    name = f"{kind}:{service}:{minutes:g}"
    return Change(
        id=name, at=at(minutes), kind=kind, service=service, summary=summary, commit=sha, version=version
    )


def moved(
    service: str | None,
    signal: str,
    text: str,
    size: float = 8.0,
    onset: float | None = 0.0,
    direction: int = 1,
) -> Moved:
    began = None if onset is None else at(onset).timestamp()
    return Moved(service=service, signal=signal, direction=direction, size=size, onset=began, text=text)


def status(minutes: float, provider: str, component: str, state: str, detail: str = "") -> StatusEvent:
    return StatusEvent(at=at(minutes), provider=provider, component=component, status=state, detail=detail)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One synthetic incident. `guilty`: the change to name, None where none is; `mechanism`: any of these."""

    name: str
    service: str
    alert: str
    moved: Sequence[Moved]
    changes: Sequence[Change]
    commits: Sequence[Commit]
    guilty: str | None
    mechanism: tuple[str, ...] = ()
    shape: str = "step"
    suspicion: tuple[tuple[str, float], ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    status: Sequence[StatusEvent] = ()
    cluster: ClusterState | None = None

    def look(self) -> FaultLook:
        return FaultLook(
            now=at(10).timestamp(),
            alerted=self.service,
            alert_text=self.alert,
            onset=at(0).timestamp(),
            onset_low=at(-2).timestamp(),
            onset_high=at(1).timestamp(),
            shape=self.shape,
            moved=tuple(self.moved),
            suspicion=dict(self.suspicion),
            edges=self.edges,
        )

    def judge(self) -> ChangeJudgement:
        return judge_changes(self.look(), self.changes, self.commits, self.cluster, self.status)


def hunk(path: str, body: str) -> str:
    """A diff as some hosts excerpt it: the path stands in the hunk's header, no file header."""
    lines = body.strip("\n")
    return f"@@ {path} @@\n{lines}\n"


def excerpt(sha: str, minutes: float, message: str, path: str, body: str) -> Commit:
    return Commit(
        sha=sha, at=at(minutes), author="dev", message=message, files=(path,), diff=hunk(path, body)
    )


def filler(count: int, since: float, until: float, folder: str) -> list[Commit]:
    """Commits whose diffs are not known, as a busy repository has them."""
    step = (until - since) / count
    topics = (
        "tidy imports",
        "add metrics label",
        "bump copyright",
        "refactor helpers",
        "small fixes",
        "adjust copy",
    )
    return [
        Commit(
            sha=f"fill{i}{folder}",
            at=at(since + i * step),
            message=topics[i % len(topics)],
            files=(f"{folder}/part{i % 7}.go",),
        )
        for i in range(count)
    ]

"""Which changes could be guilty: what went out before the onset, and the commits that went out inside it.

A commit is a candidate only through a vehicle: the deploy (or applied configuration) that carried it.
Must not weigh anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.answers import Change, Commit

CONTAINED_WITHIN = timedelta(hours=24)
MOST_CONTAINED = 60

_SUFFIX = re.compile(r"(service|svc|srv|server|worker|app|api|ms)$")
_SHARED = re.compile(
    r"(^|/)(pkg|lib|libs|shared|common|core|internal|packages|vendor|platform|proto|protos|schemas?|base)(/|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible culprit. `named`: the vehicle names this very commit; `sure`: it is surely inside."""

    id: str
    vehicle: Change | None
    commit: Commit | None
    service: str | None
    at: datetime
    named: bool
    sure: bool
    shared: bool = False


def bare(name: str) -> str:
    """A service's name without the habits of naming: `cart-service`, `CartSvc` and `cart` are one."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower()[:100])
    return _SUFFIX.sub("", plain) or plain


def owners(files: Sequence[str], services: Mapping[str, str]) -> frozenset[str]:
    """The services whose name is a folder (or the stem of a file) on these paths."""
    found: set[str] = set()
    for path in files[:200]:
        for segment in path.split("/"):
            name = services.get(bare(segment.split(".")[0]))
            if name:
                found.add(name)
    return frozenset(found)


def is_shared(files: Sequence[str]) -> bool:
    """Whether the commit touches code or configuration that several services use."""
    return any(_SHARED.search(path) for path in files[:200])


def candidates(
    timeline: Sequence[Change], commits: Sequence[Commit], services: Sequence[str], now: datetime
) -> tuple[Candidate, ...]:
    """Everything that went out before now, each once per vehicle, in a fixed order."""
    by_sha = {c.sha: c for c in sorted(commits, key=lambda c: (c.at, c.sha))}
    known = {bare(name): name for name in sorted(services)}
    changes = sorted((c for c in timeline if c.at <= now), key=lambda c: (c.at, c.id))
    found: list[Candidate] = []
    for change in changes:
        commit = _resolve(change.commit, by_sha)
        own = change.commit or change.id
        shared = commit is not None and is_shared(commit.files)
        found.append(
            Candidate(
                commit.sha if commit else own,
                change,
                commit,
                change.service,
                _began(change),
                True,
                True,
                shared,
            )
        )
        if change.kind in ("deploy", "other") and commit is not None:
            found.extend(_contained(change, commit, changes, by_sha, known))
    if not any(c.commit for c in found):
        found.extend(_undeployed(commits, known, now))
    return tuple(found)


def _resolve(sha: str | None, by_sha: Mapping[str, Commit]) -> Commit | None:
    """The commit by its full or shortened name."""
    if sha is None:
        return None
    if sha in by_sha:
        return by_sha[sha]
    near = [
        c
        for name, c in by_sha.items()
        if len(sha) >= 7 and len(name) >= 7 and (name.startswith(sha) or sha.startswith(name))
    ]
    return near[0] if len(near) == 1 else None


def _began(change: Change) -> datetime:
    return min((*change.steps, change.at))


def _contained(
    change: Change,
    head: Commit,
    changes: Sequence[Change],
    by_sha: Mapping[str, Commit],
    known: Mapping[str, str],
) -> list[Candidate]:
    """Commits between the revision deployed before and this one that touch the service or shared code.

    A commit that a deploy of the same service names went out with that one.
    """
    before = (c for c in changes if c.service == change.service and c.at < change.at)
    earlier = [one for one in (_resolve(c.commit, by_sha) for c in before) if one is not None]
    since = max((c.at for c in earlier), default=head.at - CONTAINED_WITHIN)
    found: list[Candidate] = []
    own = {_resolve(c.commit, by_sha) for c in changes if c.service == change.service}
    for commit in by_sha.values():
        if commit in own or not since < commit.at <= head.at or commit.at > change.at:
            continue
        who = owners(commit.files, known)
        shared = is_shared(commit.files)
        if change.service is None or change.service in who or (shared and not who):
            found.append(
                Candidate(
                    commit.sha, change, commit, change.service, _began(change), False, bool(earlier), shared
                )
            )
    return found[-MOST_CONTAINED:]


def _undeployed(commits: Sequence[Commit], known: Mapping[str, str], now: datetime) -> list[Candidate]:
    """Where no vehicle is on record at all, commits stand for themselves from the moment they were made."""
    found: list[Candidate] = []
    for commit in sorted((c for c in commits if c.at <= now), key=lambda c: (c.at, c.sha))[-MOST_CONTAINED:]:
        who = sorted(owners(commit.files, known))
        found.append(
            Candidate(
                commit.sha,
                None,
                commit,
                who[0] if len(who) == 1 else None,
                commit.at,
                False,
                False,
                is_shared(commit.files),
            )
        )
    return found

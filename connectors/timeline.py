"""One timeline from many tellers: a rollout told by the cluster, Helm and the forge is one change. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from connectors.answers import Change, Timeline
from connectors.revisions import revision_of

SAME_WITHIN = timedelta(minutes=30)
"""A pipeline records its deployment some minutes before the pods change; a rollback to the same
revision is rarely quicker than that."""


def one_timeline(changes: Iterable[Change]) -> Timeline:
    """Changes by time, each once. Two tellings of one id, or of one rollout, become one change.

    Two changes are one rollout when they are deploys of one service to one revision within
    `SAME_WITHIN`. The first telling keeps its id; what it does not know is taken from the others.
    """
    kept: list[Change] = []
    for change in sorted(changes, key=lambda each: (each.at, each.id)):
        place = next((n for n, each in enumerate(kept) if _same(each, change)), None)
        if place is None:
            kept.append(change)
        else:
            kept[place] = _merged(kept[place], change)
    return Timeline(changes=tuple(kept))


def _same(earlier: Change, later: Change) -> bool:
    if earlier.id == later.id:
        return True
    if earlier.kind != "deploy" or later.kind != "deploy" or earlier.service != later.service:
        return False
    if earlier.service is None or later.at - max((earlier.at, *earlier.steps)) > SAME_WITHIN:
        return False
    return _same_revision(revision_of(earlier), revision_of(later))


def _same_revision(one: str | None, other: str | None) -> bool:
    """Equal, or one is the other shortened."""
    if one is None or other is None:
        return False
    shorter, longer = sorted((one, other), key=len)
    return one == other or (len(shorter) >= 7 and longer.startswith(shorter))


def _merged(first: Change, other: Change) -> Change:
    commits = [each for each in (first.commit, other.commit) if each]
    steps = sorted({*(first.steps or (first.at,)), *(other.steps or (other.at,))})
    return first.model_copy(
        update={
            "summary": first.summary or other.summary,
            "version": first.version or other.version,
            "commit": max(commits, key=len) if commits else None,
            "pods": tuple(dict.fromkeys((*first.pods, *other.pods))),
            "link": first.link or other.link,
            "steps": tuple(steps),
        }
    )

"""What was rolled out: from which revision to which, as far as changes, images and tags tell. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.answers import Change

_SHA_IN_TAG = re.compile(r"(?:^|[-_.+])(?:g|sha-?|git-?)?([0-9a-f]{7,40})$")
_VERSION_TAG = re.compile(r"v?\d+(?:\.\d+){1,3}(?:[-+][0-9A-Za-z.-]{1,40})?")


@dataclass(frozen=True, slots=True)
class RolledOut:
    """One rollout of a service: from `base` (None where nothing before it is known) to `head`.

    Both are names of revisions as the deploy gave them: full or short commits, or tags.
    """

    service: str | None
    base: str | None
    head: str
    at: datetime


def rolled_out(changes: Sequence[Change]) -> tuple[RolledOut, ...]:
    """Each deploy with the revision it replaced, by time; a repeated rollout of the same one is none."""
    by_service: dict[str | None, list[Change]] = defaultdict(list)
    for change in sorted(changes, key=lambda each: (each.at, each.id)):
        if revision_of(change) is not None and change.kind in ("deploy", "config", "other"):
            by_service[change.service].append(change)
    found = []
    for service, deploys in by_service.items():
        before: str | None = None
        for deploy in deploys:
            head = revision_of(deploy)
            if head is not None and head != before:
                found.append(RolledOut(service, before, head, deploy.at))
                before = head
    return tuple(sorted(found, key=lambda each: (each.at, each.service or "", each.head)))


def revision_of(change: Change) -> str | None:
    """The revision a change put in place: its commit, else what its version tells."""
    return change.commit or (revision_in_tag(change.version) if change.version else None)


def revision_in_image(image: str) -> str | None:
    """What an image's tag names: a commit, or a version that a git tag may carry; None for a digest."""
    name = image.partition("@")[0]
    _, colon, tag = name.rpartition(":")
    return revision_in_tag(tag) if colon and "/" not in tag else None


def revision_in_tag(tag: str) -> str | None:
    """The commit at the end of a tag (`1.4-g1a2b3c4`, `main-1a2b3c4`), else the tag where it is a version."""
    if len(tag) > 128:
        return None
    found = _SHA_IN_TAG.search(tag)
    if found is not None and not found.group(1).isdigit():
        return found.group(1)
    return tag if _VERSION_TAG.fullmatch(tag) else None


def spellings(revision: str) -> tuple[str, ...]:
    """The ways a deploy and a tag may write one revision: with and without a leading v."""
    return tuple(dict.fromkeys((revision, f"v{revision}", revision.removeprefix("v"))))

"""What changes, commits and status pages say, without secrets, whichever source told it. Pure.

Spans, log lines, labels and what a cluster or a database shows are cleaned where they are read, because what
is a secret there depends on the field. Here every text is a stranger's words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from connectors.answers import Answer, Change, Commit, Commits, StatusEvent, StatusFeeds, Timeline
from connectors.codec import sha256
from connectors.contract import Reading, Unavailable
from connectors.redaction import redacted


def without_secrets(told: Reading | Unavailable) -> Reading | Unavailable:
    """What was told as it may be kept and shown; the same object where nothing had to be taken out."""
    if isinstance(told, Unavailable):
        reason = redacted(told.reason)
        return told if reason == told.reason else Unavailable(told.source, reason, told.retry)
    notes = tuple(map(redacted, told.notes))
    clean = _CLEAN.get(type(told.answer))
    answer = clean(told.answer) if clean is not None else told.answer
    query = redacted(told.query) if clean is not None else told.query
    if clean is not None and answer != told.answer:
        return replace(told, answer=answer, query=query, notes=notes, sha256=sha256(answer))
    return told if (query, notes) == (told.query, told.notes) else replace(told, query=query, notes=notes)


def _timeline(answer: Timeline) -> Answer:
    return Timeline(changes=tuple(map(_change, answer.changes)))


def _change(change: Change) -> Change:
    return change.model_copy(
        update={
            **_texts(change, "service", "summary", "version", "commit", "link"),
            "id": _identity(change.id),
            "pods": tuple(map(redacted, change.pods)),
        }
    )


def _identity(name: str) -> str:
    """A name that held a secret keeps two apart by a hash of what it was."""
    clean = redacted(name)
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
    return name if clean == name else f"{clean}#{digest[:8]}"


def _commits(answer: Commits) -> Answer:
    return Commits(commits=tuple(map(_commit, answer.commits)))


def _commit(commit: Commit) -> Commit:
    files = tuple(map(redacted, commit.files))
    return commit.model_copy(update={**_texts(commit, "author", "message"), "files": files})


def _status(answer: StatusFeeds) -> Answer:
    return StatusFeeds(events=tuple(map(_event, answer.events)))


def _event(event: StatusEvent) -> StatusEvent:
    return event.model_copy(update=_texts(event, "provider", "component", "status", "detail"))


def _texts(told: Change | Commit | StatusEvent, *names: str) -> dict[str, str]:
    """The named fields that are texts, redacted."""
    values = ((name, getattr(told, name)) for name in names)
    return {name: redacted(value) for name, value in values if isinstance(value, str)}


_CLEAN: dict[type, Callable[[Any], Answer]] = {Timeline: _timeline, Commits: _commits, StatusFeeds: _status}

"""Writes what was found into PagerDuty's incident, as a note, once.

The payload of `pagerduty.note`: `incident`, the id of PagerDuty's incident, and `content`, the text
(`bot.pagerduty.note.note`). The note ends with a marker made of the message's key. Notes cannot be written
under an idempotency key, so after an attempt of which nobody knows how it ended, the notes are looked
through for the marker first. The result: `id`, the note's.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue, ValidationError

from bot.desk import Later, Never, Outgoing, Sent
from bot.pagerduty.calls import Calls, Failed, How
from bot.pagerduty.note import MOST_CHARACTERS
from connectors.contract import Frozen
from connectors.redaction import redacted

log = logging.getLogger(__name__)

OPERATION: Final = "pagerduty.note"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_SETTLE_SECONDS: Final = 15.0
"""After an attempt of which nobody knows how it ended: long enough for what is still on its way."""
_MEND_SECONDS: Final = 120.0


class Payload(Frozen):
    """What a message's payload holds."""

    incident: str
    content: str


class PagerDutyNotes:
    """Carries out `pagerduty.note`, in the name of the user whose address its calls carry."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def operations(self) -> Sequence[str]:
        """Notes alone."""
        return (OPERATION,)

    def send(self, outgoing: Outgoing) -> Sent | Later | Never:
        """Write the note, unless it is there already."""
        message = outgoing.message
        if message.operation != OPERATION:
            return Never(f"nobody carries out {message.operation}")
        try:
            payload = Payload.model_validate(message.payload)
        except ValidationError as error:
            return Never(f"the payload is malformed: {error.error_count()} fields")
        if not _ID.fullmatch(payload.incident):
            return Never("the payload names no incident of PagerDuty")
        path, sign = f"/incidents/{payload.incident}/notes", marker(message.key)
        if outgoing.first_tried_at is not None or outgoing.attempts > 1:
            found = self._found(path, sign)
            if found is not None:
                return found
        answer = self._calls.post(path, {"note": {"content": signed(payload.content, sign)}})
        return (
            _told(message.key, answer)
            if isinstance(answer, Failed)
            else Sent({"id": _id(answer.get("note"))})
        )

    def _found(self, path: str, sign: str) -> Sent | Later | Never | None:
        answer = self._calls.get(path)
        if isinstance(answer, Failed):
            # Nothing is written while nobody can say whether it was written before.
            return _told(path, answer)
        notes = answer.get("notes")
        for note in notes if isinstance(notes, list) else []:
            if isinstance(note, dict) and sign in str(note.get("content", "")):
                return Sent({"id": _id(note)})
        return None


def marker(key: str) -> str:
    """What tells the note of this key from every other."""
    return f"[firstcause {hashlib.sha256(key.encode()).hexdigest()[:12]}]"


def signed(content: str, sign: str) -> str:
    """The note as it is written: without secrets, within PagerDuty's limit, with its marker at the end."""
    text = redacted(content)
    room = MOST_CHARACTERS - len(sign) - 2
    return f"{text if len(text) <= room else text[: room - 1].rstrip() + '…'}\n\n{sign}"


def _id(note: JsonValue) -> str:
    return str(note.get("id", "")) if isinstance(note, dict) else ""


def _told(key: str, failed: Failed) -> Later | Never:
    """A failure, as the outbox takes it; the outbox gives up by itself after a day."""
    if failed.how in (How.REFUSED, How.MISSING):
        log.error("%s was refused for good: %s", key, failed.why)
        return Never(failed.why)
    if failed.how is How.MENDABLE:
        log.warning("%s waits: %s", key, failed.why)
        return Later(failed.why, _MEND_SECONDS)
    return Later(failed.why, _SETTLE_SECONDS if failed.how is How.UNCLEAR else failed.seconds)

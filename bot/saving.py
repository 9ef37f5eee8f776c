"""Saves an investigation as a case, and makes sure that the case answers as the sources did."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.errors import BadInputError
from bot.live_incident import Begun
from connectors.case import open_case
from connectors.contract import Reading
from connectors.errors import ConnectorError
from connectors.recording import save as save_case
from graph.record import Asked


def save(target: Path, begun: Begun, asked: Sequence[Asked], note: Callable[[str], None]) -> None:
    """Write the case; say where it is, and which questions it answers differently, if any.

    Raises:
        BadInputError: the directory holds something already, or cannot be written.
    """
    answers = [(each.question, each.answer) for each in asked]
    try:
        saved = save_case(target, begun.manifest, begun.trigger, answers)
        differing = differences(target, asked)
    except ConnectorError as error:
        raise BadInputError(str(error)) from error
    replay = shlex.join(["firstcause", "investigate", "--case", str(target)])
    note(f"saved as a case, {len(saved.files)} files: {replay}")
    if differing:
        note(f"a replay sees less than was asked here, because more was redacted: {', '.join(differing)}")


def differences(case: Path, asked: Sequence[Asked]) -> list[str]:
    """The kinds of source that a saved case answers for with other bytes than they did themselves."""
    sources = open_case(case)
    differing = []
    for each in asked:
        if isinstance(each.answer, Reading):
            again = sources.ask(each.question, now=sources.manifest.at)
            if not isinstance(again, Reading) or again.sha256 != each.answer.sha256:
                differing.append(each.question.source.value)
    return list(dict.fromkeys(differing))

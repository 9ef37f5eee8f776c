"""What changes, commits and status pages tell is kept without secrets, whoever told it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from connectors.answers import Answer, Change, Commit, Commits, StatusEvent, StatusFeeds, Timeline
from connectors.codec import encode, sha256
from connectors.contract import Question, Reading, Unavailable, Window
from connectors.kept_answers import without_secrets
from connectors.live import Check, LiveSources
from connectors.questions import ChangeTimeline, CommitLog, ProviderStatus

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WINDOW = Window(start=NOW - timedelta(hours=1), end=NOW)
SECRET = "ghp_" + "a1B2c3" * 6
AT = NOW - timedelta(minutes=5)


class _Teller:
    """A source that says what it was made to say."""

    name = "teller"

    def __init__(self, question: Question, answer: Answer) -> None:
        self.questions = frozenset({type(question)})
        self._answer = answer

    def ask(self, question: Question, *, now: datetime) -> Reading:
        digest = sha256(self._answer)
        query, notes = f"GET /x?head={SECRET}", (f"{SECRET} is not there",)
        return Reading(question.source, question, query, now, self._answer, digest, notes)

    def check(self, *, now: datetime) -> Sequence[Check]:
        raise NotImplementedError

    def close(self) -> None:
        pass


def _change(name: str) -> Change:
    return Change(
        id=f"{name} {SECRET}",
        at=AT,
        kind="deploy",
        service=f"checkout {SECRET}",
        summary=SECRET,
        version=SECRET,
        commit=SECRET,
        link=f"https://ci.example/?key={SECRET}",
        pods=(SECRET,),
    )


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (ChangeTimeline(window=WINDOW), Timeline(changes=(_change("one"), _change("two")))),
        (
            CommitLog(window=WINDOW),
            Commits(commits=(Commit(sha="a" * 40, at=AT, author=SECRET, message=SECRET, files=(SECRET,)),)),
        ),
        (
            ProviderStatus(window=WINDOW),
            StatusFeeds(
                events=(StatusEvent(at=AT, provider=SECRET, component=SECRET, status=SECRET, detail=SECRET),)
            ),
        ),
    ],
)
def test_no_text_of_a_stranger_keeps_a_secret(question: Question, answer: Answer) -> None:
    reading = LiveSources([_Teller(question, answer)]).ask(question, now=NOW)
    assert isinstance(reading, Reading)
    assert SECRET not in str((encode(reading.answer), reading.query, reading.notes))
    assert reading.sha256 == sha256(reading.answer)


def test_two_changes_whose_ids_hold_a_secret_stay_two() -> None:
    question = ChangeTimeline(window=WINDOW)
    answer = Timeline(changes=(_change(SECRET), _change(SECRET.replace("a1", "x9"))))
    reading = without_secrets(Reading(question.source, question, "GET /x", NOW, answer, sha256(answer)))
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, Timeline)
    assert len({change.id for change in reading.answer.changes}) == 2


def test_what_holds_no_secret_is_left_as_it_is() -> None:
    question = ChangeTimeline(window=WINDOW)
    answer = Timeline(changes=(Change(id="d-1", at=AT, kind="flag", service="cart", summary="on"),))
    reading = Reading(question.source, question, "GET /x", NOW, answer, sha256(answer))
    assert without_secrets(reading) is reading
    silent = Unavailable(question.source, f"no deploy {SECRET}", retry=True)
    assert without_secrets(silent) == Unavailable(question.source, "no deploy [token]", retry=True)

"""The chart of a result: drawn by a process of its own, uploaded once into the thread, and missed aloud."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot import picturing, rendering
from bot.captions import readable
from bot.charts import Spec, numbered_marks, spec, stacked, told
from bot.desk import JobKind
from bot.drawing import Voice
from bot.publishing import publish_one
from bot.rendering import RenderingError, png
from bot.slack.sending import SlackSender
from tests.bot import samples
from tests.bot.stations import FIELDS, Post, click, page, post
from tests.doubles.slack import Slack, slack

CHANNEL = "C0INC"


@pytest.fixture(scope="module")
def workspace() -> Iterator[Slack]:
    with slack() as double:
        yield double


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Post]:
    made = post(tmp_path)
    yield made
    made.database.close()


def found(one: Post) -> None:
    """An incident with its result, whose chart is still to be drawn."""
    one.take(page())
    one.work()


def published(one: Post, workspace: Slack) -> None:
    """Everything that waits, sent by the real sender."""
    sender = SlackSender(workspace.bot_token, workspace.api)
    while publish_one(one.station, sender):
        pass


def test_the_chart_of_a_result_is_uploaded_into_the_cards_thread_once(one: Post, workspace: Slack) -> None:
    assert FIELDS.slack is not None
    there = FIELDS.slack.model_copy(update={"channel": CHANNEL})
    one.station = replace(one.station, voice=Voice(FIELDS.model_copy(update={"slack": there})))
    found(one)
    assert one.work(JobKind.CHART) == 1
    published(one, workspace)
    with one.station.desk.begin() as within:
        within.jobs.put(JobKind.CHART, "INC-1", one.clock())
    one.work(JobKind.CHART)
    published(one, workspace)
    card = next(each for each in workspace.in_channel(CHANNEL) if each.key == "card:INC-1")
    charts = [each.files[0] for each in workspace.in_thread(CHANNEL, card.ts) if each.files]
    assert len(charts) == 1
    file = workspace.files[charts[0]["id"]]
    assert file["content"].startswith(b"\x89PNG")
    assert len(file["content"]) <= rendering.MOST_BYTES
    width, height = struct.unpack(">II", file["content"][16:24])
    assert 800 <= width <= 1_000, "some 450 pixels at twice the density"
    assert height <= 2 * width
    assert "symptom: checkout" in file["alt_txt"]
    assert "onset" in file["alt_txt"]


def test_a_chart_that_cannot_be_drawn_is_told_on_the_card_until_one_can(
    one: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(one)

    def refused(_: Spec) -> bytes:
        raise RenderingError("no fonts")

    monkeypatch.setattr(picturing, "png", refused)
    one.work(JobKind.CHART)
    one.clock.move(seconds=5)
    one.work()
    shown = [each.payload for each in one.send() if each.operation == "slack.update"]
    assert picturing.NO_CHART in str(shown)
    monkeypatch.setattr(picturing, "png", lambda _: b"drawn")
    with one.station.desk.begin() as within:
        within.jobs.put(JobKind.CHART, "INC-1", one.clock())
    one.work(JobKind.CHART)
    assert picturing.NO_CHART not in one.incident().note


def test_a_new_weighing_has_a_chart_of_its_own(one: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picturing, "png", lambda _: b"drawn")
    found(one)
    one.work(JobKind.CHART)
    outcome = one.station.outcome(one.incident())
    assert outcome is not None
    one.take(click("rule_out", proposal=outcome.weighing.proposals[0].id))
    one.work()
    one.work(JobKind.CHART)
    one.work(JobKind.CHART)
    keys = [each.key for each in one.send() if each.operation == "slack.upload"]
    assert len(keys) == len(set(keys)) == 2


def test_the_stack_is_what_the_report_draws_with_the_marks_of_all() -> None:
    pictures = readable(samples.pictures())
    parts = stacked("INC-1 checkout", pictures)["vconcat"]
    assert isinstance(parts, list)
    assert [each["layer"][0] for each in parts] == [spec(each)["layer"][0] for each in pictures]  # type: ignore[index]
    numbers = [[layer for layer in each["layer"] if layer["mark"]["type"] == "text"] for each in parts]
    assert [len(each) for each in numbers] == [3, 3]
    assert all(line in told(pictures) for line in numbered_marks(pictures[0]))


def test_what_the_renderer_refuses_or_never_ends_is_an_error() -> None:
    with pytest.raises(RenderingError, match="ended with 1"):
        png({"mark": "no such mark"})
    with pytest.raises(RenderingError, match="longer than"):
        png(stacked("INC-1", samples.pictures()), seconds=0.01)


def test_letters_of_strangers_stay_letters() -> None:
    hostile = samples.pictures()[0].model_copy(update={"title": "<!channel>\u202e\n" + "x" * 500})
    drawn = stacked("\u202eINC-1", [hostile])
    assert "\u202e" not in str(drawn)
    assert len(told([hostile] * 9)) <= 900

from __future__ import annotations

import json

import pytest

from connectors.answers import LogSet, PatternCount, PatternCounts, SpanSet
from connectors.contract import Reading
from connectors.questions import LogPatterns, LogSample, SpanSample
from tests.connectors.small_case import (
    MANIFEST,
    NOW,
    WIDE,
    SmallCase,
    answered,
    iso,
    minute,
    refused,
    request,
    span,
    window,
)

INTERVALS = (
    "recorded: {%s: {intervals: [[2026-06-18T14:00:00Z, 2026-06-18T16:00:00Z]], sampling: one in ten}}\n"
)


def trace(number: int, at: float) -> dict[str, object]:
    """A trace of two services."""
    own = {"traceId": f"{number:032x}"}
    first = request(span(1, at, 2, **own))
    child = span(
        2, at, 1, parentSpanId=f"{1:016x}", startTimeUnixNano=str(round(minute(at).timestamp()) * 10**9 + 1)
    )
    second = request({**child, **own}, service="cart")
    return {"resourceSpans": [*_groups(first), *_groups(second)]}


def _groups(one: dict[str, object]) -> list[object]:
    groups = one["resourceSpans"]
    assert isinstance(groups, list)
    return groups


def spans(case: SmallCase, question: SpanSample) -> SpanSet:
    return answered(case.ask(question), SpanSet)


@pytest.mark.parametrize("name", ["traces.jsonl", "traces.jsonl.gz"])
def test_traces_are_read_plain_and_packed(case: SmallCase, name: str) -> None:
    case.lines(name, trace(1, 10), trace(2, 20))
    found = spans(case, SpanSample(window=WIDE))
    assert found.service == ("checkout", "cart") * 2
    assert found.parent.tolist() == [-1, 0, -1, 2]


def test_a_trace_belongs_to_the_window_in_which_it_starts(case: SmallCase) -> None:
    case.lines("traces.jsonl", trace(1, 10), trace(2, 20), trace(3, 30))
    found = spans(case, SpanSample(window=window(15, 25)))
    assert set(found.trace) == {f"{2:032x}"}
    assert found.parent.tolist() == [-1, 0]


def test_whole_traces_come_that_touch_a_service(case: SmallCase) -> None:
    case.lines("traces.jsonl", trace(1, 10), request(span(1, 20, traceId="2")))
    assert spans(case, SpanSample(window=WIDE, services=("cart",))).service == ("checkout", "cart")


def test_a_sample_is_drawn_evenly_and_says_so(case: SmallCase) -> None:
    case.lines("traces.jsonl", *(trace(n + 1, n) for n in range(50)))
    reply = case.ask(SpanSample(window=WIDE, most_traces=5))
    starts = answered(reply, SpanSet).start[::2]
    assert [round((s - minute(0).timestamp()) / 60) for s in starts] == [0, 12, 24, 37, 49]
    assert "5 of 50 traces, drawn evenly" in getattr(reply, "notes", ())


def test_spans_after_an_earlier_now_are_left_out(case: SmallCase) -> None:
    case.lines("traces.jsonl", trace(1, 10), trace(2, 20))
    reply = case.open().ask(SpanSample(window=WIDE), now=minute(20 + 1.5 / 60))
    assert answered(reply, SpanSet).service == ("checkout", "cart", "cart")
    assert answered(reply, SpanSet).parent.tolist() == [-1, 0, -1]
    assert answered(reply, SpanSet).has_parent.tolist() == [False, True, True]


def test_recorded_intervals_and_sampling_come_with_the_spans(case: SmallCase) -> None:
    case.manifest(MANIFEST + INTERVALS % "traces").lines("traces.jsonl", trace(1, 10))
    reply = case.open().ask(SpanSample(window=WIDE), now=minute(30))
    assert answered(reply, SpanSet).intervals == ((minute(0).timestamp(), minute(30).timestamp()),)
    assert "sampling: one in ten" in getattr(reply, "notes", ())


def test_broken_lines_are_skipped_and_counted(case: SmallCase) -> None:
    case.lines("traces.jsonl", trace(1, 10), "{not json", "[]", '{"a": 1}', "", "[" * 100_000)
    reply = case.ask(SpanSample(window=WIDE))
    assert len(answered(reply, SpanSet).span) == 2
    assert getattr(reply, "notes", ()) == ("traces.jsonl: 4 broken lines skipped",)


def test_malformed_spans_are_counted(case: SmallCase) -> None:
    case.lines("traces.jsonl", request(span(1, 10), span(2, 10, endTimeUnixNano="soon"), span(1, 10)))
    notes = getattr(case.ask(SpanSample(window=WIDE)), "notes", ())
    assert notes == ("traces.jsonl: 1 malformed spans skipped", "traces.jsonl: 1 repeated spans dropped")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("nonsense\nnonsense\n", "none of its 2 lines can be read"),
        (json.dumps(request(span(1, 10, traceId="zz"))), "none of its 1 spans can be read"),
    ],
)
def test_traces_of_which_nothing_can_be_read_are_unavailable(
    case: SmallCase, content: str, reason: str
) -> None:
    case.text("traces.jsonl", content)
    assert reason in refused(case.ask(SpanSample(window=WIDE)))


def test_an_empty_trace_file_is_an_empty_answer(case: SmallCase) -> None:
    case.text("traces.jsonl", "")
    assert spans(case, SpanSample(window=WIDE)).span == ()


def test_a_packed_file_cut_short_is_read_up_to_the_cut(case: SmallCase) -> None:
    noise = [{"timestamp": iso(10), "service": "checkout", "body": str(n * 7919**5)} for n in range(5000)]
    case.lines("logs.jsonl.gz", *noise)
    file = case.path / "logs.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-2000])
    reply = case.ask(LogSample(window=WIDE))
    assert 0 < len(answered(reply, LogSet).records) < 5000
    assert "logs.jsonl.gz: damaged, read up to the damage" in getattr(reply, "notes", ())


def test_a_packed_file_that_is_not_packed_is_unavailable(case: SmallCase) -> None:
    case.text("traces.jsonl.gz", "{}")
    assert refused(case.ask(SpanSample(window=WIDE))) == "traces.jsonl.gz is damaged"


def test_an_answer_s_arrays_cannot_be_changed_by_who_asked(case: SmallCase) -> None:
    case.lines("traces.jsonl", trace(1, 10))
    with pytest.raises(ValueError, match="read-only"):
        spans(case, SpanSample(window=WIDE)).end[0] = 0


# --- logs -------------------------------------------------------------------------------------------
def line(at: float, body: object = "hello", **more: object) -> dict[str, object]:
    return {"timestamp": iso(at), "service": "checkout", "severity_text": "INFO", "body": body, **more}


def logs(case: SmallCase, question: LogSample) -> LogSet:
    return answered(case.ask(question), LogSet)


def test_a_record_is_typed(case: SmallCase) -> None:
    attributes = {"logger": "a.B#3", "pod": "checkout-1", "code": 500, "nothing": None}
    case.lines("logs.jsonl", line(10, attributes=attributes, trace_id="abc"))
    (record,) = logs(case, LogSample(window=WIDE)).records
    assert (record.at, record.service, record.severity, record.body) == (
        minute(10).timestamp(),
        "checkout",
        "INFO",
        "hello",
    )
    assert (record.logger, record.trace) == ("a.B#3", "abc")
    assert record.attributes == {"pod": "checkout-1", "code": "500", "nothing": ""}


def test_records_come_by_time_within_window_and_now(case: SmallCase) -> None:
    case.lines("logs.jsonl", *(line(m, str(m)) for m in (70, 30, 20, 10, 66)))
    assert [r.body for r in logs(case, LogSample(window=window(20, 90))).records] == ["20", "30", "66"]


def test_records_of_other_services_are_left_out(case: SmallCase) -> None:
    case.lines("logs.jsonl", line(10), {**line(11), "service": "cart"})
    found = logs(case, LogSample(window=WIDE, services=("cart",)))
    assert [r.service for r in found.records] == ["cart"]


def test_too_many_records_are_drawn_evenly_and_marked_truncated(case: SmallCase) -> None:
    case.lines("logs.jsonl", *(line(n, str(n)) for n in range(60)))
    found = logs(case, LogSample(window=WIDE, most_lines=4))
    assert [r.body for r in found.records] == ["0", "15", "30", "45"]
    assert found.truncated


def test_a_quiet_window_is_an_answer_without_records(case: SmallCase) -> None:
    case.lines("logs.jsonl", line(10))
    assert logs(case, LogSample(window=window(20, 30))).records == ()


def test_a_line_without_a_zone_is_utc(case: SmallCase) -> None:
    case.lines("logs.jsonl", {**line(10), "timestamp": "2026-06-18T14:10:00.000000001"})
    assert logs(case, LogSample(window=WIDE)).records[0].at == minute(10).timestamp()


@pytest.mark.parametrize("bad", [None, 17, "noon", "0001-01-01T00:00:00+05:00"])
def test_a_line_without_a_time_is_broken(case: SmallCase, bad: object) -> None:
    case.lines("logs.jsonl", line(10), {**line(10), "timestamp": bad})
    reply = case.ask(LogSample(window=WIDE))
    assert len(answered(reply, LogSet).records) == 1
    assert getattr(reply, "notes", ()) == ("logs.jsonl: 1 broken line skipped",)


def test_half_a_character_in_a_line_is_repaired(case: SmallCase) -> None:
    case.lines("logs.jsonl", line(10, "cut \ud83d"), line(11, "whole \U0001f600"), line(12, {"a": 1}))
    bodies = [record.body for record in logs(case, LogSample(window=WIDE)).records]
    assert bodies == ["cut ?", "whole \U0001f600", '{"a":1}']


def test_pattern_counts_are_the_last_made_by_now(case: SmallCase) -> None:
    def counted(at: float, delta: object, sentiment: object) -> dict[str, object]:
        row = {"signature": "timeout <N>", "service": "cart", "count": 9, "delta_vs_baseline": delta}
        answer = [{**row, "sentiment": sentiment}, {"service": "no signature"}]
        about = {"connector": "logs", "question": "log patterns against the baseline", "params": {}}
        return {**about, "at": iso(at), "answer": answer}

    case.lines(
        "readings.jsonl", counted(60, "+7", "negative"), counted(50, "-3", None), counted(67, "+1", "x")
    )
    sources = case.open()
    last = answered(sources.ask(LogPatterns(window=WIDE), now=NOW), PatternCounts)
    assert last.patterns == (
        PatternCount(pattern="timeout <N>", service="cart", count=9, more=7, negative=True),
    )
    earlier = sources.ask(LogPatterns(window=WIDE), now=minute(55))
    assert isinstance(earlier, Reading)
    assert earlier.at == minute(50)
    assert answered(earlier, PatternCounts).patterns[0].more == -3
    assert answered(earlier, PatternCounts).patterns[0].negative is None
    assert "no pattern counts" in refused(sources.ask(LogPatterns(window=WIDE), now=minute(40)))

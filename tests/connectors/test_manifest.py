"""case.yaml: what is wrong with it is said in one line that names the field."""

from __future__ import annotations

from datetime import UTC
from itertools import pairwise

import pytest

from connectors.case.manifest import Manifest, Recorded
from connectors.errors import CaseError
from tests.connectors.small_case import MANIFEST, NOW, START, SmallCase, minute


def manifest(case: SmallCase, text: str = MANIFEST) -> Manifest:
    return case.manifest(text).open().manifest


def test_the_window_ends_at_the_incident_s_now(case: SmallCase) -> None:
    read = manifest(case)
    assert (read.window.start, read.window.end) == (START, NOW)


def test_a_window_that_ends_before_the_alert_is_kept(case: SmallCase) -> None:
    assert manifest(case, MANIFEST.replace("15:13", "15:00")).window.end == minute(60)


@pytest.mark.parametrize(
    "written",
    [
        "2026-06-18T15:06:00Z",
        "'2026-06-18T15:06:00Z'",
        "2026-06-18T15:06:00.000Z",
        "2026-06-18 15:06:00 Z",
        "2026-06-18T17:06:00+02:00",
        "'2026-06-18 17:06:00 +02:00'",
    ],
)
def test_bare_and_quoted_times_are_the_same_instant(case: SmallCase, written: str) -> None:
    assert manifest(case, MANIFEST.replace("2026-06-18T15:06:00Z", written)).at == NOW


def test_a_manifest_needs_neither_id_nor_title_nor_service(case: SmallCase) -> None:
    text = "\n".join(line for line in MANIFEST.splitlines() if not line.startswith(("id", "title")))
    read = manifest(case, text.replace("service: checkout, ", ""))
    assert (read.id, read.title, read.service) == ("case", "case", None)


def test_the_catalogue_is_typed(case: SmallCase) -> None:
    more = (
        "services:\n  checkout: {namespace: shop, workload: deployment/checkout, database: shop}\n  cart:\n"
    )
    services = manifest(case, MANIFEST + more).services
    assert services["checkout"].workload == "deployment/checkout"
    assert services["cart"].database is None


def test_recorded_intervals_are_cut_at_now(case: SmallCase) -> None:
    more = """
recorded:
  traces:
    intervals:
      - [2026-06-18T14:50:00Z, 2026-06-18T15:10:00Z]
      - [2026-06-18T14:10:00Z, 2026-06-18T14:20:00Z]
      - [2026-06-18T15:10:00Z, 2026-06-18T15:11:00Z]
    sampling: one in ten
"""
    recorded = manifest(case, MANIFEST + more).record_of("traces")
    spans = ((minute(10).timestamp(), minute(20).timestamp()), (minute(50).timestamp(), NOW.timestamp()))
    assert recorded == Recorded(intervals=spans, sampling="one in ten")


def test_a_single_note_counts_as_a_list_of_one(case: SmallCase) -> None:
    assert manifest(case, MANIFEST + "source: {name: lab, notes: careful}\n").source_notes == ("careful",)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("format: 1", "format: 2", "format 2 is unknown; this version reads format 1"),
        ("format: 1", "format: '1'", "format '1' is unknown"),
        ("format: 1", "format: true", "format True is unknown"),
        ("format: 1", "", "format is missing"),
        ("15:06:00Z", "15:06:00", "incident.at has no time zone"),
        ("2026-06-18T15:06:00Z", "2026-06-18", "incident.at has no time zone"),
        ("2026-06-18T15:06:00Z", "noon", "incident.at is not a time in ISO 8601: 'noon'"),
        (
            "2026-06-18T15:06:00Z",
            "'0001-01-01T00:00:00+05:00'",
            "incident.at lies outside of the years 1970 to 9000",
        ),
        ("2026-06-18T15:06:00Z", "9999-12-31T23:59:59Z", "incident.at lies outside of the years"),
        ("end: 2026-06-18T15:13:00Z", "end: 9999-12-31T23:59:59Z", "window.end lies outside of the years"),
        (
            "2026-06-18T15:06:00Z",
            "2026-06-18T16:13:01Z",
            "incident.at 2026-06-18T16:13:01Z is more than an hour after window.end 2026-06-18T15:13:00Z",
        ),
        (", at: 2026-06-18T15:06:00Z", "", "incident.at is missing"),
        ("2026-06-18T15:06:00Z", "2026-06-18T13:59:00Z", "incident.at 2026-06-18T13:59:00Z is outside"),
        ("end: 2026-06-18T15:13:00Z", "end: 2026-06-18T14:00:00Z", "window is empty"),
        ("end: 2026-06-18T15:13:00Z", "end: 2026-06-18T13:00:00Z", "window is empty"),
        (", end: 2026-06-18T15:13:00Z", "", "window.end is missing"),
        ("{service: checkout,", "{service: [checkout],", "incident.service is not a text"),
        ("title:", "title: [", "not YAML, line"),
        ("title:", "services: checkout #", "services is not a mapping"),
        ("title:", "recorded: {traces: {intervals: [[1]]}} #", "recorded.traces.intervals must hold pairs"),
        (
            "title:",
            "recorded: {logs: {intervals: [[2026-06-18T14:02:00Z, 2026-06-18T14:01:00Z]]}} #",
            "recorded.logs.intervals holds an interval that ends before it starts",
        ),
    ],
)
def test_bad_input_is_one_line_that_names_the_field(
    case: SmallCase, old: str, new: str, complaint: str
) -> None:
    with pytest.raises(CaseError) as caught:
        manifest(case, MANIFEST.replace(old, new, 1))
    assert str(caught.value).startswith("case.yaml: ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"- a\n- b\n", b"\x00\x01", b"\xff\xfe\x00", b"a: &a [*a]"])
def test_a_file_that_is_no_manifest_is_refused_in_one_line(case: SmallCase, content: bytes) -> None:
    (case.path / "case.yaml").write_bytes(content)
    with pytest.raises(CaseError, match=r"^case\.yaml: [^\n]+$"):
        case.open()


def test_the_alert_is_handed_on_byte_for_byte(case: SmallCase) -> None:
    (case.path / "alert.json").write_bytes(b'{ "version":"4" }\r\n')
    assert case.open().alert_bytes == b'{ "version":"4" }\r\n'


def test_a_case_without_an_alert_has_none(case: SmallCase) -> None:
    assert case.open().alert_bytes is None


def test_times_are_kept_in_utc(case: SmallCase) -> None:
    assert manifest(case, MANIFEST.replace("15:06:00Z", "17:06:00+02:00")).at.tzinfo is UTC


def test_aliases_that_would_unfold_without_end_are_refused_in_one_line(case: SmallCase) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{now}: &{now} [{', '.join([f'*{before}'] * 10)}]\n" for before, now in pairwise("abcdefgh")
    )
    with pytest.raises(CaseError, match=r"case\.yaml"):
        manifest(case, f"{MANIFEST}\n{bomb}")

"""The forms in which a change may be told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.answers import Change
from connectors.change_forms import BadChangeError, kind_of, read_change

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
OWN = {
    "id": "d-1",
    "at": "2026-06-01T11:58:00Z",
    "kind": "deploy",
    "service": "cart",
    "summary": "cart 1.4.2",
    "version": "1.4.2",
    "commit": "1a2b3c4d5e6f",
    "pods": ["cart-7f-x"],
    "link": "https://ci.example/1",
}
PAGERDUTY = {
    "routing_key": "R" * 32,
    "payload": {
        "summary": "Build Success - Increase snapshot create timeout to 30 seconds",
        "timestamp": "2026-06-01T11:50:00.000Z",
        "source": "acme-build-pipeline-tool-default-i-9999",
        "custom_details": {"service": "cart", "commit": "1a2b3c4d5e6f"},
    },
    "links": [{"href": "https://acme.pagerduty.dev/build/2", "text": "View more details"}],
}
CDEVENT: dict[str, Any] = {
    "context": {
        "specversion": "0.5.0",
        "id": "271069a8-fc18-44f1-b38f-9d70a1695819",
        "source": "/deploy/production",
        "type": "dev.cdevents.service.deployed.0.3.0",
        "timestamp": "2026-06-01T11:55:00Z",
    },
    "subject": {
        "id": "service/cart",
        "type": "service",
        "content": {
            "environment": {"id": "production"},
            "artifactId": "pkg:oci/cart@sha256%3A0b31b1c02ff458ad9b7b81cbdf8f028b?tag=v1.4.2",
        },
    },
}


def _envelope(data: dict[str, Any], type_: str, **more: str) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "e-1", "source": "/pipelines", "type": type_, "data": data, **more}


def _read(body: object, headers: dict[str, str] | None = None) -> Change:
    change = read_change(body, headers or {}, NOW)
    assert change is not None
    return change


def test_our_own_form_is_the_line_of_a_cases_changes() -> None:
    change = _read(OWN)
    assert change.model_dump(mode="json", exclude={"steps"}) == {**OWN, "pods": ["cart-7f-x"]}


def test_a_pagerduty_change_event_is_read_as_it_is_sent_to_pagerduty() -> None:
    change = _read(PAGERDUTY)
    assert (change.service, change.commit, change.link) == (
        "cart",
        "1a2b3c4d5e6f",
        "https://acme.pagerduty.dev/build/2",
    )
    assert change.at == datetime(2026, 6, 1, 11, 50, tzinfo=UTC)
    assert change.kind == "deploy"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (CDEVENT, {}),
        (_envelope(CDEVENT, "dev.cdevents.service.deployed.0.3.0", time="2026-06-01T11:55:00Z"), {}),
        (
            CDEVENT,
            {
                "ce-specversion": "1.0",
                "ce-id": "e-1",
                "ce-source": "/pipelines",
                "ce-type": "dev.cdevents.service.deployed.0.3.0",
            },
        ),
    ],
)
def test_a_cdevent_is_one_change_bare_structured_or_binary(
    body: dict[str, Any], headers: dict[str, str]
) -> None:
    change = _read(body, headers)
    assert (change.kind, change.service, change.version) == ("deploy", "cart", "v1.4.2")
    assert change.id == "/deploy/production#271069a8-fc18-44f1-b38f-9d70a1695819"
    assert change.at == datetime(2026, 6, 1, 11, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    "kind", ["dev.cdevents.testsuiterun.finished.0.3.0", "dev.cdevents.build.queued.0.3.0"]
)
def test_a_cdevent_that_changes_nothing_that_runs_is_no_change(kind: str) -> None:
    event = {**CDEVENT, "context": {**CDEVENT["context"], "type": kind}}
    assert read_change(event, {}, NOW) is None


def test_any_other_cloudevent_is_a_change_of_the_kind_its_type_speaks_of() -> None:
    data = {"service": "cart", "summary": "checkout-v2 is on for 50 %"}
    change = _read(_envelope(data, "com.example.feature-flag.updated", time="2026-06-01T11:59:00Z"))
    assert (change.kind, change.service, change.id) == ("flag", "cart", "/pipelines#e-1")


def test_a_sender_that_tells_the_same_again_gets_the_same_id() -> None:
    told = {"service": "cart", "summary": "raised the limit", "at": "2026-06-01T11:00:00Z"}
    assert _read(told).id == _read(dict(told)).id
    assert _read(told).id != _read({**told, "service": "orders"}).id


def test_a_time_later_than_now_is_now() -> None:
    assert _read({**OWN, "at": "2031-01-01T00:00:00Z"}).at == NOW


def test_secrets_and_addresses_in_a_summary_are_not_kept() -> None:
    change = _read({"service": "cart", "summary": "rotated api_key=abcd1234efgh5678 for jane@example.com"})
    assert "abcd1234" not in change.summary
    assert "jane@" not in change.summary


def test_a_link_that_no_browser_should_follow_is_left_out() -> None:
    assert _read({**OWN, "link": "javascript:alert(1)"}).link is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "JSON object"),
        ({}, "JSON object"),
        ({"id": "x"}, "summary or a service"),
        ({**OWN, "kind": "explosion"}, "must be one of"),
        ({**OWN, "at": "yesterday"}, "ISO 8601"),
        ({**OWN, "sevice": "cart"}, "unknown field 'sevice'"),
        ({"payload": {}}, "payload.summary"),
        ({"specversion": "1.0", "type": "a.b"}, "has no id"),
        ({"context": {"type": "nonsense"}}, "of no CDEvent"),
    ],
)
def test_what_tells_no_change_is_refused_with_one_line_that_says_what_is_missing(
    body: object, says: str
) -> None:
    with pytest.raises(BadChangeError, match=says) as refused:
        read_change(body, {}, NOW)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "summary", "kind"),
    [
        ("deploy", "", "deploy"),
        ("", "Turned feature flag new-cart on", "flag"),
        ("", "ran alembic upgrade", "migration"),
        ("", "scaled cart to 9 replicas", "scale"),
        ("", "terraform apply of the node pool", "infrastructure"),
        ("", "changed the configuration of cart", "config"),
        ("", "Merged #1234", "deploy"),
        ("", "had lunch", "other"),
    ],
)
def test_a_kind_is_what_was_said_or_what_the_words_speak_of(said: str, summary: str, kind: str) -> None:
    assert kind_of(said, summary) == kind


_NAMES = st.sampled_from(
    [
        "id",
        "at",
        "kind",
        "service",
        "summary",
        "payload",
        "context",
        "subject",
        "type",
        "data",
        "specversion",
        "source",
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=12,
)


@given(st.dictionaries(_NAMES, _JSON, max_size=8))
def test_whatever_is_sent_is_a_change_or_refused_and_nothing_else(body: dict[str, object]) -> None:
    try:
        change = read_change(body, {}, NOW)
    except BadChangeError:
        return
    assert change is None or (change.at <= NOW and json.loads(change.model_dump_json()))

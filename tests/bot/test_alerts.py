import json
from datetime import UTC, datetime, timedelta

import pytest

from bot import alerts
from bot.errors import BadInputError
from bot.safetext import one_line
from playbooks.model import Symptom

NOW = datetime(2026, 6, 18, 15, 6, tzinfo=UTC)


def read(body: object, service: str | None = None) -> alerts.Trigger:
    return alerts.read(json.dumps(body).encode(), NOW, service)


def alert(status: str = "firing", starts: str = "2026-06-18T15:00:00Z", **labels: str) -> dict[str, object]:
    return {
        "status": status,
        "labels": {"alertname": "HighLatency", **labels},
        "annotations": {"summary": "p99 above 800 ms", "description": "for 3 minutes"},
        "startsAt": starts,
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-06-18T15:04:00Z",
    }


def test_an_alertmanager_body_gives_service_text_symptom_and_start() -> None:
    trigger = read({"version": "4", "alerts": [alert(service="checkout")]})
    assert (trigger.form, trigger.service, trigger.title) == ("alertmanager", "checkout", "p99 above 800 ms")
    assert trigger.symptom is Symptom.LATENCY
    assert trigger.text == "p99 above 800 ms · for 3 minutes"
    assert trigger.started_at == datetime(2026, 6, 18, 15, 0, tzinfo=UTC)
    assert trigger.resolved_at is None


def test_of_several_alerts_the_oldest_still_firing_of_the_service_is_taken() -> None:
    body = {
        "alerts": [
            alert(service="other", starts="2026-06-18T14:00:00Z"),
            alert("resolved", service="checkout", starts="2026-06-18T14:10:00Z"),
            alert(service="checkout", starts="2026-06-18T14:30:00Z"),
            alert(service="checkout", starts="2026-06-18T14:20:00Z"),
        ]
    }
    assert read(body, "checkout").started_at == datetime(2026, 6, 18, 14, 20, tzinfo=UTC)


def test_a_resolved_alert_says_when_it_ended() -> None:
    trigger = read({"alerts": [alert("resolved", service="checkout")]})
    assert trigger.resolved_at == datetime(2026, 6, 18, 15, 4, tzinfo=UTC)


def test_a_start_later_than_now_is_taken_as_now() -> None:
    assert read({"alerts": [alert(starts="2027-01-01T00:00:00Z")]}).started_at == NOW


def test_go_writes_nanoseconds_and_they_are_read() -> None:
    trigger = read({"alerts": [alert(starts="2026-06-18T15:00:00.123456789+02:00")]})
    assert trigger.started_at == datetime(2026, 6, 18, 13, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("label", ["service", "app", "job", "deployment"])
def test_the_service_is_found_under_the_usual_labels(label: str) -> None:
    assert read({"alerts": [alert(**{label: "cart"})]}).service == "cart"


def test_a_pagerduty_event_gives_title_service_and_start() -> None:
    body = {
        "event": {
            "event_type": "incident.triggered",
            "occurred_at": "2026-06-18T15:05:00Z",
            "data": {
                "title": "Error rate of payments above 5 %",
                "status": "triggered",
                "urgency": "high",
                "priority": None,
                "service": {"id": "P1", "summary": "payments"},
                "created_at": "2026-06-18T15:03:00Z",
            },
        }
    }
    trigger = read(body)
    assert (trigger.form, trigger.service, trigger.symptom) == ("pagerduty", "payments", Symptom.ERRORS)
    assert trigger.started_at == datetime(2026, 6, 18, 15, 3, tzinfo=UTC)
    assert trigger.labels == (("pagerduty_service", "P1"), ("urgency", "high"))


def test_a_resolved_pagerduty_incident_says_when_it_ended() -> None:
    event = {
        "event_type": "incident.resolved",
        "occurred_at": "2026-06-18T15:05:00Z",
        "data": {"title": "x", "status": "resolved"},
    }
    assert read({"event": event}).resolved_at == datetime(2026, 6, 18, 15, 5, tzinfo=UTC)


def test_a_slash_command_gives_service_since_and_free_text() -> None:
    trigger = read({"command": "/diagnose", "text": "checkout since 30m orders are slow", "user_name": "u"})
    assert (trigger.service, trigger.text) == ("checkout", "orders are slow")
    assert trigger.started_at == NOW - timedelta(minutes=30)
    assert trigger.symptom is Symptom.LATENCY


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        "text",
        7,
        None,
        {"alerts": []},
        {"alerts": [3, None]},
        {"alerts": "x"},
        {"event": {"data": []}},
        {"command": 5},
        {"alerts": [{"labels": [], "annotations": 4, "startsAt": {}, "status": []}]},
        {"alerts": [{"labels": {"service": None, "a": {"b": 1}}, "startsAt": "yesterday"}]},
        {"event": {"data": {"title": 5, "service": "payments", "created_at": "0000-00-00"}}},
    ],
)
def test_an_unknown_shape_never_fails(body: object) -> None:
    trigger = read(body)
    assert trigger.started_at is None
    assert trigger.service is None


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"NaN}"])
def test_what_is_no_json_is_refused_in_one_line(payload: bytes) -> None:
    with pytest.raises(BadInputError, match="the alert is not JSON") as refused:
        alerts.read(payload, NOW)
    assert "\n" not in str(refused.value)


def test_escape_sequences_in_labels_do_not_get_through() -> None:
    trigger = read({"alerts": [alert(service="pay\x1b[31mments\u202e")]})
    assert trigger.service == "payments"


def test_an_alert_is_kept_without_its_secrets_and_byte_for_byte_where_it_has_none() -> None:
    plain = b'{"alerts":  [{"labels": {"service":"checkout"}}]}'
    assert alerts.without_secrets(plain) is plain
    told = alert(service="checkout", db_password="hunter2")
    told["annotations"] = {"summary": "p99 high, ask ann@shop.example, password=tiger5"}
    kept = alerts.without_secrets(json.dumps({"token": "sesame", "alerts": [told]}).encode())
    assert kept is not None
    assert [word for word in ("hunter2", "ann@", "tiger5", "sesame") if word in kept.decode()] == []
    assert alerts.read(kept, NOW).service == "checkout"


@pytest.mark.parametrize("payload", [None, b"no json", b"[" * 100_000])
def test_what_is_no_alert_is_left_to_be_refused(payload: bytes | None) -> None:
    assert alerts.without_secrets(payload) is payload


@pytest.mark.parametrize(
    "hidden",
    [
        "\x1b[32mpassword\x1b[0m=\x1b[33mhunter2secret\x1b[0m",
        "pass\u200bword=hunter2secret",
        "AKIA\u00adABCDEFGHIJKLMNOP",
    ],
    ids=["colours", "zero-width", "soft hyphen"],
)
def test_a_secret_that_hides_behind_what_is_not_shown_is_not_kept(hidden: str) -> None:
    clean = alerts.keepable({"title": hidden, "pass\u200bword": "hunter2secret"})
    assert isinstance(clean, dict)
    shown = one_line(str(clean["title"]))
    assert "hunter2secret" not in str(clean)
    assert "ABCDEFGHIJKLMNOP" not in shown
    plain = {"title": "\x1b[1mcheckout\x1b[0m is slow"}
    assert alerts.keepable(dict(plain)) == plain, "what holds no secret is kept as it came"

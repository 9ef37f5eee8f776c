import pytest

from bot.symptoms import recognise
from playbooks.model import Symptom


@pytest.mark.parametrize(
    ("saying", "symptom"),
    [
        ("http_server_duration_p99_ms", Symptom.LATENCY),
        ("CheckoutLatencyHigh", Symptom.LATENCY),
        ("response time above 2 s", Symptom.LATENCY),
        ("requests take 1200ms", Symptom.LATENCY),
        ("ErrorBudgetBurn", Symptom.ERRORS),
        ("http_requests 5xx ratio", Symptom.ERRORS),
        ("http_401_unauthorized_ratio", Symptom.ERRORS),
        ("availability of cart out of bounds", Symptom.ERRORS),
        ("request success below its usual range", Symptom.ERRORS),
        ("container_oom_killed_total", Symptom.SATURATION),
        ("KubeCPUThrottlingHigh", Symptom.SATURATION),
        ("queue backlog rising", Symptom.SATURATION),
        ("db pool exhausted", Symptom.SATURATION),
        ("requests per second doubled", Symptom.TRAFFIC),
        ("traffic dropped", Symptom.TRAFFIC),
        ("users report slow or failing requests", Symptom.UNKNOWN),
        ("something is odd", Symptom.UNKNOWN),
        ("", Symptom.UNKNOWN),
    ],
)
def test_words_and_units_name_the_kind(saying: str, symptom: Symptom) -> None:
    assert recognise(saying) is symptom


def test_the_first_saying_that_names_one_kind_decides() -> None:
    assert recognise("latency", "errors everywhere") is Symptom.LATENCY
    assert recognise(None, "ServiceDegraded", "failing requests") is Symptom.ERRORS


def test_a_later_saying_may_only_narrow_what_an_earlier_one_left_open() -> None:
    assert recognise("slow or failing", "latency is high") is Symptom.LATENCY
    assert recognise("slow or failing", "cpu is high") is Symptom.UNKNOWN


def test_a_threshold_is_not_an_http_status() -> None:
    assert recognise("latency above 500") is Symptom.LATENCY

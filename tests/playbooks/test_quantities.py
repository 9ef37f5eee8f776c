from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.quantities import clock, compared, shown, unit_of


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("http_request_duration_seconds:p99", "s"),
        ("istio_request_duration_milliseconds:p99", "ms"),
        ("latency_ms", "ms"),
        ("container_memory_working_set_bytes", "B"),
        ("cpu_percent", "%"),
        ("cache_hit_ratio", "ratio"),
        ("cpu_cores", "cores"),
        ("http_requests_total:rate", "/s"),
        ("requests_per_second", "/s"),
        ("queue_length", ""),
        ("http_requests:rate5m", "/s"),
        ("container_cpu_usage_seconds:rate5m", "cores"),
        ("container_network_receive_bytes_total:rate", "B/s"),
    ],
)
def test_the_unit_is_the_one_that_the_name_states(metric: str, unit: str) -> None:
    assert unit_of(metric) == unit


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0042, "s", "4.2 ms"),
        (1.5, "s", "1.5 s"),
        (0.0, "s", "0 s"),
        (0.000012, "s", "12 µs"),
        (3e9, "B", "2.79 GiB"),
        (512.0, "B", "512 B"),
        (1e18, "B", "9.09e+05 TiB"),
        (12.3456, "%", "12.3%"),
        (50.0, "/s", "50/s"),
        (3.0, "", "3"),
        (123456.0, "", "123,456"),
        (math.nan, "s", "unknown"),
        (math.inf, "B", "unknown"),
    ],
)
def test_a_value_is_shown_in_the_unit_that_people_read(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.parametrize(
    ("usual", "now", "text"),
    [
        (0.2, 2.0, "200 ms → 2 s (10 times)"),
        (0.2, 0.1, "200 ms → 100 ms (0.5 times)"),
        (0.2, 0.22, "200 ms → 220 ms"),
        (0.0, 1.0, "0 s → 1 s"),
    ],
)
def test_a_factor_is_told_where_it_is_telling(usual: float, now: float, text: str) -> None:
    assert compared(usual, now, "s") == text


def test_an_instant_is_told_in_utc() -> None:
    assert clock(1_781_795_160.0) == "15:06:00Z"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(), st.floats(), st.sampled_from(["s", "ms", "B", "%", "ratio", "cores", "/s", ""]))
def test_every_number_can_be_shown_on_one_short_line(usual: float, now: float, unit: str) -> None:
    text = compared(usual, now, unit)
    assert text.isprintable()
    assert len(text) < 800

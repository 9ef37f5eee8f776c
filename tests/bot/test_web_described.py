"""/openapi.json says what the endpoints take and answer; generated requests hold every endpoint to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from tests.bot import webapp
from tests.bot.webapp import SECRETS, TOKEN, Web
from tests.doubles.pagerduty import signature
from tests.doubles.serving import serving

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
PATHS = ("/webhooks/pagerduty", "/webhooks/alertmanager", "/incidents", "/changes")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with webapp.made(tmp_path_factory.mktemp("store") / "store.db") as made:
        yield made


@pytest.fixture(scope="module")
def described(web: Web) -> Iterator[schemathesis.BaseSchema]:
    with serving(web.app) as url:
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")


@pytest.mark.parametrize("path", PATHS)
def test_an_endpoint_answers_whatever_it_is_sent_as_it_is_described(
    described: schemathesis.BaseSchema, path: str
) -> None:
    modes = {mode: described[path]["POST"].as_strategy(generation_mode=mode) for mode in GenerationMode}
    statuses: set[int] = set()

    @settings(
        max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=[*HealthCheck]
    )
    @given(st.one_of(*modes.values()))
    def answered(case: schemathesis.Case[Any]) -> None:
        response = _sent(case)
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    answered()
    assert 202 in statuses
    assert statuses <= ({202} if path == "/webhooks/pagerduty" else {202, 400, 422})


def _sent(case: schemathesis.Case[Any]) -> requests.Response:
    """What is generated, with the right credentials: strangers are looked at elsewhere."""
    said = case.as_transport_kwargs()
    wanted = {
        key: value for key, value in said.items() if key in ("url", "headers", "params", "json", "data")
    }
    prepared = requests.Request("POST", **wanted).prepare()
    body = prepared.body or b""
    raw = body if isinstance(body, bytes) else str(body).encode()
    prepared.headers["Authorization"] = f"Bearer {TOKEN}"
    prepared.headers["X-PagerDuty-Signature"] = signature(raw, SECRETS[0])
    with requests.Session() as session:
        return session.send(prepared, timeout=20)


def test_every_endpoint_that_is_told_something_is_described_with_who_may_tell(web: Web) -> None:
    paths = web.app.openapi()["paths"]
    assert set(paths) == set(PATHS)
    for path in paths.values():
        assert path["post"]["security"]
        assert {"202", "401", "503"} <= set(path["post"]["responses"])

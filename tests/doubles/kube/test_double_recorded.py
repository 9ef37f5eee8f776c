"""The double answers as a real API server answered; its recordings lie beside the checkout."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.kube.access import Account, Rule
from tests.doubles.kube.answers import Answering, Request
from tests.doubles.kube.replies import Reply
from tests.doubles.kube.store import Store

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings" / "kubernetes"
RECORDED_AT = datetime(2026, 11, 23, 16, 54, 41, tzinfo=UTC)

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the recorded answers of a real API server are not beside this checkout"
)


@dataclass(frozen=True)
class Recorded:
    request: Request
    status: int
    headers: dict[str, str]
    body: Any


def recorded(name: str) -> Recorded:
    blocks = (RECORDINGS / f"{name}.http").read_text().split("\n\n")
    method, _, url = blocks[0].splitlines()[0].partition(" ")
    asked = dict(line.split(": ", 1) for line in blocks[0].splitlines()[1:])
    answer = next(n for n, block in enumerate(blocks[1:], 1) if re.match(r"\d{3} ", block))
    status, *headers = blocks[answer].splitlines()
    sent = blocks[1].encode() if answer == 2 else b""
    body = "\n\n".join(blocks[answer + 1 :]).strip()
    parsed = json.loads(body) if body.startswith("{") and "\n{" not in body else body
    request = Request(method, url, {key.lower(): value for key, value in asked.items()}, sent)
    return Recorded(request, int(status.split()[0]), dict(h.split(": ", 1) for h in headers), parsed)


@pytest.fixture(scope="module")
def store() -> Store:
    """What the real server held, as its own lists tell."""
    held = Store()
    for name in ("deployments", "replicasets", "pods", "events", "nodes", "services", "configmaps"):
        listed = recorded(f"list-{name}").body
        kind = {"kind": listed["kind"].removesuffix("List"), "apiVersion": listed["apiVersion"]}
        held.put(*({**kind, **item} for item in listed["items"]), recorded=True)
    return held


def asked(store: Store, was: Recorded, account: Account | None) -> Reply:
    answering = Answering(store)
    answering.clock = lambda: RECORDED_AT
    reply = answering.answer(was.request, account)
    assert isinstance(reply, Reply)
    return reply


def timeless(value: Any) -> Any:
    """Without what depends on the second and the version at which a list was asked for."""
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items()}
    if isinstance(value, list):
        return [timeless(each) for each in value]
    return "0s" if isinstance(value, str) and re.fullmatch(r"\d+s", value) else value


def listing(body: Any) -> Any:
    body = timeless(body)
    if isinstance(body, dict) and isinstance(body.get("metadata"), dict) and {"items", "rows"} & body.keys():
        body["metadata"].pop("resourceVersion", None)
    return body


@pytest.mark.parametrize(
    "name",
    [
        *(f"list-{kind}" for kind in "configmaps deployments events nodes pods replicasets services".split()),
        "list-all-namespaces", "get-pod", "get-deployment", "label-selector", "field-selector",
        "field-selector-pods", "partial-metadata", "error-404", "error-404-namespace", "error-field-selector",
        "error-label-selector",
        *(f"table-{kind}" for kind in "deployments events nodes pods replicasets".split()),
    ],
)  # fmt: skip
def test_an_answer_is_the_recorded_one(store: Store, name: str) -> None:
    was = recorded(name)
    reply = asked(store, was, Account("bot"))
    assert reply.status == was.status
    assert reply.content_type == was.headers["Content-Type"]
    assert listing(json.loads(reply.body)) == listing(was.body)


@pytest.mark.parametrize("name", ["page-1", "page-2"])
def test_a_page_and_its_token_are_the_recorded_ones(store: Store, name: str) -> None:
    was = recorded(name)
    assert json.loads(asked(store, was, Account("bot")).body) == was.body


@pytest.mark.parametrize("name", ["error-403", "error-403-get", "error-403-cluster"])
def test_a_refusal_is_the_recorded_one(store: Store, name: str) -> None:
    was = recorded(name)
    reply = asked(store, was, Account("bot", rules=[]))
    assert (reply.status, json.loads(reply.body)) == (was.status, was.body)


def test_a_stranger_is_turned_away_as_recorded(store: Store) -> None:
    was = recorded("error-401")
    reply = asked(store, was, None)
    assert (reply.status, json.loads(reply.body)) == (was.status, was.body)


def test_an_unknown_group_is_answered_in_plain_text_as_recorded(store: Store) -> None:
    was = recorded("error-404-group")
    reply = asked(store, was, Account("bot"))
    assert (reply.status, reply.content_type) == (404, was.headers["Content-Type"])
    assert reply.body.decode().strip() == was.body


def test_a_log_without_a_kubelet_is_empty_as_recorded(store: Store) -> None:
    was = recorded("error-log")
    reply = asked(store, was, Account("bot"))
    assert (reply.status, reply.body) == (was.status, b"")


def test_a_version_of_the_future_times_out_as_recorded() -> None:
    was = recorded("error-future-rv")
    early = Store()
    early.version = 213
    reply = asked(early, was, Account("bot"))
    assert (reply.status, json.loads(reply.body)) == (was.status, was.body)
    assert dict(reply.headers)["Retry-After"] == was.headers["Retry-After"]


def test_a_token_that_is_none_is_refused_with_the_recorded_status(store: Store) -> None:
    was = recorded("error-continue")
    reply = asked(store, was, Account("bot"))
    assert (reply.status, json.loads(reply.body)["reason"]) == (was.status, was.body["reason"])


@pytest.mark.parametrize(("name", "rules"), [("allowed", [Rule()]), ("denied", [])])
def test_a_review_of_rights_is_the_recorded_one(store: Store, name: str, rules: list[Rule]) -> None:
    was = recorded(f"access-review-{name}")
    reply = asked(store, was, Account("bot", rules=rules))
    assert (reply.status, json.loads(reply.body)) == (was.status, was.body)


@pytest.mark.parametrize(
    "name",
    ["api-v1", "apps-v1", "autoscaling-v2", "batch-v1", "discovery-v1", "networking-v1"],
)
def test_each_kind_is_discovered_as_recorded(store: Store, name: str) -> None:
    was = recorded(f"discovery-{name}")
    body = json.loads(asked(store, was, Account("bot")).body)
    real = {each["name"]: each for each in was.body["resources"]}
    for each in body["resources"]:
        expected = {key: value for key, value in real[each["name"]].items() if key != "storageVersionHash"}
        # A log is read and nothing else; the double says so.
        if each["name"] == "pods/log":
            assert expected.pop("verbs") == each.pop("verbs") == ["get"]
        assert each == expected
    assert {key: value for key, value in body.items() if key != "resources"} == {
        key: value for key, value in was.body.items() if key != "resources"
    }


def test_each_kind_is_discovered_in_the_aggregated_form_as_recorded(store: Store) -> None:
    was = recorded("discovery-aggregated")
    reply = asked(store, was, Account("bot"))
    assert reply.content_type == was.headers["Content-Type"]
    real = {
        (group["metadata"]["name"], each["resource"]): {k: v for k, v in each.items() if k != "subresources"}
        for group in was.body["items"]
        for version in group["versions"]
        for each in version["resources"]
    }
    told = {
        (group["metadata"]["name"], each["resource"]): each
        for group in json.loads(reply.body)["items"]
        for version in group["versions"]
        for each in version["resources"]
    }
    assert told.items() <= real.items()
    assert len(told) >= 9

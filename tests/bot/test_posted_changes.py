"""`POST /changes`, over a real socket, into a real file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from bot.errors import BadInputError
from bot.store.changes import PostedChanges
from bot.web.changes import MOST_BYTES, ChangesEndpoint
from connectors.answers import Change, Timeline
from connectors.contract import Reading, Window
from connectors.posted_changes import PostedChangesConnector
from connectors.questions import ChangeTimeline
from connectors.timeline import one_timeline
from tests.doubles.serving import serving

TOKEN = "a-token-of-sixteen"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WINDOW = Window(start=NOW - timedelta(hours=3), end=NOW)
TOLD = {
    "id": "d-1",
    "at": "2026-06-01T11:00:00Z",
    "kind": "flag",
    "service": "cart",
    "summary": "new-cart on",
}


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[PostedChanges]:
    changes = PostedChanges(tmp_path / "state" / "firstcause.db")
    yield changes
    changes.close()


@pytest.fixture
def client(kept: PostedChanges) -> Iterator[httpx.Client]:
    endpoint = ChangesEndpoint(kept, TOKEN, now=lambda: NOW)
    with (
        serving(Starlette(routes=endpoint.routes())) as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client,
    ):
        yield client


def _timeline(kept: PostedChanges) -> tuple[Change, ...]:
    reading = PostedChangesConnector(kept.during).ask(ChangeTimeline(window=WINDOW), now=NOW)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, Timeline)
    return reading.answer.changes


def test_a_change_that_was_told_is_on_the_timeline(client: httpx.Client, kept: PostedChanges) -> None:
    answer = client.post("/changes", json=TOLD)
    assert (answer.status_code, answer.json()) == (202, {"kept": True, "id": "d-1", "new": True})
    [change] = _timeline(kept)
    assert (change.id, change.kind, change.service) == ("told:d-1", "flag", "cart")


def test_a_change_told_under_the_id_of_a_rollout_does_not_take_its_place(
    client: httpx.Client, kept: PostedChanges
) -> None:
    client.post("/changes", json=TOLD)
    rollout = Change(id="d-1", at=NOW, kind="deploy", service="checkout", summary="checkout 1.9.0")
    both = one_timeline([rollout, *_timeline(kept)]).changes
    assert {(each.id, each.service) for each in both} == {("d-1", "checkout"), ("told:d-1", "cart")}


def test_a_change_that_is_told_twice_is_kept_once_and_the_first_telling_stands(
    client: httpx.Client, kept: PostedChanges
) -> None:
    client.post("/changes", json=TOLD)
    again = client.post("/changes", json={**TOLD, "service": "orders"})
    assert (again.status_code, again.json()["new"]) == (202, False)
    assert [each.service for each in _timeline(kept)] == ["cart"]


def test_many_tellers_at_once_lose_nothing(client: httpx.Client, kept: PostedChanges) -> None:
    def tell(n: int) -> int:
        return client.post("/changes", json={**TOLD, "id": f"d-{n}"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(tell, range(60))) == {202}
    assert len(_timeline(kept)) == 60


def test_what_was_kept_is_there_in_the_next_process(client: httpx.Client, tmp_path: Path) -> None:
    client.post("/changes", json=TOLD)
    other = PostedChanges(tmp_path / "state" / "firstcause.db")
    assert [each.id for each in other.during(WINDOW)] == ["d-1"]
    other.close()


@pytest.mark.parametrize(
    "said",
    [None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer", f"Bearer {TOKEN}x", "Bearer \xe9\xe9\xe9"],
)
def test_who_does_not_hold_the_token_is_not_heard(
    client: httpx.Client, kept: PostedChanges, said: str | None
) -> None:
    del client.headers["Authorization"]
    headers = {} if said is None else {b"Authorization": said.encode("latin-1")}
    answer = client.post("/changes", json=TOLD, headers=headers)
    assert answer.status_code == 401
    assert not kept.during(WINDOW)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"summary": 1e999999}', 400),
        (b"{}", 400),
        (json.dumps({"service": "cart", "summary": "x" * MOST_BYTES}).encode(), 413),
    ],
)
def test_a_bad_body_is_refused_with_one_line_and_nothing_is_kept(
    client: httpx.Client, kept: PostedChanges, body: bytes, status: int
) -> None:
    answer = client.post("/changes", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert "\n" not in answer.json()["error"]
    assert not kept.during(WINDOW)


@pytest.mark.parametrize("field", ["summary", "service", "id", "version", "commit", "pods"])
def test_half_a_character_anywhere_is_kept_as_something_that_can_be_written(
    client: httpx.Client, kept: PostedChanges, field: str
) -> None:
    said = ["x\ud83d"] if field == "pods" else "x\ud83d"
    answer = client.post("/changes", content=json.dumps({**TOLD, field: said}))
    assert answer.status_code == 202
    assert "x?" in str(_timeline(kept)) or field == "id"


def test_no_field_of_a_change_keeps_a_secret(client: httpx.Client, kept: PostedChanges) -> None:
    token = "ghp_" + "a1B2c3" * 6
    told = dict.fromkeys(("summary", "service", "version", "commit"), f"x {token}")
    link = f"https://ann:{token}@ci.example/run?token={token}"
    for name in ("one", "two"):
        body = {**TOLD, **told, "id": f"{name} {token}", "link": link, "pods": [token, "ann@shop.example"]}
        assert client.post("/changes", json=body).status_code == 202
    found = str(_timeline(kept))
    assert (token in found, "ann" in found) == (False, False)
    assert len(_timeline(kept)) == 2


def test_a_body_without_a_length_is_bounded_too(client: httpx.Client, kept: PostedChanges) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1_000):
            yield b" " * 4_096

    answer = client.post("/changes", content=endless())
    assert answer.status_code == 413
    assert not kept.during(WINDOW)


def test_an_event_that_changes_nothing_that_runs_is_taken_politely(
    client: httpx.Client, kept: PostedChanges
) -> None:
    event = {
        "context": {"id": "1", "source": "/ci", "type": "dev.cdevents.build.started.0.3.0"},
        "subject": {},
    }
    answer = client.post("/changes", json=event)
    assert (answer.status_code, answer.json()["kept"]) == (202, False)
    assert not kept.during(WINDOW)


def test_when_it_cannot_be_kept_the_sender_is_told_to_come_again() -> None:
    class Full:
        def keep(self, change: Change, told_at: datetime) -> bool:
            raise OSError(f"no space left for {change.id} of {told_at}")

    with serving(Starlette(routes=ChangesEndpoint(Full(), TOKEN).routes())) as url:
        answer = httpx.post(f"{url}/changes", json=TOLD, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 503


def test_an_endpoint_without_a_real_token_is_never_made(kept: PostedChanges) -> None:
    with pytest.raises(ValueError, match="16 characters"):
        ChangesEndpoint(kept, "short")


def test_a_file_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(BadInputError, match="cannot be used"):
        PostedChanges(tmp_path / "taken" / "firstcause.db")

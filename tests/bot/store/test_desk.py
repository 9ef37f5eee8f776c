"""The desk in the store: the same behaviour on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from bot.desk import Delivery, DeliveryKind, JobKind, LostLeaseError
from bot.store import Where
from bot.store.desk import StoredDesk

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DELIVERY = Delivery(key="pagerduty:1", kind=DeliveryKind.PAGERDUTY, received_at=NOW, body={"title": "p99"})


@pytest.fixture
def desk(where: Where) -> Iterator[StoredDesk]:
    opened = StoredDesk(where)
    yield opened
    opened.close()


def test_what_comes_in_twice_is_kept_and_handled_once(desk: StoredDesk) -> None:
    for new in (True, False):
        with desk.begin() as within:
            assert within.inbox.keep(DELIVERY) is new
            assert within.inbox.read(DELIVERY.key) == DELIVERY
    lease = desk.claim("one", NOW, 30)
    assert lease is not None
    assert (lease.job.kind, lease.job.subject) == (JobKind.HANDLE, DELIVERY.key)
    assert desk.claim("two", NOW, 30) is None


def test_who_lost_a_lease_can_write_nothing_more(desk: StoredDesk) -> None:
    with desk.begin() as within:
        within.inbox.keep(DELIVERY)
    old = desk.claim("one", NOW, 0)
    new = desk.claim("two", NOW, 30)
    assert old is not None
    assert new is not None
    assert new.token > old.token

    def write() -> None:
        with desk.begin() as within:
            within.jobs.put(JobKind.INVESTIGATE, "INC-1", NOW)
            within.jobs.held(old)

    with pytest.raises(LostLeaseError):
        write()
    with desk.begin() as within:
        within.jobs.done(new)
    assert desk.claim("three", NOW, 30) is None

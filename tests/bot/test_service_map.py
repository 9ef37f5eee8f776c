"""The service map: written, Backstage, discovered, and who says what."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bot import backstage, service_discovery, service_listing
from bot.errors import BadInputError
from bot.service_map import Told, Written, resolved
from connectors.answers import (
    ActivityGroup,
    ActivitySnapshot,
    ActivitySnapshots,
    Answer,
    ClusterState,
    Pod,
    SeriesKey,
    SeriesSet,
)
from connectors.codec import sha256
from connectors.contract import Question, Reading, Source, Unavailable
from connectors.questions import Activity, ClusterSnapshot, SeriesNamed

NOW = datetime(2026, 6, 18, 15, 6, tzinfo=UTC)
CATALOGUE = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: checkout
  title: Checkout (production)
  annotations:
    backstage.io/kubernetes-id: checkout-api
    backstage.io/kubernetes-namespace: shop
    github.com/project-slug: shop/checkout
    pagerduty.com/service-id: PCHECK1
  links:
    - {url: https://grafana.example/d/checkout, title: Dashboard}
    - {url: https://wiki.example/checkout, title: Runbook}
spec:
  type: service
  dependsOn: ["resource:default/orders-db", "resource:queue", "component:cart"]
---
kind: Resource
metadata: {name: orders-db}
spec: {type: database}
---
kind: Resource
metadata: {name: queue}
spec: {type: message-queue}
---
kind: Component
metadata: {name: ui-kit}
spec: {type: library}
"""


def written(tmp_path: Path, text: str, name: str = "catalog-info.yaml") -> str:
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_a_backstage_component_tells_where_it_runs_and_what_belongs_to_it(tmp_path: Path) -> None:
    (told,) = backstage.tellings([written(tmp_path, CATALOGUE)])
    assert told.service == "checkout"
    assert told.origin == "Backstage: catalog-info.yaml"
    assert told.values == {
        "namespace": ("shop",),
        "workload": ("deployment/checkout-api",),
        "databases": ("orders-db",),
        "repository": ("shop/checkout",),
        "dashboards": ("https://grafana.example/d/checkout",),
        "aliases": ("Checkout (production)", "PCHECK1", "checkout-api"),
    }


def test_globs_find_catalogue_files_and_a_path_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    written(tmp_path, CATALOGUE, "a/catalog-info.yaml")
    assert len(backstage.tellings([str(tmp_path / "*" / "catalog-info.yaml")])) == 1
    with pytest.raises(BadInputError, match="no such file"):
        backstage.tellings([str(tmp_path / "nowhere.yaml")])
    with pytest.raises(BadInputError, match="aliases are not read"):
        backstage.tellings([written(tmp_path, "a: &a 1\nb: *a\n")])


def test_what_is_written_counts_before_what_is_discovered_field_by_field() -> None:
    known = resolved(
        [
            Told("checkout", "written", {"namespace": ("shop",), "databases": ()}),
            Told("checkout", "discovered", {"namespace": ("other",), "databases": ("orders",)}),
            Told("checkout", "discovered", {"databases": ("stock",)}),
            Told("checkout", "elsewhere", {"databases": ("wrong",)}),
        ]
    )
    service = known.services["checkout"]
    assert (service.of("namespace"), service.facts["namespace"].origin) == (("shop",), "written")
    assert (service.of("databases"), service.facts["databases"].origin) == (("orders", "stock"), "discovered")
    shown = service_listing.document(known)["services"]
    assert isinstance(shown, dict)
    assert shown["checkout"]["namespace"] == {"values": ["shop"], "origin": "written"}


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"service": "Checkout (prod)"}, "checkout"),
        ({"deployment": "checkout-api", "namespace": "shop"}, "checkout"),
        ({"pod": "checkout-api-6c9f8d7b5-x2x9k", "namespace": "shop"}, "checkout"),
        ({"pod": "ledger-0", "namespace": "bank"}, "ledger"),
        ({"pod": "checkout-api-6c9f8d7b5-x2x9k", "namespace": "other"}, None),
        ({"service": "unknown"}, None),
        ({}, None),
    ],
)
def test_labels_lead_to_the_service_that_is_written(labels: dict[str, str], service: str | None) -> None:
    known = resolved(
        [
            Told(
                "checkout",
                "written",
                {
                    "workload": ("deployment/checkout-api",),
                    "namespace": ("shop",),
                    "aliases": ("Checkout (prod)",),
                },
            ),
            Told("ledger", "written", {"workload": ("statefulset/ledger",)}),
        ]
    )
    assert Written(known).service_of(labels) == service


class Shown:
    """Sources that show three services, one of them slowly."""

    def __init__(self, slow: type[Question] | None = None) -> None:
        self.slow = slow
        self.asked: list[str] = []

    def available(self) -> list[Source]:
        return [Source.METRICS, Source.CLUSTER, Source.DATABASE]

    def ask(self, question: Question, *, now: datetime) -> Reading | Unavailable:
        self.asked.append(question.name)
        if type(question) is self.slow:
            time.sleep(2)
        answer: Answer
        if isinstance(question, SeriesNamed):
            keys = tuple(
                SeriesKey("up", (("namespace", "shop"), ("service", name))) for name in ("cart", "checkout")
            )
            answer = SeriesSet(keys, np.array([now.timestamp()]), np.ones((2, 1)))
        elif isinstance(question, ClusterSnapshot):
            answer = ClusterState(pods=(Pod(namespace="shop", name="p", workload="deployment/ledger"),))
        else:
            assert isinstance(question, Activity)
            groups = (ActivityGroup(application="checkout"), ActivityGroup(application="psql"))
            answer = ActivitySnapshots(snapshots=(ActivitySnapshot(at=now, groups=groups),))
        return Reading(question.source, question, "asked", now, answer, sha256(answer))


def test_sources_show_services_and_a_database_by_who_is_connected_to_it() -> None:
    found = service_discovery.discover(Shown(), ["orders"], NOW, 5)
    known = resolved(found.told, found.silent)
    assert sorted(known.services) == ["cart", "checkout", "ledger"]
    assert known.services["checkout"].of("databases") == ("orders",)
    assert known.services["ledger"].of("workload") == ("deployment/ledger",)
    assert known.silent == ()


def test_a_source_that_is_slow_to_show_its_services_is_named_and_left_behind() -> None:
    began = time.monotonic()
    found = service_discovery.discover(Shown(ClusterSnapshot), ["orders"], NOW, 0.3)
    assert time.monotonic() - began < 1.5
    assert found.silent == ("cluster: no answer within 0.3 s",)
    assert {told.service for told in found.told} == {"cart", "checkout"}


def test_the_cluster_is_not_asked_where_that_is_not_wanted() -> None:
    shown = Shown()
    service_discovery.discover(shown, [], NOW, 5, cluster=False)
    assert shown.asked == ["SeriesNamed"]

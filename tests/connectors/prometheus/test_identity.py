from __future__ import annotations

from collections.abc import Mapping

import pytest

from connectors.prometheus.identity import Identities
from connectors.prometheus.owners import Owners, host, read_owners


class Map:
    """A service map that knows one workload."""

    def service_of(self, labels: Mapping[str, str]) -> str | None:
        return "basket" if labels.get("workload") == "cart" or labels.get("service") == "cart" else None


def named(
    *series: Mapping[str, str], owners: Owners | None = None, mapping: Map | None = None
) -> list[str | None]:
    keys = Identities(owners or Owners(), mapping).keys(series)
    return [None if key is None else str(key) for key in keys]


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"service_name": "cart", "service": "otel-collector"}, "cart"),
        ({"service": "cart"}, "cart"),
        ({"app": "cart"}, "cart"),
        ({"app_kubernetes_io_name": "cart"}, "cart"),
        ({"deployment": "cart"}, "cart"),
        ({"pod": "cart-6f7d9c5b8d-x2x7k"}, "cart"),
        ({"pod": "cart-api-0"}, "cart-api"),
        ({"pod": "cart-x2x7k"}, "cart"),
        ({"pod": "checkout"}, "checkout"),
        ({"container": "cart"}, "cart"),
        ({"job": "cart"}, "cart"),
        ({"job": "shop/cart"}, "cart"),
        ({"job": "node-exporter"}, None),
        ({"service": "kube-state-metrics", "pod": "cart-6f7d9c5b8d-x2x7k"}, "cart"),
        ({"service": "postgres-exporter"}, None),
        ({"exported_service": "cart", "service": "pushgateway"}, "cart"),
        ({}, None),
    ],
)
def test_the_service_is_found_where_labels_tell_it(labels: dict[str, str], service: str | None) -> None:
    (key,) = Identities(Owners()).keys([{"__name__": "requests_total", **labels}])
    assert key is not None
    assert key.get("service") == service


def test_the_service_map_is_asked_before_the_labels() -> None:
    series = {"__name__": "m", "namespace": "shop", "pod": "cart-6f7d9c5b8d-x2x7k"}
    assert named(series, mapping=Map()) == [
        'm{namespace="shop",pod="cart-6f7d9c5b8d-x2x7k",service="basket"}'
    ]


def test_the_service_map_names_both_ends_of_a_call() -> None:
    series = {"__name__": "istio_requests_total", "source_workload": "cart", "destination_workload": "pay"}
    assert named(series, mapping=Map()) == [
        'istio_requests_total{destination_workload="pay",service="pay",source_workload="basket"}'
    ]


def test_a_job_that_scrapes_several_services_names_none() -> None:
    series = [{"__name__": "m", "job": "pods", "service": name} for name in ("a", "b")]
    series.append({"__name__": "n", "job": "pods"})
    assert named(*series)[-1] == "n"


def test_labels_of_the_scrape_stay_only_where_series_differ_in_nothing_else() -> None:
    alone = {"__name__": "m", "service": "cart", "instance": "a:1", "job": "x"}
    twins = [{"__name__": "n", "service": "cart", "instance": f"{n}:1", "job": "x"} for n in "ab"]
    assert named(alone, *twins) == [
        'm{service="cart"}',
        'n{instance="a:1",job="x",service="cart"}',
        'n{instance="b:1",job="x",service="cart"}',
    ]


def test_the_copy_of_a_replica_is_left_out() -> None:
    copies = [{"__name__": "m", "service": "cart", "prometheus_replica": f"p-{n}"} for n in range(2)]
    assert named(*copies) == ['m{service="cart"}', None]


def test_secrets_and_addresses_of_people_do_not_reach_the_names() -> None:
    series = {"__name__": "m", "service": "cart", "api_key": "abc", "user": "jane@shop.example"}
    assert named(series) == ['m{api_key="[secret]",service="cart",user="[e-mail]"}']


def test_a_statements_number_is_no_card() -> None:
    assert named({"__name__": "m", "queryid": "3041056861559828313"}) == ['m{queryid="3041056861559828313"}']


def test_a_cron_jobs_pod_belongs_to_the_cron_job() -> None:
    rows: list[Mapping[str, str]] = [
        {
            "__name__": "kube_pod_owner",
            "namespace": "shop",
            "pod": "report-29001-abcde",
            "owner_kind": "Job",
            "owner_name": "report-29001",
        },
        {
            "__name__": "kube_job_owner",
            "namespace": "shop",
            "job_name": "report-29001",
            "owner_name": "report",
        },
    ]
    assert read_owners(rows).workload("shop", "report-29001-abcde") == "report"


def test_a_replica_set_without_a_known_owner_loses_its_hash() -> None:
    rows = [
        {
            "__name__": "kube_pod_info",
            "namespace": "s",
            "pod": "p",
            "created_by_kind": "ReplicaSet",
            "created_by_name": "cart-6f7d9c5b8d",
        }
    ]
    assert read_owners(rows).workload("s", "p") == "cart"


@pytest.mark.parametrize(
    ("instance", "name"), [("10.0.0.1:9100", "10.0.0.1"), ("[::1]:80", "::1"), ("node-a", "node-a"), ("", "")]
)
def test_an_address_loses_its_port(instance: str, name: str) -> None:
    assert host(instance) == name

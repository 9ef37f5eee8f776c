"""One timeline of many tellers, and what was rolled out by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.answers import Change
from connectors.revisions import revision_in_image, revision_in_tag, rolled_out
from connectors.timeline import one_timeline

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
SHA = "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d"


def _deploy(id_: str, minutes: float, service: str | None = "cart", commit: str | None = SHA) -> Change:
    at = AT + timedelta(minutes=minutes)
    return Change(id=id_, at=at, kind="deploy", service=service, commit=commit)


def test_a_rollout_told_by_the_pipeline_and_by_the_cluster_is_one_change() -> None:
    pipeline = _deploy("github:1", 0).model_copy(
        update={"summary": "ship it", "link": "https://ci.example/1"}
    )
    cluster = _deploy("cart-7f", 4, commit=SHA[:8]).model_copy(
        update={"pods": ("cart-7f-x",), "version": "1.4"}
    )
    [change] = one_timeline([cluster, pipeline]).changes
    assert change.id == "github:1"
    assert change.commit == SHA
    assert (change.summary, change.link, change.pods, change.version) == (
        "ship it",
        "https://ci.example/1",
        ("cart-7f-x",),
        "1.4",
    )
    assert change.steps == (pipeline.at, cluster.at)


@pytest.mark.parametrize(
    "other",
    [
        _deploy("b", 5, service="orders"),
        _deploy("b", 5, commit="ffffffff"),
        _deploy("b", 31),
        _deploy("b", 5, commit=None),
        _deploy("b", 5).model_copy(update={"kind": "config"}),
    ],
)
def test_two_changes_that_differ_in_service_revision_kind_or_hour_stay_two(other: Change) -> None:
    assert len(one_timeline([_deploy("a", 0), other]).changes) == 2


def test_changes_of_unknown_services_are_never_taken_for_one() -> None:
    assert len(one_timeline([_deploy("a", 0, None), _deploy("b", 1, None)]).changes) == 2


@given(st.permutations([_deploy("a", 0), _deploy("b", 3), _deploy("c", 50), _deploy("d", 60, "orders")]))
def test_the_order_of_the_tellers_does_not_matter(changes: list[Change]) -> None:
    assert [each.id for each in one_timeline(changes).changes] == ["a", "c", "d"]


def test_a_rollout_goes_from_the_revision_before_and_a_repeated_one_is_none() -> None:
    changes = [
        _deploy("a", 0, commit="aaaaaaa"),
        _deploy("b", 60, commit="bbbbbbb"),
        _deploy("c", 120, commit="bbbbbbb"),
    ]
    assert [(each.base, each.head) for each in rolled_out(changes)] == [
        (None, "aaaaaaa"),
        ("aaaaaaa", "bbbbbbb"),
    ]


@pytest.mark.parametrize(
    ("image", "revision"),
    [
        ("registry.example:5000/shop/cart:v1.4.2", "v1.4.2"),
        ("shop/cart:main-1a2b3c4", "1a2b3c4"),
        ("shop/cart:1.4-g1a2b3c4", "1a2b3c4"),
        (f"shop/cart:sha-{SHA}", SHA),
        ("shop/cart:20260601", None),
        ("shop/cart:latest", None),
        ("registry.example:5000/shop/cart", None),
        (f"shop/cart@sha256:{'a' * 64}", None),
        (f"shop/cart:v2@sha256:{'a' * 64}", None),
    ],
)
def test_an_images_tag_names_a_commit_or_a_version_or_nothing(image: str, revision: str | None) -> None:
    assert revision_in_image(image) == revision


@given(st.text(max_size=300))
def test_no_tag_breaks_the_reading_of_tags(tag: str) -> None:
    found = revision_in_tag(tag)
    assert found is None or found in tag

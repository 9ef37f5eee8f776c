from __future__ import annotations

import pytest

from connectors.answers import CallGraphEdges, Commits, StatusFeeds, Timeline
from connectors.questions import CallEdges, ChangeTimeline, CommitLog, ProviderStatus
from tests.connectors.small_case import NOW, WIDE, SmallCase, answered, iso, minute, refused, window


def change(at: float, **more: object) -> dict[str, object]:
    return {"at": iso(at), "kind": "deploy", "service": "checkout", "summary": "checkout v2", **more}


def timeline(case: SmallCase, *, start: float = -60, end: float = 90) -> Timeline:
    return answered(case.ask(ChangeTimeline(window=window(start, end))), Timeline)


def test_lines_that_share_an_id_are_one_change(case: SmallCase) -> None:
    case.lines(
        "changes.jsonl",
        change(12, id="r1", pods=["b"], commit="c0ffee"),
        change(10, id="r1", pods=["a"], version="v2"),
        change(11, id="r2", kind="flag"),
    )
    first, second = timeline(case).changes
    assert (first.id, first.at, first.steps) == ("r1", minute(10), (minute(10), minute(12)))
    assert (first.pods, first.version, first.commit) == (("a", "b"), "v2", "c0ffee")
    assert (second.id, second.kind) == ("r2", "flag")


def test_steps_after_now_have_not_happened(case: SmallCase) -> None:
    case.lines("changes.jsonl", change(60, id="r"), change(67, id="r", commit="later"), change(68, id="s"))
    (only,) = timeline(case).changes
    assert (only.steps, only.commit) == ((minute(60),), None)
    earlier = case.open().ask(ChangeTimeline(window=WIDE), now=minute(59))
    assert answered(earlier, Timeline).changes == ()


def test_a_rollout_that_goes_on_into_the_window_belongs_to_it(case: SmallCase) -> None:
    case.lines("changes.jsonl", change(10, id="r"), change(30, id="r"), change(12, id="over"))
    assert [c.id for c in timeline(case, start=20, end=40).changes] == ["r"]


def test_a_line_without_an_id_is_known_by_its_commit(case: SmallCase) -> None:
    case.lines(
        "changes.jsonl", change(10, commit="abc"), change(11, commit="twice"), change(12, commit="twice")
    )
    ids = [c.id for c in timeline(case).changes]
    assert ids == ["abc", f"deploy:checkout:{iso(11)}", f"deploy:checkout:{iso(12)}"]


def test_two_lines_alike_are_two_changes(case: SmallCase) -> None:
    case.lines("changes.jsonl", change(10), change(10))
    assert [c.id for c in timeline(case).changes] == [
        f"deploy:checkout:{iso(10)}",
        f"deploy:checkout:{iso(10)}#2",
    ]


@pytest.mark.parametrize("kind", ["certificate", "", None, 3])
def test_a_kind_unknown_here_is_other(case: SmallCase, kind: object) -> None:
    case.lines("changes.jsonl", change(10, kind=kind))
    assert timeline(case).changes[0].kind == "other"


def test_a_change_may_name_no_service(case: SmallCase) -> None:
    case.lines("changes.jsonl", change(10, service=None))
    assert timeline(case).changes[0].service is None


def test_a_change_without_time_is_skipped_and_counted(case: SmallCase) -> None:
    case.lines("changes.jsonl", change(10), {"id": "x"})
    reply = case.ask(ChangeTimeline(window=WIDE))
    assert len(answered(reply, Timeline).changes) == 1
    assert getattr(reply, "notes", ()) == ("changes.jsonl: 1 broken line skipped",)


def test_an_empty_file_says_that_nothing_was_changed(case: SmallCase) -> None:
    case.text("changes.jsonl", "")
    assert timeline(case).changes == ()


def test_without_the_file_changes_are_unavailable(case: SmallCase) -> None:
    assert "not part of this case" in refused(case.ask(ChangeTimeline(window=WIDE)))


def commit(sha: str, at: float, **more: object) -> dict[str, object]:
    return {
        "sha": sha,
        "at": iso(at),
        "author": "jdoe",
        "message": "fix",
        "files": ["a.go"],
        "diff": None,
        **more,
    }


def test_commits_come_by_time_and_not_from_the_future(case: SmallCase) -> None:
    case.lines("commits.jsonl", commit("c", 70), commit("b", 20, diff="@@ -1 +1 @@"), commit("a", 10))
    found = answered(case.ask(CommitLog(window=WIDE)), Commits).commits
    assert [(c.sha, c.diff) for c in found] == [("a", None), ("b", "@@ -1 +1 @@")]
    assert found[0].files == ("a.go",)


def test_edges_are_read_once_each(case: SmallCase) -> None:
    case.text("topology.csv", "\ufeffcaller,callee\na,b\nb, c\na,b\n,d\n")
    assert answered(case.ask(CallEdges()), CallGraphEdges).edges == (("a", "b"), ("b", "c"))


@pytest.mark.parametrize("content", ["", "a,b\n", "caller,callee\n", "caller\na\n"])
def test_a_topology_without_edges_is_unavailable(case: SmallCase, content: str) -> None:
    case.text("topology.csv", content)
    assert "no row with caller and callee" in refused(case.ask(CallEdges()))


def test_a_topology_that_is_no_text_is_unavailable(case: SmallCase) -> None:
    (case.path / "topology.csv").write_bytes(b"\xff\xfe\x00caller")
    assert "is not CSV" in refused(case.ask(CallEdges()))


def test_a_status_page_says_only_what_it_had_said_by_now(case: SmallCase) -> None:
    events = [{"timestamp": iso(m), "status": "degraded", "detail": str(m)} for m in (62, 30, 80)] + [
        {"status": "no time"}
    ]
    page = {"source": "cluster-infra-status", "component": "dns", "events": events}
    about = {"connector": "status-page", "question": "provider status", "params": {}, "at": iso(66)}
    case.lines("readings.jsonl", {**about, "answer": page})
    found = answered(case.ask(ProviderStatus(window=WIDE)), StatusFeeds).events
    assert [(e.detail, e.provider, e.component) for e in found] == [
        ("30", "cluster-infra-status", "dns"),
        ("62", "cluster-infra-status", "dns"),
    ]
    assert found[-1].at <= NOW


def test_without_a_page_the_status_is_unavailable(case: SmallCase) -> None:
    assert "no provider status" in refused(case.ask(ProviderStatus(window=WIDE)))

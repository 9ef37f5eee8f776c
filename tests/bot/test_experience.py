"""A site's own labels, from the store to what a later investigation says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import casework, result, wording
from bot.investigation import Confirm, Investigator, NothingWrong, Options, Outcome, RuleOut, SomethingElse
from bot.store import Store
from connectors.case import open_case
from graph.calibration import LEAST_LABELS, load_calibration
from graph.decisions import Label
from graph.experience import Said, own_calibration
from graph.model import Basis, Verdict
from graph.ranking import load_weights
from graph.record import weighing_bytes
from graph.traits import Traits
from playbooks.model import Incident
from tests.bot import recorded_case
from tests.graph.fakes import INCIDENT

BROAD = Traits(
    ahead=2.0, strength=4.0, agreeing=2, opposing=0, sources=2, visible=True, excess=20.0, share=0.8
)
NOW = load_weights().digest


def _basis(raw: float = 0.5, weights: str = NOW) -> Basis:
    return Basis(weights=weights, service="checkout", raw=raw, traits=BROAD)


def _label(service: str | None = "checkout", decision: str = "confirm", **more: object) -> Label:
    given = {"decision": decision, "weighing": "w", "proposal": "p", "service": service, "basis": _basis()}
    return Label.model_validate(given | more)


def _labelled(store: Store, n: int, label: Label) -> None:
    before = len(store.said())
    for i in range(before, before + n):
        thread = f"past/{i}"
        store.open(thread, INCIDENT.model_copy(update={"id": thread}))
        store.put_label(thread, label)


def _case(folder: Path, name: str = "small/slow") -> Path:
    return recorded_case.written(folder, recorded_case.MANIFEST.replace("small/slow", name))


def _investigated(case: Path, store: Path, confirm: str = "no") -> Outcome:
    work = casework.opened(case, casework.Place(store, chosen=True), lambda _: None)
    return work.investigate(Options(confirm=confirm), lambda _: None)  # type: ignore[arg-type]


def test_a_confirmation_of_one_incident_is_counted_in_the_next_one_and_said(tmp_path: Path) -> None:
    first = casework.opened(
        _case(tmp_path / "a", "small/a"), casework.Place(tmp_path / "s.db", chosen=True), print
    )
    waiting = first.investigate(Options(), lambda _: None)
    assert waiting.weighing.basis is not None
    first.answer(waiting.thread, Confirm(), Options(), lambda _: None)
    later = result.of_outcome(_investigated(_case(tmp_path / "b", "small/b"), tmp_path / "s.db"))
    assert later.trust.labels == 1
    assert later.calibrated is False
    told = "Not yet calibrated here: 1 of 30 confirmed incidents; read the confidences as an order."
    assert wording.trust(later) == told
    again = result.of_outcome(_investigated(tmp_path / "a", tmp_path / "s.db"))
    assert again.trust.labels == 0, "an incident's own label must not move its own confidence"


@pytest.mark.parametrize(("right", "moved"), [(True, 1), (False, -1)])
def test_labels_in_the_store_move_the_confidence_of_an_investigation(
    tmp_path: Path, right: bool, moved: int
) -> None:
    case = _case(tmp_path / "case")
    usual = _investigated(case, tmp_path / "empty.db").weighing
    with Store(tmp_path / "full.db") as store:
        _labelled(store, 25, _label("checkout" if right else "payments"))
    refined = _investigated(case, tmp_path / "full.db").weighing
    assert refined.trust.labels == 25
    assert (refined.proposals[0].confidence - usual.proposals[0].confidence) * moved > 0
    assert [p.id for p in refined.proposals] == [p.id for p in usual.proposals]
    assert refined.likely == usual.likely


def test_thirty_labels_that_agree_with_what_was_said_are_called_calibrated(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        _labelled(store, LEAST_LABELS - 4, _label())
        _labelled(store, 4, _label("payments"))
    document = result.of_outcome(_investigated(_case(tmp_path / "case"), tmp_path / "s.db"))
    assert document.calibrated
    assert all(proposal.calibrated for proposal in document.proposals)
    assert wording.trust(document) == "Calibrated on 30 confirmed incidents of your own."


def test_the_same_labels_give_the_same_bytes(tmp_path: Path) -> None:
    case = _case(tmp_path / "case")
    for name in ("one.db", "two.db"):
        with Store(tmp_path / name) as store:
            _labelled(store, 3, _label())
    one, two = (_investigated(case, tmp_path / name).weighing for name in ("one.db", "two.db"))
    assert weighing_bytes(one) == weighing_bytes(two)


def test_what_an_option_confirmed_without_anybody_looking_teaches_nothing(tmp_path: Path) -> None:
    _investigated(_case(tmp_path / "a", "small/a"), tmp_path / "s.db", confirm="yes")
    with Store(tmp_path / "s.db") as store:
        assert [label.decision for said in store.said() for label in said.labels] == ["confirm"]
    later = _investigated(_case(tmp_path / "b", "small/b"), tmp_path / "s.db")
    assert later.weighing.trust.labels == 0


def test_an_investigation_that_closes_with_nothing_wrong_is_a_label(tmp_path: Path) -> None:
    sources = open_case(_case(tmp_path / "case"))
    with Store(tmp_path / "s.db") as store:
        worker = Investigator(sources, store)
        incident = Incident(id="x", title="x", at=recorded_case.AT, window=sources.manifest.window)
        worker.investigate(incident)
        closed = worker.answer("x", NothingWrong())
        assert closed.confirmation is not None
        assert (closed.status, closed.confirmation.decision) == ("closed", "nothing_wrong")


def _taught(*said: Said, apart_from: str = "") -> tuple[int, float]:
    found = own_calibration(load_calibration(), said, NOW, apart_from)
    return found.labels, found.offset - load_calibration().offset


def test_an_incident_counts_once_and_its_latest_word_stands() -> None:
    repeated = [Said("one", (_label("payments"),))] * 20 + [Said("one", (_label(),))]
    assert _taught(*repeated) == _taught(Said("one", (_label(),)))
    assert _taught(*repeated)[0] == 1


@pytest.mark.parametrize(
    ("labels", "count", "moved"),
    [
        ((_label(),), 1, 1),
        ((_label("payments"),), 1, -1),
        ((_label(None, "something_else"),), 1, -1),
        ((_label(decision="rule_out"), _label("payments")), 1, -1),
        ((_label(decision="rule_out"), _label()), 1, 1),  # another mechanism in the same service
        ((_label(decision="rule_out"),), 1, -1),
        ((_label("payments", "rule_out"),), 0, 0),  # left open; nothing is said of the first
        ((_label(decision="partly"),), 0, 0),
        ((_label(None, "skip"),), 0, 0),
        ((_label(None, "nothing_wrong", verdict=Verdict.CAUSE),), 1, -1),
        ((_label(None, "nothing_wrong", verdict=Verdict.NO_FAULT),), 0, -1),  # a fault-free hour
        ((_label(seen=False),), 0, 0),
        ((_label(basis=None),), 0, 0),
        ((_label(basis=_basis(weights="of another ranking")),), 0, 0),
    ],
)
def test_what_was_said_is_counted_as_what_it_was(labels: tuple[Label, ...], count: int, moved: int) -> None:
    found, offset = _taught(Said("one", labels))
    assert found == count
    assert (offset > 0) - (offset < 0) == moved


def test_a_proposal_s_own_words_are_kept_with_its_label(tmp_path: Path) -> None:
    sources = open_case(_case(tmp_path / "case"))
    with Store(tmp_path / "s.db") as store:
        worker = Investigator(sources, store)
        incident = Incident(
            id="x", title="x", at=recorded_case.AT, window=sources.manifest.window, service="checkout"
        )
        waiting = worker.investigate(incident)
        worker.answer("x", RuleOut(proposal=waiting.weighing.proposals[0].id))
        worker.answer("x", SomethingElse(text="the certificate had expired"))
        said = store.said()
    assert [label.service for label in said[0].labels] == ["checkout", None]
    assert said[0].labels[0].basis == waiting.weighing.basis
    assert said[0].labels[1].basis is None, "after ruling out the confidences are others"
    assert _taught(*said)[0] == 1

"""What deciding yields: hypotheses, proposals, the weighing. Types only; the arithmetic is in `weigh`."""

from __future__ import annotations

from enum import StrEnum

from connectors.contract import Frozen, Question
from graph.traits import Traits
from playbooks.model import Entity, Evidence


class Verdict(StrEnum):
    """What the investigation says of the incident as a whole."""

    CAUSE = "cause"
    RECOVERED = "recovered"
    NO_FAULT = "no_fault"
    EXTERNAL = "external"
    UNKNOWN = "unknown"


class ProposedFile(Frozen):
    """A file to add to the repository, in the project's own framework."""

    path: str
    text: str


class NextStep(Frozen):
    """What to do first: the least blocking, most reversible step, and its undoing. Never run here.

    `locks`: what waits while it runs; `estimate`: how large and how long; `watch`: how to see it get on.
    """

    text: str
    command: str | None = None
    blocking: bool = False
    reversible: bool = True
    undo: str | None = None
    locks: str = ""
    estimate: str = ""
    watch: str | None = None
    files: tuple[ProposedFile, ...] = ()


class Proposal(Frozen):
    """One hypothesis as proposed to a person.

    `id` is stable for the same cause, service, entity and change, so that ruling it out survives another
    weighing. `confidence` is the probability that this is the cause.
    `evidence` and `against` cite `Weighing.evidence` by id.
    `mechanism_confidence` is the probability of this cause given that the fault sits in this place;
    `alternatives` are other mechanisms in the same place that the evidence does not exclude.
    """

    id: str
    rank: int
    cause: str
    title: str
    service: str | None
    entity: Entity | None
    change: str | None
    confidence: float
    why: str
    evidence: tuple[str, ...]
    against: tuple[str, ...]
    against_text: str = ""
    check_yourself: str
    next_step: NextStep
    mechanism_confidence: float = 1.0
    alternatives: tuple[str, ...] = ()


class Mark(Frozen):
    """An instant worth a line in a picture."""

    at: float
    label: str


class Picture(Frozen):
    """A series to draw: seconds since the epoch against values in `unit`; None is "no sample"."""

    title: str
    role: str
    unit: str
    times: tuple[float, ...]
    values: tuple[float | None, ...]
    baseline: float | None = None
    marks: tuple[Mark, ...] = ()


class Wanted(Frozen):
    """A question that may change the ranking: `gain` is how much it is expected to, per second of cost."""

    question: Question
    gain: float


class Likely(Frozen):
    """The conformal set: the cause is among the first `places` proposals, in `level` of all cases.

    `cases` is how many labelled incidents the promise rests on.
    """

    places: int
    level: float
    cases: int


class Basis(Frozen):
    """What the first confidence was made from, kept so that an outcome can be learned from later.

    `weights` tells under which weights of the ranking; `service` is the first proposal's; `raw` is its
    confidence before any calibration.
    """

    weights: str
    service: str
    raw: float
    traits: Traits


class Trust(Frozen):
    """How far a site's own outcomes stand behind the confidences: their number, and what is missing yet."""

    labels: int = 0
    doubt: str = ""


class Weighing(Frozen):
    """The ranking as the evidence stands: proposals by confidence, and what speaks for none of them.

    The confidences and `none_of_these` add up to 1 over the causes considered;
    `proposals` holds at most the ten best. `likely` is None where no such set can be promised; `basis` where
    a proposal was ruled out, or nobody is suspected.
    """

    verdict: Verdict
    summary: str
    proposals: tuple[Proposal, ...]
    none_of_these: float
    calibrated: bool
    evidence: dict[str, Evidence]
    wanted: tuple[Wanted, ...] = ()
    pictures: tuple[Picture, ...] = ()
    likely: Likely | None = None
    basis: Basis | None = None
    trust: Trust = Trust()

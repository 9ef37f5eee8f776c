"""The catalogue of causes: one YAML file each, read once, typed, and refused whole when one is wrong.

Weights in the files are declared starting values; `weights.json` beside them replaces them once fitted.
Loads and validates only; the arithmetic is in `playbooks.mechanisms`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

import connectors.questions as question_types
from connectors.contract import Frozen, Question
from playbooks.commands import FACTS, PLACEHOLDER, Command, complaint

FOLDER = Path(__file__).parent / "catalogue"
WEIGHTS = Path(__file__).parent / "weights.json"

EntityKind = Literal[
    "table", "statement", "session", "database", "service", "pod", "node", "external", "pool", "queue",
    "cache", "host", "change", "edge", "none",
]  # fmt: skip
MOST_LOG_ODDS = 8.0

Label = Literal["cause", "external", "recovered", "no_fault"]


class CatalogueError(Exception):
    """A playbook or the weights file cannot be used; the message names the file, in one line."""


class Sign(Frozen):
    """What a judge's answer moves: log-odds when it says yes and when it says no; unknown moves nothing.

    `judge`: a judge's name, or `signal.NAME` for a score of `ServiceSignals`.
    """

    judge: str
    if_yes: float = 0.0
    if_no: float = 0.0

    @field_validator("if_yes", "if_no")
    @classmethod
    def _bounded(cls, value: float) -> float:
        if not -MOST_LOG_ODDS <= value <= MOST_LOG_ODDS:
            raise ValueError(f"a log-odds weight lies within ±{MOST_LOG_ODDS:g}")
        return value


class Step(Frozen):
    """Something to do. Never run by this program.

    `locks`: what waits while it runs, and for what it waits itself. `estimate`: how large and how long, left
    out where its facts are missing. `watch`: how to see it get on.
    """

    text: str
    command: Command | None = None
    blocking: bool = False
    reversible: bool = True
    locks: str = ""
    estimate: str = ""
    watch: Command | None = None


class Asked(Frozen):
    """A question type worth asking while the hypothesis lives; `gain`: expected change of ranking, 0 to 1."""

    name: str
    gain: float


class Playbook(Frozen):
    """One cause: how to tell it, how a person checks it, what to do first.

    `title` uses `{service}` only; `title_named` may use the facts of its findings. `change`: log-odds when
    a change, surely guilty, is of this mechanism: labelled with the id, or (less) one of `change_labels`.
    `only_if`: the cause is rare, and thought of only when one of these signs says yes.
    `checks` and `next_steps`: the first whose facts are known is proposed; steps are listed non-blocking
    first, then reversible first.
    """

    id: str
    title: str
    title_named: str = ""
    entity: EntityKind
    verdict: Label = "cause"
    prior: float
    change: float = 0.0
    change_labels: tuple[str, ...] = ()
    signs: tuple[Sign, ...]
    checks: tuple[Command, ...]
    next_steps: tuple[Step, ...]
    questions: tuple[Asked, ...] = ()
    undo: tuple[Command, ...] = ()
    only_if: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Playbook:
        for problem in (*self._wrong_names(), *self._wrong_commands(), *self._wrong_order()):
            raise ValueError(problem)
        return self

    def _wrong_names(self) -> Iterable[str]:
        known = {q.__name__ for q in vars(question_types).values() if _is_question(q)}
        yield from (f"no such question: {q.name}" for q in self.questions if q.name not in known)
        names = [sign.judge for sign in self.signs]
        yield from (f"only_if names {name}, which is no sign" for name in self.only_if if name not in names)
        yield from (f"judge {name} stands twice" for name in sorted(set(names)) if names.count(name) > 1)
        steps = [text for step in self.next_steps for text in (step.text, step.locks, step.estimate)]
        texts = (self.title, self.title_named, *steps)
        used = {m["name"] for text in texts for m in PLACEHOLDER.finditer(text)}
        yield from (f"unknown placeholder {{{name}}}" for name in sorted(used - FACTS))
        if {m["name"] for m in PLACEHOLDER.finditer(self.title)} - {"service"}:
            yield "the plain title may use {service} only"

    def _wrong_commands(self) -> Iterable[str]:
        steps = [command for step in self.next_steps for command in (step.command, step.watch) if command]
        for command in (*self.checks, *steps, *self.undo):
            problem = complaint(command)
            if problem:
                yield problem

    def _wrong_order(self) -> Iterable[str]:
        if not self.checks or not self.next_steps:
            yield "a playbook needs a check and a next step"
        elif {name for name, _ in self.checks[-1].placeholders()} - {"service"}:
            yield "the last check must need no fact but {service}"
        order = [(step.blocking, not step.reversible) for step in self.next_steps]
        if order != sorted(order):
            yield "next steps: non-blocking first, then reversible first"


def _is_question(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Question)


class Catalogue(Frozen):
    """All playbooks by id; `weights_version` names the fitted weights, None while the declared ones count."""

    playbooks: tuple[Playbook, ...]
    weights_version: str | None = None

    def get(self, cause: str) -> Playbook | None:
        """The playbook of a cause."""
        return next((p for p in self.playbooks if p.id == cause), None)


class FittedCause(Frozen):
    """Fitted weights of one cause: prior, and yes/no by judge. Judges left out keep their declared weight."""

    prior: float | None = None
    signs: dict[str, tuple[float, float]] = Field(default_factory=dict)


class FittedWeights(Frozen):
    """The fitted weights of all causes, as `weights.json` holds them."""

    format: Literal[1]
    version: str
    causes: dict[str, FittedCause]


@lru_cache(maxsize=4)
def load_catalogue(folder: Path = FOLDER, weights: Path = WEIGHTS) -> Catalogue:
    """Every playbook of the folder, with the fitted weights where the file exists.

    Raises:
        CatalogueError: a file is wrong; one line, naming the file.
    """
    playbooks = tuple(_read(path) for path in sorted(folder.glob("*.yaml")))
    if not playbooks:
        raise CatalogueError(f"{folder}: no playbooks")
    if not weights.exists():
        return Catalogue(playbooks=playbooks)
    fitted = _read_weights(weights)
    strangers = sorted(set(fitted.causes) - {p.id for p in playbooks})
    if strangers:
        raise CatalogueError(f"{weights.name}: weights for unknown causes: {', '.join(strangers)}")
    return Catalogue(
        playbooks=tuple(_fitted(p, fitted.causes.get(p.id)) for p in playbooks),
        weights_version=fitted.version,
    )


# libyaml's safe loader reads the catalogue seven times as fast, where PyYAML was built with it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _read(path: Path) -> Playbook:
    try:
        playbook = Playbook.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER))  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CatalogueError(f"{path.name}: {' '.join(str(error).split())[:200]}") from error
    except ValidationError as error:
        raise CatalogueError(f"{path.name}: {_first(error)}") from error
    if playbook.id != path.stem:
        raise CatalogueError(f"{path.name}: its id is {playbook.id}")
    return playbook


def _read_weights(path: Path) -> FittedWeights:
    try:
        return FittedWeights.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        reason = _first(error) if isinstance(error, ValidationError) else str(error)
        raise CatalogueError(f"{path.name}: {reason}") from error


def _first(error: ValidationError) -> str:
    """The first complaint, with the field it is about."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where + ': ' if where else ''}{problem['msg']}"


def _fitted(playbook: Playbook, fitted: FittedCause | None) -> Playbook:
    if fitted is None:
        return playbook
    signs = tuple(
        Sign(judge=s.judge, if_yes=fitted.signs[s.judge][0], if_no=fitted.signs[s.judge][1])
        if s.judge in fitted.signs
        else s
        for s in playbook.signs
    )
    prior = playbook.prior if fitted.prior is None else fitted.prior
    return playbook.model_copy(update={"signs": signs, "prior": prior})

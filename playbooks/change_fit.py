"""How well a change fits the fault: what its diff can do against what is seen, and the words both share.

Log-odds and sentences; must not weigh time or place.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from connectors.answers import Change
from playbooks.change_candidates import Candidate
from playbooks.change_effects import GENERIC, Effect, Shown, describe, relevance
from playbooks.change_reach import Step
from playbooks.diff_effects import Power, power_of
from playbooks.diff_features import ANY_CONFIG
from playbooks.diff_pairs import Trace
from playbooks.diff_settings import turned
from playbooks.diff_words import rarity, shared, spelled, split_words
from playbooks.diffs import Diff, Line, Pair, Role, read_diff
from playbooks.look import FaultLook

HARMLESS = -3.5
_VERBATIM = 1.2
_BY_GENERAL_EFFECT = 1.5
"""Latency or errors alone are what nearly any edit can cause."""
_FLAG = -1.2
_NAMED_FLAG = -0.4
"""Most flags are innocuous; less so one whose name speaks of what is seen."""
_MOST = {True: 3.6, False: 2.2}
"""The most a diff may say for guilt: an edit that innocents rarely make says more than any other."""
_TOLD = "told:"
_MOST_TOLD = 0.3
"""Whoever holds the token of `POST /changes` can write what an alert says: that must not frame a service."""
_ARROW = re.compile(r"(\d[\w.%]{0,20})\s{0,4}(?:->|=>|→|to)\s{0,4}(\d[\w.%]{0,20})")
_KINDS: Mapping[str, Mapping[Effect, float]] = {
    "scale": {Effect.CPU: 0.6, Effect.QUEUE: 0.6, Effect.LATENCY: 0.5, Effect.POOL: 0.5, Effect.STARVED: 0.4},
    "migration": {
        Effect.LOCK: 0.8,
        Effect.DATABASE: 0.7,
        Effect.SCHEMA: 0.8,
        Effect.LATENCY: 0.5,
        Effect.ERRORS: 0.4,
    },
    "infrastructure": {
        Effect.NETWORK: 0.7,
        Effect.DNS: 0.6,
        Effect.PERMISSION: 0.6,
        Effect.CERTIFICATE: 0.5,
        Effect.NODE: 0.7,
    },
    "config": ANY_CONFIG,
}


@dataclass(frozen=True, slots=True)
class Fit:
    """The diff's part of the log-odds, its mechanism, and whether that mechanism is slow."""

    mechanism: Step
    words: Step
    common: tuple[str, ...]
    trace: Trace | None
    seen: Shown | None
    cause: str
    slow: bool
    harmless: bool


class Fitter:
    """Holds one fault's effects and words, and every commit's words, so that each change is read once."""

    def __init__(
        self,
        look: FaultLook,
        shown: Mapping[Effect, Shown],
        candidates: Sequence[Candidate],
        services: Sequence[str],
    ) -> None:
        """Read every candidate's diff once."""
        self._shown = shown
        self._look = look
        self._names = frozenset(word for name in services for word in split_words(name))
        self._literals: dict[str, frozenset[str]] = {}
        self._powers: dict[str, Power] = {}
        self._words: dict[str, dict[str, float]] = {}
        for candidate in candidates:
            if candidate.id not in self._powers:
                diff = _diff_of(candidate)
                self._powers[candidate.id] = (
                    power_of(diff) if candidate.commit else _of_summary(candidate.vehicle)
                )
                self._literals[candidate.id] = _literals(diff) - frozenset(services)
                self._words[candidate.id] = self._change_words(candidate, diff)
        self._rare = rarity([self._words[name] for name in sorted(self._words)])

    @cached_property
    def _spelled(self) -> dict[str, str]:
        return spelled([self._look.alert_text, *(m.text for m in self._look.moved)])

    @cached_property
    def _fault(self) -> dict[str, float]:
        return _fault_words(self._look, self._names)

    @cached_property
    def _told(self) -> str:
        return "\n".join([self._look.alert_text, *(m.text for m in self._look.moved)])[:200_000].lower()

    def fit(self, candidate: Candidate) -> Fit:
        """Hold one change against the fault; words that nobody but a teller vouches for say little."""
        found = self._fit(candidate)
        told = candidate.vehicle is not None and candidate.vehicle.id.startswith(_TOLD)
        if candidate.commit is not None or not told:
            return found
        mechanism = replace(found.mechanism, value=min(found.mechanism.value, _MOST_TOLD))
        return replace(
            found, mechanism=mechanism, words=replace(found.words, value=min(found.words.value, _MOST_TOLD))
        )

    def _fit(self, candidate: Candidate) -> Fit:
        power = self._powers[candidate.id]
        literal = self._verbatim(candidate)
        common = shared(self._fault, self._words[candidate.id], self._rare)
        words = self._word_step(common, bool(power.harmless), literal)
        names = tuple(self._spelled.get(word, word) for word, _ in common[:5])
        if power.harmless:
            step = Step(HARMLESS, f"its diff changes {power.harmless}")
            return Fit(step, words, names, None, None, "bad_deploy", slow=False, harmless=True)
        if not power.known:
            step = _unknown(candidate, bool(common))
            return Fit(step, words, names, None, None, _default_cause(candidate), slow=False, harmless=False)
        return self._known(power, words, names, candidate)

    def _known(self, power: Power, words: Step, names: tuple[str, ...], candidate: Candidate) -> Fit:
        scored = [(*_best(trace.effects, self._shown), trace) for trace in power.traces]
        best = max(
            scored, key=lambda item: (item[0], item[2].telling, item[2].name, item[2].path), default=None
        )
        general, general_seen = _best(power.general, self._shown)
        blur = 1.0 - min(0.3, 0.1 * math.log2(max(1.0, power.lines / 20.0)))
        score = best[0] * blur if best else 0.0
        if best is None or score <= general:
            value = max(-2.0, min(0.6, 5.0 * (general - 0.42)))
            return Fit(
                Step(value, _plainly(general_seen)),
                words,
                names,
                None,
                general_seen,
                _default_cause(candidate),
                slow=False,
                harmless=False,
            )
        value = max(-2.0, min(_ceiling(best[2], best[1]), 6.0 * (score - 0.42)))
        trace, seen = best[2], best[1]
        return Fit(
            Step(value, _says(trace, seen, value)),
            words,
            names,
            trace,
            seen,
            trace.cause,
            slow=trace.slow,
            harmless=False,
        )

    def _verbatim(self, candidate: Candidate) -> str:
        """A literal that this change alone put in or took out, and that the fault names to the letter."""
        others = [self._literals[name] for name in sorted(self._literals) if name != candidate.id]
        own = self._literals[candidate.id]
        hits = [
            word for word in own if word.lower() in self._told and not any(word in other for other in others)
        ]
        return max(hits, key=lambda word: (len(word), word), default="")

    def _word_step(self, common: Sequence[tuple[str, float]], harmless: bool, literal: str) -> Step:
        total = sum(weight for _, weight in common)
        value = 2.0 * (1.0 - math.exp(-total / 1.3)) * (0.15 if harmless else 1.0)
        if literal and not harmless:
            return Step(
                min(2.6, value + _VERBATIM), f"what is seen names {literal!r}, which the diff changes"
            )
        if not common:
            return Step(-0.2, "it shares no telling word with what is seen")
        named = ", ".join(self._spelled.get(word, word) for word, _ in common[:5])
        return Step(value, f"it and what is seen both speak of {named}")

    def _change_words(self, candidate: Candidate, diff: Diff) -> dict[str, float]:
        weights: dict[str, float] = {}
        for text, weight in _texts(candidate, diff):
            for word in split_words(text):
                if word not in self._names:
                    weights[word] = max(weight, weights.get(word, 0.0))
        return weights


_LITERAL = re.compile(r"[A-Za-z0-9][\w./:-]{4,80}[A-Za-z0-9]")
_DISTINCT = re.compile(r"[._/:-]|[a-z][A-Z]|[A-Z]{4}|\d")


def _literals(diff: Diff) -> frozenset[str]:
    """Distinctive names that stand on one side of the diff only: hosts, keys, paths, identifiers."""
    sides: dict[str, set[str]] = {"+": set(), "-": set(), " ": set()}
    for file in diff.files:
        for line in file.lines:
            sides[line.sign].update(word for word in _LITERAL.findall(line.text) if _DISTINCT.search(word))
    changed = {w for f in diff.files for line in (*f.added, *f.removed) for w in _LITERAL.findall(line.text)}
    return frozenset(((sides["+"] ^ sides["-"]) - sides[" "]) & changed)


def _texts(candidate: Candidate, diff: Diff) -> list[tuple[str, float]]:
    texts = (
        [(candidate.vehicle.summary, 0.8 if candidate.commit is None else 0.2)] if candidate.vehicle else []
    )
    if candidate.commit is not None:
        texts.append((candidate.commit.message, 0.35))
    for file in diff.files:
        texts.append((file.path, 0.4))
        texts.extend((line.text, 1.0) for line in (*file.added, *file.removed))
        # A dependency's name often stands on a line of its own, above its version.
        beside = 0.9 if file.role is Role.DEPENDENCY else 0.4
        texts.extend((line.text, beside) for line in file.lines if line.sign == " ")
        texts.extend((parent, 0.4) for line in (*file.added, *file.removed) for parent in line.parents[-1:])
    return texts


def _diff_of(candidate: Candidate) -> Diff:
    if candidate.commit is None:
        return Diff(known=False, files=())
    return read_diff(candidate.commit.diff, candidate.commit.files)


def _of_summary(change: Change | None) -> Power:
    """What a change without a commit can do, by its kind and the numbers its summary names."""
    if change is None or change.kind in ("flag", "deploy", "other"):
        return Power(known=False)
    arrow = _ARROW.search(change.summary[:500])
    kind = _KINDS.get(change.kind, {})
    if arrow is None:
        return Power(known=True, general={effect: 0.7 * weight for effect, weight in kind.items()})
    name = change.summary[: arrow.start()] + (" replicas " if change.kind == "scale" else " ")
    turn = turned(Pair(Line("-", name + arrow.group(1), 0), Line("+", name + arrow.group(2), 0)))
    if turn is None or turn.setting is None:
        return Power(known=True, general=kind)
    says = f"changes {turn.label} from {turn.old} to {turn.new}"
    trace = Trace("setting", says, "", change.summary[:200], turn.setting.effects, turn.setting.cause)
    return Power(known=True, traces=(trace,), general=kind)


def _fault_words(look: FaultLook, names: frozenset[str]) -> dict[str, float]:
    """The words of what moved, by how loud it moved; words that most of it shares say less."""
    weights: dict[str, float] = {}
    counts: Counter[str] = Counter()
    for text, loud in [
        (look.alert_text, 0.8),
        *((m.text, relevance(look, m.service) * abs(m.size) / (abs(m.size) + 4)) for m in look.moved),
    ]:
        words = set(split_words(text)) - names
        counts.update(words)
        for word in sorted(words):
            weights[word] = max(loud, weights.get(word, 0.0))
    return dict(sorted(weights.items()))


def _best(effects: Mapping[Effect, float], shown: Mapping[Effect, Shown]) -> tuple[float, Shown | None]:
    """The effect that this could cause and that shows, by both together."""
    scored = [
        (weight * shown[effect].strength, effect) for effect, weight in effects.items() if effect in shown
    ]
    if not scored:
        return 0.0, None
    value, effect = max(scored, key=lambda item: (item[0], item[1].value))
    return value, shown[effect]


def _says(trace: Trace, seen: Shown | None, value: float) -> str:
    if seen is None or value <= 0:
        return f"its diff {trace.says} ({trace.path}), which does not make what is seen"
    return f"its diff {trace.says} ({trace.path}), and {describe(seen)}"


def _plainly(seen: Shown | None) -> str:
    return (
        "its diff shows no edit known to cause this"
        if seen is not None
        else "its diff can cause nothing of what is seen"
    )


def _ceiling(trace: Trace, seen: Shown | None) -> float:
    """The most this edit may say: little where it meets the fault only in what every fault shows."""
    return min(_MOST[trace.telling], _BY_GENERAL_EFFECT if seen is None or seen.effect in GENERIC else 9.0)


def _unknown(candidate: Candidate, named: bool) -> Step:
    if candidate.vehicle is not None and candidate.vehicle.kind == "flag":
        return Step(_NAMED_FLAG if named else _FLAG, "what it switches is not known")
    return Step(0.0, "what it changed is not known")


def _default_cause(candidate: Candidate) -> str:
    kind = candidate.vehicle.kind if candidate.vehicle else "deploy"
    return "config_change" if kind in ("config", "flag", "scale", "infrastructure") else "bad_deploy"

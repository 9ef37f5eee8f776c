"""Systems in which nothing is wrong, whose series swing as real ones do: the null that a ranking is held to.

Every series of a system is noise of one family around its level. A fault, where a test asks for one, is added
on top. Every number comes from the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from connectors.answers import CallGraphEdges, Floats, SeriesKey, SeriesSet
from connectors.contract import Reading, Window
from connectors.questions import CallEdges, SeriesSweep
from playbooks.model import Incident, Symptom
from tests.playbooks.judged import NOW, key, read, series

Random = np.random.Generator
Noise = Callable[[Random, int], Floats]


def white(random: Random, samples: int) -> Floats:
    return np.asarray(random.standard_normal(samples))


def autoregressive(rho: float) -> Noise:
    """AR(1) of unit variance, started in its stationary law."""

    def drawn(random: Random, samples: int) -> Floats:
        steps = random.standard_normal(samples) * np.sqrt(1.0 - rho**2)
        out = np.empty(samples)
        level = float(random.standard_normal())
        for at, step in enumerate(steps.tolist()):
            level = rho * level + step
            out[at] = level
        return out

    return drawn


def random_walk(random: Random, samples: int) -> Floats:
    """A walk that spans about three over the whole window, wherever it begins."""
    return np.asarray(np.cumsum(random.standard_normal(samples)) * 3.0 / np.sqrt(samples))


def sinusoid(cycles: float, noise: float = 0.3) -> Noise:
    """So many cycles in the window, at a random phase, with a little white noise."""

    def drawn(random: Random, samples: int) -> Floats:
        phase = 2.0 * np.pi * (cycles * np.arange(samples) / samples + random.random())
        return np.asarray(1.4 * np.sin(phase) + noise * random.standard_normal(samples))

    return drawn


def smoothed(width: int) -> Noise:
    """White noise seen through a moving window, as `rate(x[5m])` every 15 seconds shows it."""

    def drawn(random: Random, samples: int) -> Floats:
        raw = random.standard_normal(samples + width - 1)
        return np.asarray(np.convolve(raw, np.full(width, 1.0 / np.sqrt(width)), "valid"))

    return drawn


def bursty(random: Random, samples: int) -> Floats:
    """Quiet, with a burst of a few samples now and then: a cron job, a garbage collector."""
    high = np.zeros(samples)
    for at in np.flatnonzero(random.random(samples) < 0.04):
        high[at : at + 5] = 2.0 + random.random()
    return np.asarray(high + 0.3 * random.standard_normal(samples))


def heavy(random: Random, samples: int) -> Floats:
    """Student's t with three degrees of freedom."""
    return np.asarray(np.clip(random.standard_t(3.0, samples), -12.0, 12.0) / 1.7)


def seasonal(cycles: float, noise: float = 0.2, width: float = 0.15) -> Noise:
    """A daily or hourly habit: the same hump in every period, at the same phase as the window's last sample.

    The last sample lies on the hump's top, so that whoever forgets the season sees a shift there.
    """

    def drawn(random: Random, samples: int) -> Floats:
        phase = (cycles * (np.arange(samples) - samples + 1) / samples) % 1.0
        away = np.minimum(phase, 1.0 - phase)
        return np.asarray(4.0 * np.exp(-((away / width) ** 2)) + noise * random.standard_normal(samples))

    return drawn


FAMILIES: Mapping[str, Noise] = {
    "white": white,
    "AR .7": autoregressive(0.7),
    "AR .9": autoregressive(0.9),
    "AR .97": autoregressive(0.97),
    "random walk": random_walk,
    "sinusoid, five cycles": sinusoid(5.0),
    "sinusoid, a cycle and a half": sinusoid(1.5),
    "rate over a window": smoothed(20),
    "bursts": bursty,
    "heavy tails": heavy,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A system: who calls whom, and how often it is sampled over how long."""

    calls: Mapping[str, tuple[str, ...]]
    samples: int = 200
    step: float = 15.0

    @property
    def entry(self) -> str:
        return next(iter(self.calls))


def _chain(length: int) -> dict[str, tuple[str, ...]]:
    return {f"n{i}": ((f"n{i + 1}",) if i + 1 < length else ()) for i in range(length)}


def _star(leaves: int) -> dict[str, tuple[str, ...]]:
    return {"hub": tuple(f"leaf{i}" for i in range(leaves)), **{f"leaf{i}": () for i in range(leaves)}}


SHAPES: Mapping[str, Shape] = {
    "chain of five, fifty minutes": Shape(_chain(5)),
    "star of twelve, an hour by the minute": Shape(_star(12), 65, 60.0),
    "pair, ten hours by the minute": Shape(_chain(2), 600, 60.0),
    "star of thirty, two days by five minutes": Shape(_star(30), 588, 300.0),
}

_METRICS: Mapping[str, tuple[float, float]] = {
    "http_requests:rate1m": (50.0, 0.10),
    "http_request_duration_seconds:avg": (0.05, 0.15),
    "http_request_duration_seconds:p99": (0.20, 0.20),
    "http_request_errors:rate1m": (0.5, 0.20),
    "container_cpu_usage_seconds:rate1m": (0.4, 0.15),
    "container_memory_working_set_bytes": (3e8, 0.05),
}
"""Each metric with its level, and its noise as a share of that."""


@dataclass(frozen=True, slots=True)
class Extra:
    """What a fault adds to a service's metrics whose name holds `what`, from the onset on.

    `by`: in units of the level; `ramp`: climbs to it over the incident, else a step.
    """

    service: str
    what: str
    by: float
    ramp: bool = False


@dataclass(frozen=True, slots=True)
class Quiet:
    """A system with noise of one family; with a fault where `extras` say so, since `last` samples."""

    shape: Shape
    noise: Noise
    seed: int = 0
    extras: tuple[Extra, ...] = ()
    last: int = 20
    amplitude: float = 1.0
    """How far everything swings, as a multiple of each metric's own share."""
    shared: float = 0.0
    """So much of every series' variance is the same swing everywhere: the load."""
    at_peak: bool = False
    """Whether the alert fires where the entry's own latency swings highest in the last third."""
    metrics: Mapping[str, tuple[float, float]] = field(default_factory=lambda: _METRICS)

    def series(self) -> SeriesSet:
        random = np.random.default_rng(self.seed)
        more = self.shape.samples // 2 if self.at_peak else 0
        samples = self.shape.samples + more
        common = self.noise(random, samples)
        rows: dict[SeriesKey, Floats] = {}
        for service in self.shape.calls:
            for metric, (level, share) in self.metrics.items():
                own = self.noise(random, samples)
                swing = np.sqrt(self.shared) * common + np.sqrt(1.0 - self.shared) * own
                rows[key(metric, service=service)] = level * np.exp(self.amplitude * share * swing)
        end = self._end(rows, samples)
        cut = {k: v[end - self.shape.samples : end] * self._fault(k) for k, v in rows.items()}
        return series(cut, NOW, self.shape.step)

    def _end(self, rows: Mapping[SeriesKey, Floats], samples: int) -> int:
        if not self.at_peak:
            return samples
        seen = rows[key("http_request_duration_seconds:avg", service=self.shape.entry)]
        return self.shape.samples + int(np.argmax(seen[self.shape.samples :])) + 1

    def _fault(self, what: SeriesKey) -> Floats:
        factor = np.ones(self.shape.samples)
        for extra in self.extras:
            if extra.service == what.get("service") and extra.what in what.metric:
                grown = np.linspace(0.0, 1.0, self.last) if extra.ramp else np.ones(self.last)
                factor[-self.last :] += extra.by * grown
        return factor

    def incident(self, symptom: Symptom = Symptom.LATENCY) -> Incident:
        seconds = self.shape.step * (self.shape.samples - 1)
        return Incident(
            id="test/quiet",
            title=f"{self.shape.entry} {symptom.value}",
            at=NOW,
            window=Window(start=NOW - timedelta(seconds=seconds), end=NOW),
            service=self.shape.entry,
            symptom=symptom,
        )

    def readings(self) -> tuple[Reading, ...]:
        window = self.incident().window
        edges = CallGraphEdges(edges=tuple((a, b) for a, found in self.shape.calls.items() for b in found))
        return read(SeriesSweep(window=window), self.series()), read(CallEdges(), edges)

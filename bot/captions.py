"""Pictures made readable: a title says whose series it is and what it measures, values get a fitting unit.

Words and units only: no sample is added, dropped or moved. The whole name of a series stands in the evidence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graph.model import Picture

_SERIES = re.compile(r"(?P<metric>[^{}\s]+)\{(?P<labels>.*)\}", re.DOTALL)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_BARE: Final = ("method", "route", "code")
"""Labels whose value needs no name: GET /orders 200."""
_WHERE_IT_RAN: Final = frozenset(
    {"namespace", "node", "instance", "job", "endpoint", "container", "pod", "reporter"}
)
"""Labels that matter only where no service is named, or where they alone tell two pictures apart."""


@dataclass(frozen=True, slots=True)
class _Named:
    """A title taken apart; `labels` is None where the title is no series in Prometheus notation."""

    metric: str
    labels: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class _Scale:
    """A unit, and what a value in the picture's own unit is multiplied with."""

    unit: str
    factor: float


def readable(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    """The pictures with short titles, each with values in a unit of their size."""
    titles = _titles([_named(picture.title) for picture in pictures])
    return tuple(
        _scaled(picture.model_copy(update={"title": title}))
        for picture, title in zip(pictures, titles, strict=True)
    )


def _named(title: str) -> _Named:
    series = _SERIES.fullmatch(title)
    return _Named(series["metric"], dict(_LABEL.findall(series["labels"]))) if series else _Named(title, None)


def _titles(names: Sequence[_Named]) -> list[str]:
    labelled = [set(name.labels.items()) for name in names if name.labels is not None]
    alike = set.intersection(*labelled) if len(labelled) > 1 else set()
    shared = {label for label, _ in alike}
    short = [_title(name, shared | _WHERE_IT_RAN) for name in names]
    return [
        text if short.count(text) == 1 else _title(name, shared)
        for name, text in zip(names, short, strict=True)
    ]


def _title(name: _Named, dropped: set[str]) -> str:
    if name.labels is None:
        return name.metric
    service = name.labels.get("service", "")
    kept = {
        label: value
        for label, value in name.labels.items()
        if value != service and (label not in dropped or not service)
    }
    bare = [kept.pop(label) for label in _BARE if label in kept]
    told = " ".join([*bare, *(f"{label}={value}" for label, value in kept.items())])
    return " · ".join(part for part in (service, name.metric, told) if part)


def _scaled(picture: Picture) -> Picture:
    scale = _scale(picture)
    if scale.factor == 1.0:
        return picture

    def resized(value: float | None) -> float | None:
        return None if value is None else value * scale.factor

    update = {
        "unit": scale.unit,
        "values": tuple(map(resized, picture.values)),
        "baseline": resized(picture.baseline),
    }
    return picture.model_copy(update=update)


def _scale(picture: Picture) -> _Scale:
    known = [abs(value) for value in picture.values if value is not None and math.isfinite(value)]
    highest = max(known, default=0.0)
    unit = picture.unit
    if unit == "s" and 0 < highest < 1:
        return _Scale("ms", 1e3) if highest >= 1e-3 else _Scale("µs", 1e6)
    if unit == "ms" and highest >= 10_000:
        return _Scale("s", 1e-3)
    if unit in {"B", "B/s"} and highest >= 1024:
        power = min(int(math.log(highest, 1024)), 4)
        return _Scale(f"{' KMGT'[power]}i{unit}", 1024.0**-power)
    if unit == "ratio" and highest <= 1.5:
        return _Scale("%", 100.0)
    return _Scale(unit, 1.0)

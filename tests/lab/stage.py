"""What a scenario is, and how the lab finds it: one file in scenarios/ with a `SCENARIO` in it.

Must not know any particular scenario.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import ClassVar

from tests.lab.casefile import Truth
from tests.lab.repository import Beginning
from tests.lab.shop import Shop


class Scenario:
    """One way for the shop to break, or to look broken."""

    name: ClassVar[str]
    about: ClassVar[str]
    alert: ClassVar[str] = "CheckoutLatencyHigh"
    beginning: ClassVar[Beginning] = Beginning()

    def arrange(self, shop: Shop) -> None:
        """What is already so when recording begins: asked of the running shop before it has warmed up."""

    def baseline(self, shop: Shop, seconds: float) -> None:
        """The time before: innocent changes belong here."""
        shop.wait(seconds)

    def inject(self, shop: Shop) -> None:
        """Break something; returns once that is done, before the alert."""
        raise NotImplementedError

    def after_alert(self, shop: Shop) -> None:
        """What happens between the alert and the moment somebody looks."""

    def truth(self) -> Truth:
        """The label; asked when all is over."""
        raise NotImplementedError


class NoSuchScenarioError(Exception):
    """The name given is not that of a scenario."""


def scenarios() -> dict[str, type[Scenario]]:
    """All scenarios by name."""
    directory = Path(__file__).parent / "scenarios"
    names = sorted(module.name for module in pkgutil.iter_modules([str(directory)]))
    found: list[type[Scenario]] = [
        importlib.import_module(f"tests.lab.scenarios.{name}").SCENARIO for name in names
    ]
    return {scenario.name: scenario for scenario in found}


def scenario(name: str) -> Scenario:
    known = scenarios()
    if name not in known:
        raise NoSuchScenarioError(f"no scenario {name!r}; there are: {', '.join(known)}")
    return known[name]()

from __future__ import annotations

from graph.machine import diagram
from tests.graph.diagram import README, block, copied


def test_the_readme_draws_the_machine_as_it_is() -> None:
    assert copied(README.read_text()) == [block()], "stale: run python -m tests.graph.diagram"


def test_the_diagram_is_the_same_text_each_time() -> None:
    assert diagram() == diagram()

"""`firstcause bench`: how good the ranking is, and what its confidence is worth, on labelled cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

PathsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="PATH...",
        help="Folders below which labelled cases lie: every folder with a case.yaml and a truth.yaml.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the tables.")]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Also write bench.json, bench.md and bench.html (with charts) into this folder.",
        show_default=False,
    ),
]
WorkersOption = Annotated[
    int,
    typer.Option(
        "--workers", metavar="N", min=0, max=256, help="Processes side by side; 0 is one for every processor."
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, help="The seed of the bootstrap intervals.")
]
NoBaselinesOption = Annotated[
    bool, typer.Option("--no-baselines", help="Leave the published simple methods out.")
]
ProtocolOption = Annotated[
    Literal["shipped", "loso", "cv"],
    typer.Option(
        "--protocol",
        help="Besides the program as shipped, refit it without the cases that are scored: loso leaves one "
        "system (folder) out at a time, cv one of five folds by guilty service. Takes about twice as long.",
    ),
]
OnlyOption = Annotated[
    str | None,
    typer.Option(
        "--only",
        metavar="GLOB",
        help="Only the cases whose folder, set or SET/FOLDER matches, as 'shop*/pool-*'.",
        show_default=False,
    ),
]


def bench(  # noqa: PLR0913 - one argument an option
    paths: PathsArgument,
    json: JsonOption = False,
    out: OutOption = None,
    workers: WorkersOption = 0,
    seed: SeedOption = 0,
    no_baselines: NoBaselinesOption = False,
    only: OnlyOption = None,
    protocol: ProtocolOption = "shipped",
) -> None:
    """Measure the ranking and its confidence on labelled incidents, your own past ones for example.

    Every case is investigated as `investigate --no-confirm` would, by processes that cannot read its
    truth.yaml; its answer is then scored, beside simple published methods on the same data. A label needs
    one line, `verdict: cause`, and earns more with `services: [checkout]` and `commit: 559e94c`.
    docs/bench.md explains every figure and how to label a case.
    """
    from bot.bench import session

    wishes = session.Wishes(
        paths=tuple(paths),
        as_json=json,
        out=out,
        workers=workers,
        seed=seed,
        baselines=not no_baselines,
        only=only,
        protocol=protocol,
    )
    session.run(wishes)

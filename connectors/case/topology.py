"""topology.csv: which service calls which, where traces do not say it."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import ClassVar

from connectors.answers import CallGraphEdges
from connectors.case.directory import CaseDirectory
from connectors.case.reader import Found, missing, unasked
from connectors.contract import Question, Source, Unavailable
from connectors.questions import CallEdges

NAME = "topology.csv"


class TopologyReader:
    """Answers who calls whom."""

    source: ClassVar[Source] = Source.TOPOLOGY
    questions: ClassVar[tuple[type[Question], ...]] = (CallEdges,)

    def __init__(self, directory: CaseDirectory) -> None:
        self._directory = directory

    def present(self) -> bool:
        """Whether the case holds a topology."""
        return self._directory.find(NAME) is not None

    def answer(self, question: Question, now: datetime) -> Found | Unavailable:  # noqa: ARG002 - it has no times
        """The edges, each once, in the file's order."""
        if not isinstance(question, CallEdges):
            return unasked(self.source, question)
        if not self.present():
            return missing(self.source, NAME)
        try:
            rows = list(csv.DictReader(io.StringIO(self._directory.read(NAME).decode("utf-8-sig"))))
        except (UnicodeDecodeError, csv.Error) as error:
            return Unavailable(self.source, f"{NAME} is not CSV: {type(error).__name__}")
        edges = dict.fromkeys(
            ((row.get("caller") or "").strip(), (row.get("callee") or "").strip()) for row in rows
        )
        kept = tuple(edge for edge in edges if all(edge))
        if not kept:
            return Unavailable(self.source, f"{NAME} holds no row with caller and callee")
        return Found(CallGraphEdges(edges=kept), f"{NAME}: {len(kept)} edges")

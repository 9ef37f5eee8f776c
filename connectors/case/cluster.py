"""kubernetes.json: a v1 List, as `kubectl get … -A -o json` prints it; or a cluster as it was read live."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from connectors.answers import ClusterState
from connectors.case.directory import CaseDirectory
from connectors.case.jsonl import Record, objects, parsed
from connectors.case.manifest import Manifest
from connectors.case.reader import Found, Once, missing, span_text, unasked, until
from connectors.case.readings import NAME as READINGS
from connectors.case.readings import Readings, Recording
from connectors.contract import Question, Source, Unavailable
from connectors.kubernetes_objects import narrowed, read_cluster
from connectors.questions import ClusterSnapshot

NAME = "kubernetes.json"
STATE = "cluster state"


class ClusterReader:
    """Answers what stood in the cluster and what happened there."""

    source: ClassVar[Source] = Source.CLUSTER
    questions: ClassVar[tuple[type[Question], ...]] = (ClusterSnapshot,)

    def __init__(self, directory: CaseDirectory, manifest: Manifest, readings: Readings) -> None:
        self._directory = directory
        self._readings = readings
        self._items = Once(self._load)
        self._catalogue = {
            (entry.workload.lower(), entry.namespace): name
            for name, entry in manifest.services.items()
            if entry.workload is not None
        }

    def present(self) -> bool:
        """Whether the case holds a cluster."""
        return self._directory.find(NAME) is not None or self._readings.holds(_is_state)

    def answer(self, question: Question, now: datetime) -> Found | Unavailable:
        """The objects as they stand, and the events of the window."""
        if not isinstance(question, ClusterSnapshot):
            return unasked(self.source, question)
        if self._directory.find(NAME) is None:
            return self._read_live(question, now)
        items = self._items.get()
        if items is None:
            return Unavailable(self.source, f"{NAME} is not a list of Kubernetes objects")
        state = read_cluster(items, now, self._service_of)
        state = narrowed(state, question.namespaces, question.window, now)
        end = until(question.window, now)
        counts = f"{len(state.pods)} pods, {len(state.rollouts)} rollouts, {len(state.events)} events"
        return Found(state, f"{NAME}: {counts}, {span_text(question.window.start, end)}", end)

    def _read_live(self, question: ClusterSnapshot, now: datetime) -> Found | Unavailable:
        """The last state that was read while the case was recorded."""
        read = self._readings.of(_is_state, until(question.window, now))
        if not read:
            return missing(self.source, NAME)
        try:
            held = ClusterState.model_validate(read[-1].answer)
        except ValueError:
            return Unavailable(self.source, f"{READINGS}: the cluster's state cannot be read")
        state = narrowed(held, question.namespaces, question.window, now)
        counts = f"{len(state.pods)} pods, {len(state.rollouts)} rollouts, {len(state.events)} events"
        return Found(state, f"{READINGS}: {counts}, as read at {read[-1].at:%FT%TZ}", read[-1].at)

    def _service_of(self, namespace: str, workload: str | None) -> str | None:
        if workload is None:
            return None
        exact = self._catalogue.get((workload.lower(), namespace))
        return exact if exact is not None else self._catalogue.get((workload.lower(), None))

    def _load(self) -> list[Record] | None:
        document = parsed(self._directory.read(NAME))
        if document is None:
            return None
        items = objects(document.get("items"))
        kind = str(document.get("kind", ""))
        if kind.endswith("List") and kind != "List":
            return [{**item, "kind": item.get("kind") or kind.removesuffix("List")} for item in items]
        return items if isinstance(document.get("items"), list) else None


def _is_state(recording: Recording) -> bool:
    return recording.connector == "cluster" and recording.question == STATE

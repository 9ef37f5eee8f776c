"""From what pagers, alerts and people call a service to where it runs: written, Backstage, discovered. Pure.

Each field of a service comes from the first that says it: the configuration, then Backstage, then what
the sources show. Where it came from is kept, so that `firstcause services` can explain it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from connectors.case.manifest import ServiceEntry

FIELDS = ("namespace", "workload", "databases", "repository", "dashboards", "aliases")
_SETS = frozenset({"databases", "dashboards", "aliases"})


@dataclass(frozen=True, slots=True)
class Told:
    """What one origin tells about one service. `origin` is shown to people: "written", "discovered: …"."""

    service: str
    origin: str
    values: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Fact:
    """A field's value and who says so."""

    values: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Service:
    """One service with what is known of it."""

    name: str
    facts: Mapping[str, Fact]
    origins: tuple[str, ...]

    def of(self, name: str) -> tuple[str, ...]:
        """A field's values, empty where nobody says any."""
        return self.facts[name].values if name in self.facts else ()

    def first(self, name: str) -> str | None:
        """A field's first value."""
        return next(iter(self.of(name)), None)

    def entry(self) -> ServiceEntry:
        """The service as an incident and a case know it."""
        return ServiceEntry(
            namespace=self.first("namespace"),
            workload=self.first("workload"),
            database=self.first("databases"),
            repository=self.first("repository"),
        )


@dataclass(frozen=True)
class ServiceMap:
    """Every service known. `silent`: who could not say which services there are, and why.

    `spellings`: each service by every name that means it, names in lower case.
    """

    services: Mapping[str, Service]
    silent: tuple[str, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict, repr=False)

    def find(self, name: str) -> Service | None:
        """The service behind a name, an alias or another spelling of its case; None where nobody knows it."""
        exact = self.services.get(name)
        return exact if exact is not None else self.services.get(self.spellings.get(name.casefold(), ""))

    def names(self) -> list[str]:
        """Every service, by its own name."""
        return sorted(self.services)

    def nearest(self, name: str) -> list[str]:
        """The known names closest to one that is not known."""
        close = get_close_matches(name.casefold(), self.spellings, n=4, cutoff=0.55)
        return list(dict.fromkeys(self.spellings[each] for each in close))


def resolved(told: Iterable[Told], silent: Sequence[str] = ()) -> ServiceMap:
    """The map of everything told, earlier tellings counting before later ones, field by field."""
    facts: dict[str, dict[str, Fact]] = {}
    origins: dict[str, list[str]] = {}
    for each in told:
        known = facts.setdefault(each.service, {})
        origins.setdefault(each.service, []).append(each.origin)
        for name, values in each.values.items():
            _tell(known, name, values, each.origin)
    services = {
        name: Service(name, facts[name], tuple(dict.fromkeys(origins[name]))) for name in sorted(facts)
    }
    return ServiceMap(services, tuple(silent), _spellings(services))


def _tell(known: dict[str, Fact], name: str, values: tuple[str, ...], origin: str) -> None:
    """Take a field that nobody told before; what several of one origin tell of a set adds up."""
    if not values:
        return
    before = known.get(name)
    if before is None:
        known[name] = Fact(values, origin)
    elif before.origin == origin and name in _SETS:
        known[name] = Fact(tuple(dict.fromkeys((*before.values, *values))), origin)


def _spellings(services: Mapping[str, Service]) -> dict[str, str]:
    """Every spelling that means a service: aliases first, so that a service's own name counts before one."""
    names = {alias.casefold(): name for name, service in services.items() for alias in service.of("aliases")}
    return names | {name.casefold(): name for name in services}


_WORKLOAD_LABELS = ("workload", "deployment", "statefulset", "daemonset")


class Written:
    """The service of a series' labels, by what is written; None where the labels must tell it themselves."""

    def __init__(self, services: ServiceMap) -> None:
        self._services = services
        self._workloads = {
            (workload.rpartition("/")[2], service.first("namespace")): name
            for name, service in services.services.items()
            if (workload := service.first("workload")) is not None
        }

    def service_of(self, labels: Mapping[str, str]) -> str | None:
        """The service of these labels: by an alias, by its workload, or by its pod's name."""
        named = labels.get("service")
        known = self._services.find(named) if named else None
        if known is not None:
            return known.name
        namespace = labels.get("namespace")
        for label in _WORKLOAD_LABELS:
            found = self._by_workload(labels.get(label, "").rpartition("/")[2], namespace)
            if found is not None:
                return found
        return self._by_pod(labels.get("pod", ""), namespace)

    def of_workload(self, namespace: str, workload: str | None) -> str | None:
        """The service that a namespace's workload is (`deployment/checkout`), None where nobody wrote it."""
        return self._by_workload(workload.rpartition("/")[2], namespace) if workload else None

    def _by_workload(self, workload: str, namespace: str | None) -> str | None:
        exact = self._workloads.get((workload, namespace))
        return exact if exact is not None else self._workloads.get((workload, None))

    def _by_pod(self, pod: str, namespace: str | None) -> str | None:
        """A pod is named workload-hash-id, workload-id or workload-number."""
        for parts in (2, 1):
            workload = "-".join(pod.split("-")[:-parts])
            found = self._by_workload(workload, namespace) if workload else None
            if found is not None:
                return found
        return None

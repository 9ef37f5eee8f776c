"""What a mechanism reads like to a person: title, reason, a check to run, the next step, how to undo it.

Templates come from the catalogue, facts from the findings; a template whose facts are missing gives way to
the next. Must not rank.
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors.contract import Frozen
from playbooks.catalogue import Catalogue, Playbook, load_catalogue
from playbooks.commands import render, words
from playbooks.facts import short
from playbooks.mechanisms import Mechanism, facts_of
from playbooks.model import Finding

FALLBACK_CHECK = "kubectl get events -A --sort-by=.lastTimestamp"
MOST_REASONS = 3


class Wording(Frozen):
    """A mechanism in words. `command` and `undo` are None where the facts for one are missing."""

    title: str
    why: str
    against: str
    check: str
    step: str
    command: str | None = None
    blocking: bool = False
    reversible: bool = True
    undo: str | None = None
    locks: str = ""
    estimate: str = ""
    watch: str | None = None
    files: tuple[tuple[str, str], ...] = ()


def word(
    mechanism: Mechanism,
    service: str,
    facts: Mapping[str, str] | None = None,
    catalogue: Catalogue | None = None,
) -> Wording:
    """Put a mechanism into words.

    Args:
        mechanism: as ranked.
        service: the service it was ranked for.
        facts: what else is known (namespace, workload, version, commit …); a finding's own facts go first.
        catalogue: the playbooks; the project's own when None.
    """
    known = {**(facts or {}), **facts_of(mechanism), "service": service}
    why = "; ".join(f.why for f in _told(mechanism)[:MOST_REASONS])
    against = "; ".join(f.why for f in mechanism.against[:MOST_REASONS])
    book = (catalogue or load_catalogue()).get(mechanism.cause)
    if book is None:
        return _unknown(service, why, against)
    return _worded(book, known, why, against)


def _told(mechanism: Mechanism) -> list[Finding]:
    """What says yes first; that something else was excluded comes last."""
    return sorted(mechanism.findings, key=lambda f: f.state != "yes")


def _worded(book: Playbook, known: Mapping[str, str], why: str, against: str) -> Wording:
    titles = [words(t, known) for t in (book.title_named, book.title) if t]
    checks = [render(c, known) for c in book.checks]
    undo = next(filter(None, (render(c, known) for c in book.undo)), None)
    file = (known.get("migration_path", ""), known.get("migration_text", ""))
    for step in book.next_steps:
        command = render(step.command, known) if step.command else None
        text = words(step.text, known)
        if text is not None and (step.command is None or command is not None):
            return Wording(
                title=next(t for t in titles if t),
                why=why,
                against=against,
                check=next((c for c in checks if c), FALLBACK_CHECK),
                step=text,
                command=command,
                blocking=step.blocking,
                reversible=step.reversible,
                undo=undo,
                locks=words(step.locks, known) or "",
                estimate=words(step.estimate, known) or "",
                watch=render(step.watch, known) if step.watch else None,
                files=(file,) if all(file) else (),
            )
    return _unknown(known["service"], why, against)


def _unknown(service: str, why: str, against: str) -> Wording:
    service = short(service, 80)
    return Wording(
        title=f"Something in {service} that no playbook knows",
        why=why,
        against=against,
        check=FALLBACK_CHECK,
        step=f"Look into {service} itself: its newest change, its logs, its slowest traces",
    )

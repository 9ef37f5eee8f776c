from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answers import LogSet
from connectors.contract import Source
from graph.judgement import weigh
from graph.model import Proposal, Weighing
from graph.proposing import Registry
from playbooks.model import Evidence, ServiceEntry
from tests.playbooks.judged import CALLS, NOW, Shop, Trouble, with_answer

EVERYTHING = "metrics traces logs edges changes commits"
TROUBLES = {
    "slow code": Trouble(own={"payments": 0.2}),
    "slow database": Trouble(waits={"checkout": 0.2}),
    "network": Trouble(network={"catalogue": 0.1}),
    "errors": Trouble(failing={"payments": 0.3}),
    "exception": Trouble(raising={"catalogue": 0.6}),
    "processor": Trouble(cpu={"catalogue": 3.0}),
    "leak": Trouble(leak={"catalogue": 1.0}),
    "surge": Trouble(traffic=2.0),
}
HOSTILE = (
    "$(rm -rf /)",
    "`reboot`",
    "a; rm -rf /",
    "x' OR '1'='1",
    "x'; DROP TABLE orders; --",
    '"; DROP TABLE orders; --',
    "<script>alert(1)</script>",
    "two\nlines; reboot",
    "-rf",
    "--all=true",
    "a|b&c>d",
    "\x1b[31mred",
    "*",
    "~root",
    "{service}",
    "ünïcödé 名前",
)


def _commands(proposal: Proposal) -> list[str]:
    step = proposal.next_step
    return [text for text in (proposal.check_yourself, step.command, step.undo) if text]


def _weighed(trouble: Trouble, names: dict[str, str] | None = None) -> Weighing:
    shop = Shop(trouble, traces=(20, 16))
    shop = replace(shop, names=names) if names else shop
    return weigh(shop.incident(), shop.readings(EVERYTHING))


WEIGHED = {name: _weighed(trouble) for name, trouble in TROUBLES.items()}


# --- citations ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_every_citation_exists_and_can_be_checked(trouble: str) -> None:
    weighing = WEIGHED[trouble]
    cited = {name for p in weighing.proposals for name in (*p.evidence, *p.against)}
    assert cited == set(weighing.evidence)
    for fact in weighing.evidence.values():
        assert re.fullmatch(r"[0-9a-f]{64}", fact.sha256)
        assert fact.query
        assert fact.question
        assert fact.value
        assert fact.at <= NOW


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_the_first_proposal_has_evidence(trouble: str) -> None:
    assert WEIGHED[trouble].proposals[0].evidence


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_what_is_read_is_one_line_each_and_nothing_is_left_out(trouble: str) -> None:
    for p in WEIGHED[trouble].proposals:
        for text in (p.why, p.title, p.against_text, p.check_yourself, p.next_step.text):
            assert text
            assert text.isprintable()
            assert "None" not in text
        assert len(p.why) <= 320


def _fact(value: str, query: str = "q") -> Evidence:
    return Evidence(source=Source.METRICS, question="Q", query=query, at=NOW, value=value, sha256="a" * 64)


def test_the_same_fact_keeps_its_id_and_another_gets_its_own() -> None:
    registry = Registry()
    assert [registry.cite(_fact(v)) for v in ("1", "2", "1")] == ["e1", "e2", "e1"]
    assert set(registry.known) == {"e1", "e2"}


# --- hostile names ------------------------------------------------------------------------------------
def _harmless(command: str, name: str) -> None:
    """A shell reads the name as one plain word or a part of one, or not at all; no line is broken."""
    assert "\n" not in command
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    tokens = list(lexer)
    assert not any(set(token) <= set(";|&<>()") and token for token in tokens), command
    naked = re.sub(r"'[^']*'", "", command.replace("'\"'\"'", ""))
    if re.search(r"[^\w.\-= ]", name):
        assert name not in naked.replace('"$PROMETHEUS_URL"', "")
    assert "$(" not in naked
    assert "`" not in naked


@pytest.mark.parametrize("trouble", ["slow database", "leak"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_service_name_never_reaches_a_command_unquoted(trouble: str, name: str) -> None:
    names = {s: f"{name}{n}" if n else name for n, s in enumerate(CALLS)}
    for proposal in _weighed(TROUBLES[trouble], names).proposals[:4]:
        for command in _commands(proposal):
            _harmless(command, proposal.service or "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_catalogue_never_reaches_a_command_unquoted(name: str) -> None:
    entry = {"namespace": name, "workload": f"deployment/{name}", "database": name}
    entries = tuple(ServiceEntry(name=service, **entry) for service in CALLS)
    for trouble in ("slow database", "leak"):
        shop = Shop(TROUBLES[trouble], traces=(30, 25))
        for proposal in weigh(shop.incident(services=entries), shop.readings()).proposals[:3]:
            for command in _commands(proposal):
                _harmless(command, name)


def test_a_service_name_of_two_lines_gives_a_title_of_one() -> None:
    names = {s: f"{s}\nreboot" for s in CALLS}
    for weighing in (_weighed(TROUBLES["slow code"], names), _weighed(TROUBLES["errors"], names)):
        assert all(p.title.isprintable() and p.next_step.text.isprintable() for p in weighing.proposals)


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31mred\x1b[0m", "a\u2028b", "\r\n\r\n"])
def test_hostile_log_lines_leave_why_one_printable_line(name: str) -> None:
    shop = Shop(TROUBLES["exception"], traces=(30, 25))

    def said(answer: object) -> object:
        if not isinstance(answer, LogSet):
            return answer
        return replace(
            answer,
            records=tuple(
                replace(r, body=f"Boom {name} happened") if r.severity == "ERROR" else r
                for r in answer.records
            ),
        )

    weighing = weigh(shop.incident(), with_answer(shop.readings(), said))  # type: ignore[arg-type]
    assert "Boom" in weighing.proposals[0].why
    for proposal in weighing.proposals:
        assert "\n" not in proposal.why
        assert proposal.why.isprintable()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.text(min_size=1, max_size=30).filter(str.strip))
def test_any_name_of_a_service_can_be_weighed(name: str) -> None:
    shop = Shop(TROUBLES["slow code"], traces=(8, 8))
    shop = replace(shop, names={s: f"{name}{n}" for n, s in enumerate(CALLS)})
    for proposal in weigh(shop.incident(), shop.readings("traces logs edges")).proposals:
        for command in _commands(proposal):
            assert "\n" not in command
            shlex.split(command)

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import result
from graph.model import Verdict
from tests.bot import samples

ROOT = Path(__file__).resolve().parents[2]


def test_the_schema_in_the_docs_is_the_one_the_code_makes() -> None:
    kept = json.loads((ROOT / "docs" / "result.schema.json").read_text(encoding="utf-8"))
    assert kept == result.schema(), "run: firstcause schema > docs/result.schema.json"


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_result_follows_the_schema(verdict: Verdict) -> None:
    document = result.of_outcome(samples.outcome(samples.weighing(verdict=verdict)))
    schema = result.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(document.to_json()))


def test_the_contract_of_the_case_format_holds_key_by_key() -> None:
    document = json.loads(result.of_outcome(samples.outcome()).to_json())
    assert document["format"] == 1
    assert document["incident"] == "lab/sample"
    assert document["verdict"] == "cause"
    first = document["proposals"][0]
    assert first["rank"] == 1
    assert first["entity"] == {"kind": "table", "name": "orders"}
    assert first["next_step"]["blocking"] is False
    assert first["next_step"]["undo"] == "DROP INDEX CONCURRENTLY orders_customer_ref_idx;"
    assert first["next_step"]["files"][0]["path"] == "migrations/0012_orders_customer_ref_idx.sql"
    assert document["proposals"][1]["next_step"]["undo"] is None
    assert document["proposals"][1]["next_step"]["files"] == []
    assert set(first["evidence"]) <= set(document["evidence"])
    assert document["evidence"]["e1"]["at"] == "2026-06-18T15:06:00Z"
    assert document["llm"] == {"calls": 0, "tokens": 0, "usd": 0.0}
    assert document["coverage"]["logs"].startswith("unavailable: ")
    assert document["likely"] == {
        "places": 2,
        "level": 0.9,
        "proposals": [each["id"] for each in document["proposals"][:2]],
        "cases": 88,
    }
    assert document["trust"] == {"labels": 3, "doubt": "3 of 30 confirmed incidents"}


@pytest.mark.parametrize("verdict", [Verdict.RECOVERED, Verdict.NO_FAULT])
def test_where_nothing_is_wrong_no_set_holds_a_cause(verdict: Verdict) -> None:
    assert result.of_outcome(samples.outcome(samples.weighing(verdict=verdict))).likely is None


def test_confidences_and_the_rest_add_up_to_one() -> None:
    document = result.of_outcome(samples.outcome())
    total = sum(p.confidence for p in document.proposals) + document.none_of_these + document.others
    assert total == pytest.approx(1.0, abs=1e-12)


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=12))
def test_rounding_together_keeps_the_sum_and_the_order(weights: list[float]) -> None:
    shares = sorted((w / sum(weights) for w in weights), reverse=True)
    rounded = result.rounded_together(shares)
    assert sum(rounded.listed) + rounded.others == pytest.approx(1.0, abs=1e-9)
    assert rounded.listed == sorted(rounded.listed, reverse=True)
    assert all(abs(a - b) <= 1e-4 for a, b in zip(shares, rounded.listed, strict=True))


def test_what_is_not_listed_is_told_as_others() -> None:
    assert result.rounded_together([0.5, 0.2]).others == 0.3


def test_the_document_is_ascii_so_that_no_terminal_obeys_it() -> None:
    fact = samples.evidence()["e1"].model_copy(update={"value": "x\x9b31m\u202ey"})
    text = result.of_outcome(samples.outcome(samples.weighing(evidence={"e1": fact}))).to_json()
    assert text.isascii()
    assert json.loads(text)["evidence"]["e1"]["value"] == "x\x9b31m\u202ey"


def test_the_same_outcome_gives_the_same_bytes() -> None:
    assert result.of_outcome(samples.outcome()).to_json() == result.of_outcome(samples.outcome()).to_json()

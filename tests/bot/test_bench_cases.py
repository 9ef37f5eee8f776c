from __future__ import annotations

from pathlib import Path

import pytest

from bot.bench import cases
from bot.bench.cases import Truth
from bot.errors import BadInputError
from graph.model import Verdict
from playbooks.model import Entity


def case(folder: Path, truth: str | None = "verdict: cause\n") -> Path:
    folder.mkdir(parents=True)
    (folder / "case.yaml").write_text("format: 1\n", encoding="utf-8")
    if truth is not None:
        (folder / "truth.yaml").write_text(truth, encoding="utf-8")
    return folder


def test_every_labelled_case_is_found_once_and_named_by_its_set(tmp_path: Path) -> None:
    case(tmp_path / "shop" / "b")
    case(tmp_path / "shop" / "a")
    case(tmp_path / "deep" / "er" / "c")
    case(tmp_path / "shop" / "unlabelled", truth=None)
    found = cases.find([tmp_path, tmp_path / "shop"])
    assert [each.name for each in found.cases] == ["er/c", "shop/a", "shop/b"]
    assert found.unlabelled == 1


def test_a_case_itself_is_a_path_and_nothing_inside_of_a_case_is_another(tmp_path: Path) -> None:
    outer = case(tmp_path / "shop" / "a")
    case(outer / "repository" / "b")
    assert [each.name for each in cases.find([outer]).cases] == ["shop/a"]


@pytest.mark.parametrize("only", ["a", "shop", "shop/a", "s*/?", "[a]"])
def test_only_chooses_by_folder_set_or_both(tmp_path: Path, only: str) -> None:
    case(tmp_path / "shop" / "a")
    case(tmp_path / "other" / "bb")
    assert [each.name for each in cases.find([tmp_path], only).cases] == ["shop/a"]


def test_no_case_is_said_with_what_is_there_instead(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no cases found"):
        cases.find([tmp_path])
    with pytest.raises(BadInputError, match="no such directory"):
        cases.find([tmp_path / "missing"])
    case(tmp_path / "shop" / "a", truth=None)
    with pytest.raises(BadInputError, match=r"none of the 1 folders with a case\.yaml has a truth\.yaml"):
        cases.find([tmp_path])
    with pytest.raises(BadInputError, match="--only x: matches none of the 1 cases"):
        cases.find([tmp_path], "x")


def test_a_truth_is_read_with_all_its_fields(tmp_path: Path) -> None:
    text = (
        "verdict: cause\nservices: [cart]\ncause: missing_index\ncommit: 4074e93\n"
        "entity: {kind: table, name: orders}\nnot: ['0123456', 78ad413]\n"
    )
    assert cases.read_truth(case(tmp_path / "a", text)) == Truth(
        verdict=Verdict.CAUSE,
        services=("cart",),
        cause="missing_index",
        commit="4074e93",
        entity=Entity(kind="table", name="orders"),
        decoys=("0123456", "78ad413"),
    )


def test_a_hash_of_digits_is_not_read_as_a_number(tmp_path: Path) -> None:
    assert cases.read_truth(case(tmp_path / "a", "verdict: cause\ncommit: 0123e45\n")).commit == "0123e45"


def test_an_empty_field_is_no_label_and_the_word_none_is_one(tmp_path: Path) -> None:
    assert cases.read_truth(case(tmp_path / "a", "verdict: cause\ncommit:\ncause: null\n")).commit is None
    assert cases.read_truth(case(tmp_path / "b", "verdict: cause\ncommit: none\n")).commit == "none"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("services: [a]\n", "verdict: is missing"),
        ("verdict: guilty\n", "verdict: 'guilty' is unknown"),
        ("verdict: [cause]\n", "verdict: is not a text"),
        ("verdict: cause\nservices: cart\n", "services: is not a list"),
        ("verdict: cause\nservices: [{name: a}]\n", "services: is not a list"),
        ("verdict: cause\nservice: [cart]\n", "service: no such field"),
        ("verdict: cause\nentity: orders\n", "entity: needs a kind and a name"),
        ("verdict: cause\nentity: {kind: table}\n", "entity: needs a kind and a name"),
        ("verdict: cause\ncommit: [a]\n", "commit: is not a text"),
        ("verdict: cause\ncommit: abc\nnot: [abc]\n", "not: names abc"),
        ("- cause\n", "not a mapping"),
        ("verdict: 'cause\n", "not YAML"),
        ("", "not a mapping"),
    ],
)
def test_a_malformed_truth_names_the_file_and_the_field_in_one_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    folder = case(tmp_path / "a", text)
    with pytest.raises(BadInputError, match=complaint) as refused:
        cases.read_truth(folder)
    assert str(folder / "truth.yaml") in str(refused.value)
    assert "\n" not in str(refused.value)

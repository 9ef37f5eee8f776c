"""The command on every recorded incident of the repository: what it says, twice, killed and whole."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml
from slack_sdk import WebClient

from bot import casework
from bot.slack.blocks import MOST_WEIGHT, weight
from bot.slack.card import card
from bot.slack.thread import thread
from bot.store import Store
from tests.bot import golden
from tests.doubles.slack import Slack, slack

ROOT = Path(__file__).resolve().parents[2]
INCIDENTS = sorted(path.parent for path in (ROOT / "tests" / "incidents").glob("*/case.yaml"))
DEMO = ROOT / "tests" / "incidents" / "missing-index-after-deploy"
NAMES = [incident.name for incident in INCIDENTS]
THOROUGH = [
    incident
    for incident in INCIDENTS
    if incident.name in {"missing-index-after-deploy", "no-fault", "recovered", "slow-dependency"}
]
"""One of each verdict: what is said of running twice and of being killed does not depend on the incident."""

LACKING = {
    "foreign-key-without-index": ("invoices", "order_id"),
    "invalid-index": ("orders", "external_reference"),
    "missing-index-after-deploy": ("orders", "customer_email"),
    "missing-index-alembic": ("payments", "reference"),
    "missing-index-prisma": ("reviews", "product_id"),
}
"""The table and the columns that the proposed index must be on."""

DATABASE_CAUSES = {
    "checkpoint_storm", "lock_contention", "missing_index", "replication_lag", "sequence_exhausted",
    "slow_query", "stale_statistics", "transaction_ids_exhausted", "vacuum_blocked",
}  # fmt: skip

Document = Mapping[str, object]


def environment(state: Path, seed: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return {**kept, "XDG_STATE_HOME": str(state), "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}


def run(*arguments: str | Path, state: Path, seed: str = "1") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot.commands", *map(str, arguments)],
        check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240,
        env=environment(state, seed),
    )  # fmt: skip


def printed(done: subprocess.CompletedProcess[str]) -> Document:
    """The document that was printed, which follows the published schema."""
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    schema = json.loads((ROOT / "docs" / "result.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert isinstance(document, dict)
    return document


def ranking(document: Document) -> bytes:
    """What must be the same, byte for byte, however often and in however many pieces it was found."""
    return json.dumps([document["proposals"], document["evidence"]]).encode()


@cache
def found(incident: Path, state: Path) -> Document:
    return printed(run("investigate", "--case", incident, "--json", "--no-confirm", state=state))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


def truth(incident: Path) -> dict[str, object]:
    """The label. This test may read it; no investigation can."""
    label = yaml.safe_load((incident / "truth.yaml").read_text(encoding="utf-8"))
    assert isinstance(label, dict)
    return label


def proposals(document: Document) -> list[dict[str, object]]:
    listed = document["proposals"]
    assert isinstance(listed, list)
    return listed


KNOWN_WRONG: dict[str, str] = {
    "busy-database cause": "usual traffic swings so far that its doubling is not told; no mechanism is named",
}
"""What the label says and the command does not yet say. Strict: what comes right must leave this list."""


def labelled() -> list[object]:
    """Each thing that each label says: of the verdict always, of the rest where something is at fault."""
    said: list[object] = []
    for incident in INCIDENTS:
        label = truth(incident)
        fault = label["verdict"] in {"cause", "external"}
        caused = ("cause", "services", "entity", "commit") if fault else ()
        for key in ("verdict", *(key for key in caused if key in label)):
            name = f"{incident.name} {key}"
            wrong = [pytest.mark.xfail(reason=KNOWN_WRONG[name], strict=True)] if name in KNOWN_WRONG else []
            said.append(pytest.param(incident, key, id=name, marks=wrong))
    return said


@pytest.mark.parametrize(("incident", "key"), labelled())
def test_the_first_proposal_is_what_the_label_says(incident: Path, key: str, state: Path) -> None:
    document, said = found(incident, state), truth(incident)[key]
    first = proposals(document)[0]
    if key == "verdict":
        assert document["verdict"] == said
    elif key == "services":
        assert isinstance(said, list)
        assert first["service"] in said
    elif key == "commit":
        assert first["change"] == (None if said == "none" else said)
    else:
        assert first[key] == said


@pytest.mark.parametrize("incident", INCIDENTS, ids=NAMES)
def test_no_decoy_is_believed_or_stands_above_the_answer(incident: Path, state: Path) -> None:
    decoys = truth(incident).get("not", [])
    assert isinstance(decoys, list)
    named = [p for p in proposals(found(incident, state)) if p["change"] in decoys]
    assert all(float(str(p["confidence"])) < 0.5 for p in named)
    assert truth(incident)["verdict"] != "cause" or all(p["rank"] != 1 for p in named)


@pytest.mark.parametrize("name", LACKING)
def test_the_proposed_index_is_on_the_table_and_columns_that_lack_one(name: str, state: Path) -> None:
    first = proposals(found(ROOT / "tests" / "incidents" / name, state))[0]
    table, columns = LACKING[name]
    assert first["title"] == f"No index on {table} ({columns})"
    step = first["next_step"]
    assert isinstance(step, dict)
    assert f"ON public.{table} ({columns})" in step["command"]


def test_an_invalid_index_is_named_as_one(state: Path) -> None:
    document = found(ROOT / "tests" / "incidents" / "invalid-index", state)
    evidence, first = document["evidence"], proposals(document)[0]
    assert isinstance(evidence, dict)
    assert isinstance(first["evidence"], list)
    said = [str(evidence[one]["value"]) for one in first["evidence"]]
    assert any("orders_external_reference_key on orders" in one and "is INVALID" in one for one in said)


WELL = [incident for incident in INCIDENTS if truth(incident).get("cause") not in DATABASE_CAUSES]


@pytest.mark.parametrize("incident", WELL, ids=lambda incident: incident.name)
def test_no_database_cause_is_believed_where_the_database_is_well(incident: Path, state: Path) -> None:
    believed = [p for p in proposals(found(incident, state)) if p["cause"] in DATABASE_CAUSES]
    assert all(float(str(p["confidence"])) <= 0.5 for p in believed)


@pytest.mark.parametrize("incident", THOROUGH, ids=lambda incident: incident.name)
def test_the_same_incident_twice_gives_the_same_bytes(incident: Path, state: Path, tmp_path: Path) -> None:
    again = run("investigate", "--case", incident, "--json", "--no-confirm", state=tmp_path, seed="2")
    assert ranking(printed(again)) == ranking(found(incident, state))


@pytest.mark.parametrize("incident", INCIDENTS, ids=NAMES)
def test_every_reading_cited_is_in_the_document(incident: Path, state: Path) -> None:
    document = found(incident, state)
    evidence = document["evidence"]
    assert isinstance(evidence, dict)
    for proposal in proposals(document):
        assert {*proposal["evidence"], *proposal["against"]} <= set(evidence)  # type: ignore[misc]


def test_yes_confirms_the_first_proposal_and_keeps_that_as_a_label(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    document = printed(
        run("investigate", "--case", DEMO, "--json", "--yes", "--store", store, state=tmp_path)
    )
    thread = casework.opened(DEMO, casework.Place(store, chosen=True), print).thread
    with Store(store) as record:
        seal, labels = record.sealed(thread), record.labels(thread)
    assert [label.decision for label in labels] == ["confirm"]
    assert labels[0].proposal == proposals(document)[0]["id"]
    assert seal is not None
    assert seal.label == labels[0]


KILLED_AT = """
import os, signal, sys
from bot.investigation import Investigator

class Killed(Investigator):
    def __init__(self, **given):
        moment, listen, seen = sys.argv[1].split(":"), given.pop("listen"), []
        def heard(event):
            listen(event)
            seen.append(event.state == "answered" and event.stage == moment[0])
            if event.stage == moment[0] and sum(seen) >= int(moment[1]):
                os.kill(os.getpid(), signal.SIGKILL)
        super().__init__(listen=heard, **given)

from bot import casework
casework.Investigator = Killed
from bot.cli import run
run(sys.argv[2:])
"""


@pytest.mark.parametrize("incident", THOROUGH, ids=lambda incident: incident.name)
def test_a_command_that_was_killed_is_finished_by_the_same_command(
    incident: Path, state: Path, tmp_path: Path
) -> None:
    arguments = ["investigate", "--case", str(incident), "--json", "--no-confirm"]
    for moment in ("gather:4", "propose:0"):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED_AT, moment, *arguments],
            check=False, capture_output=True, text=True, timeout=240, env=environment(tmp_path, "3"),
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert killed.stdout == ""
    finished = printed(run(*arguments, state=tmp_path, seed="4"))
    assert ranking(finished) == ranking(found(incident, state))
    assert finished["queries"] == found(incident, state)["queries"]


@pytest.fixture(scope="module")
def workspace() -> Iterator[Slack]:
    with slack() as double:
        yield double


@pytest.mark.parametrize("incident", INCIDENTS, ids=NAMES)
def test_the_card_of_each_is_the_one_that_is_kept(
    incident: Path, state: Path, request: pytest.FixtureRequest
) -> None:
    text = golden.written(card(golden.view(incident, found(incident, state))))
    kept = golden.CARDS / f"{incident.name}.txt"
    if request.config.getoption("--refresh-cards"):
        kept.write_text(text, encoding="utf-8")
    refresh = "meant? pytest tests/bot/test_incidents.py -k card --refresh-cards, and read the diff"
    assert kept.is_file(), refresh
    assert text == kept.read_text(encoding="utf-8"), refresh


@pytest.mark.parametrize("incident", INCIDENTS, ids=NAMES)
def test_slack_takes_the_card_of_each_and_its_thread(incident: Path, state: Path, workspace: Slack) -> None:
    client = WebClient(workspace.bot_token, base_url=workspace.api)
    view = golden.view(incident, found(incident, state))
    shown = card(view)
    workspace._recent.clear()
    posted = client.chat_postMessage(channel="C0INC", text=shown.text, blocks=list(shown.blocks))
    messages = thread(view)
    for each in messages:
        assert weight(each.blocks) <= MOST_WEIGHT
        workspace._recent.clear()  # one a second is the sender's business
        root = str(posted["ts"])
        client.chat_postMessage(channel="C0INC", thread_ts=root, text=each.text, blocks=list(each.blocks))
    kinds = [each["type"] for each in workspace.posted[-1 - len(messages)].blocks]
    assert kinds == [each["type"] for each in shown.blocks]

import gzip
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

import bot
from bot import casework, result
from bot.commands.demo import bundled
from bot.store import Store
from tests.bot import recorded_case

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "bot.commands"]


def environment(state: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return {**kept, "XDG_STATE_HOME": str(state), "PYTHONPATH": str(ROOT), **more}


def run(*arguments: str | Path, state: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
        env=environment(state, **more),
    )  # fmt: skip


def one_line_of(done: subprocess.CompletedProcess[str], code: int = 2) -> str:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.rstrip()


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return recorded_case.written(tmp_path / "case")


def test_json_prints_one_document_that_follows_the_schema(case: Path, tmp_path: Path) -> None:
    done = run("investigate", "--case", case, "--json", "--no-confirm", state=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.Draft202012Validator(result.schema()).validate(document)
    assert document["incident"] == "small/slow"
    assert document["coverage"]["metrics"] == "ok"
    assert "Traceback" not in done.stderr


def test_the_same_case_twice_gives_the_same_bytes_but_for_the_clock(case: Path, tmp_path: Path) -> None:
    first, second = (
        json.loads(run("investigate", "--case", case, "--json", state=tmp_path, PYTHONHASHSEED=seed).stdout)
        for seed in ("1", "2")
    )
    for document in (first, second):
        del document["elapsed_s"]
    assert json.dumps(first) == json.dumps(second)


def test_without_a_terminal_nothing_is_asked_and_one_note_says_so(case: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("investigate", "--case", case, "--report", page, state=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("nobody to ask here") == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert "100 %" in done.stdout or "%" in done.stdout
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_store_that_cannot_be_written_is_a_warning_unless_it_was_chosen(case: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    done = run("investigate", "--case", case, "--json", state=blocked)
    assert done.returncode == 0, done.stderr
    assert "nothing is kept of this run" in done.stderr
    refused = run("investigate", "--case", case, "--store", blocked / "x.db", state=tmp_path)
    assert "cannot be used" in one_line_of(refused)


def test_a_store_that_is_another_kind_of_file_is_left_alone(case: Path, tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("# A page\n", encoding="utf-8")
    refused = run("investigate", "--case", case, "--store", page, state=tmp_path)
    assert "another kind of file" in one_line_of(refused)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["README.md", "case"]


def test_a_case_that_another_process_works_on_ends_with_its_own_code(case: Path, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    thread = casework.opened(case, casework.Place(store, chosen=True), print).thread
    with Store(store).alone(thread):
        done = run("investigate", "--case", case, "--json", "--store", store, state=tmp_path)
    assert "another process" in one_line_of(done, 4)


def test_help_and_version_and_schema_need_nothing_heavy() -> None:
    code = (
        "import sys; from bot.cli import run; run(['--help']); run(['version']); "
        "heavy = {'langgraph', 'numpy', 'pyarrow', 'rich', 'jinja2'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert f"firstcause {bot.__version__}" in done.stdout


def test_the_version_is_the_projects(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert bot.__version__ == project["version"]
    assert run("--version", state=tmp_path).stdout == f"firstcause {bot.__version__}\n"
    assert json.loads(run("schema", state=tmp_path).stdout) == result.schema()


# --- bad input -------------------------------------------------------------------------------------------
def test_a_case_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    line = one_line_of(run("investigate", "--case", tmp_path / "none", state=tmp_path))
    assert line.endswith("no such directory")


def test_a_folder_with_only_the_truth_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "truth.yaml").write_text("verdict: cause\n", encoding="utf-8")
    assert "only the answer" in one_line_of(run("investigate", "--case", tmp_path / "case", state=tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format: 1", "format: 2", "format 2 is unknown"),
        ("start: '2026-06-18T14:06:00Z'", "start: '2026-06-18T15:06:00Z'", "window is empty"),
        ("start: '2026-06-18T14:06:00Z'", "start: '2026-06-18T16:06:00Z'", "window is empty"),
        ("at: '2026-06-18T15:06:00Z'", "at: '2026-06-18T13:06:00Z'", "outside of the window"),
        ("id: small/slow", "id: [", "not YAML"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    broken = recorded_case.written(tmp_path / "case", recorded_case.MANIFEST.replace(old, new))
    assert said in one_line_of(run("investigate", "--case", broken, state=tmp_path))


def test_a_broken_parquet_file_is_one_line(case: Path, tmp_path: Path) -> None:
    whole = (case / "metrics.parquet").read_bytes()
    (case / "metrics.parquet").write_bytes(whole[: len(whole) // 2])
    assert "metrics.parquet" in one_line_of(run("investigate", "--case", case, state=tmp_path))


def test_an_alert_that_is_no_json_is_one_line(tmp_path: Path) -> None:
    broken = recorded_case.written(tmp_path / "case", alert="{'no': json}")
    assert "the alert is not JSON" in one_line_of(run("investigate", "--case", broken, state=tmp_path))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("investigate", "--cas", "x"), "--case"),
        (("investigat",), "Did you mean 'investigate'"),
        (("investigate", "--case", ""), "the path is empty"),
        (("investigate",), "say what is in trouble: --service NAME"),
        (("investigate", "--case", ".", "--yes", "--no-confirm"), "exclude each other"),
        (("investigate", "--case", ".", "--budget-seconds", "0"), "--budget-seconds"),
        (("investigate", "--case", ".", "--budget-seconds", "soon"), "'--budget-seconds'"),
        (("investigate", "--case", ".", "--report", "/no/such/place/r.html"), "no such directory"),
    ],
)
def test_a_usage_error_is_one_line_with_a_hint(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    assert said in one_line_of(run(*arguments, state=tmp_path))


def test_a_defect_is_one_line_and_a_file_with_the_details(tmp_path: Path) -> None:
    code = (
        "import bot.session, sys\n"
        "from bot.cli import run\n"
        "def broken(wishes): raise RuntimeError('two\\nlines')\n"
        "bot.session.run = broken\n"
        "sys.exit(run(['investigate', '--case', '.']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment(tmp_path)
    )
    line = one_line_of(done, 70)
    kept = Path(line.rpartition("details: ")[2].rstrip(")"))
    assert "RuntimeError: two\nlines" in kept.read_text(encoding="utf-8")


def test_an_investigation_cannot_open_the_truth(case: Path, tmp_path: Path) -> None:
    (case / "truth.yaml").write_text("verdict: cause\n", encoding="utf-8")
    code = (
        "import sys; from bot.cli import run\n"
        "assert run(['investigate', '--case', sys.argv[1], '--json']) == 0\n"
        "open(sys.argv[1] + '/truth.yaml')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(case)],
        check=False, capture_output=True, text=True, env=environment(tmp_path),
    )  # fmt: skip
    assert "ForbiddenFileError" in done.stderr


# --- what is read and written -------------------------------------------------------------------------------
def test_damage_to_a_file_is_told_wherever_the_result_is_shown(case: Path, tmp_path: Path) -> None:
    at = round((recorded_case.AT.timestamp() - 600) * 10**9)
    service = {"key": "service.name", "value": {"stringValue": "checkout"}}
    spans = [
        {"traceId": f"{n:032x}", "spanId": f"{n:016x}", "name": "GET /", "startTimeUnixNano": str(at + n),
         "endTimeUnixNano": str(at + n * 997)}
        for n in range(1, 2000)
    ]  # fmt: skip
    lines = [
        json.dumps(
            {"resourceSpans": [{"resource": {"attributes": [service]}, "scopeSpans": [{"spans": [span]}]}]}
        )
        for span in spans
    ]
    packed = gzip.compress("\n".join(["{broken", *lines]).encode())
    (case / "traces.jsonl.gz").write_bytes(packed[: len(packed) * 3 // 4])
    told = ("traces.jsonl.gz: damaged, read up to the damage", "traces.jsonl.gz: 1 broken line skipped")
    page = tmp_path / "report.html"
    done = run("investigate", "--case", case, "--json", "--report", page, state=tmp_path)
    caveats = json.loads(done.stdout)["caveats"]
    assert [caveats.count(note) for note in told] == [1, 1]
    assert not [caveat for caveat in caveats if caveat.startswith("sampling")]
    shown = run("investigate", "--case", case, "--no-confirm", state=tmp_path)
    assert all(note in shown.stdout and note in page.read_text(encoding="utf-8") for note in told)


def test_a_closed_stdin_is_nobody_to_ask(case: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "investigate", "--case", str(case)],
        check=False, capture_output=True, text=True, env=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nobody to ask here" in done.stderr


@pytest.mark.parametrize("more", [("--no-confirm",), ("--json",)])
def test_a_reader_that_stops_early_is_no_failure(case: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    page = tmp_path / "page.html"
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, "investigate", "--case", str(case), "--report", str(page), *more],
            check=False, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment(tmp_path),
        )  # fmt: skip
    finally:
        os.close(writing)
    assert done.returncode == 0, done.stderr
    assert "Broken" not in done.stderr
    assert page.read_text(encoding="utf-8").endswith("</html>")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["version", "schema", "investigate"])
def test_a_result_that_cannot_be_written_is_one_line(case: Path, tmp_path: Path, command: str) -> None:
    more = ["--case", str(case), "--no-confirm"] if command == "investigate" else []
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, command, *more],
            check=False, stdout=full, stderr=subprocess.PIPE, text=True, env=environment(tmp_path),
        )  # fmt: skip
    assert done.returncode == 74, done.stderr
    said = done.stderr.splitlines()[-1]
    assert said == "firstcause: the result could not be written: No space left on device"


# --- a person at a terminal ------------------------------------------------------------------------------
class Terminal:
    """A command on a pseudo-terminal: what it shows, and a person's typing."""

    def __init__(self, *arguments: str | Path, state: Path) -> None:
        self.shown = ""
        pid, self._screen = pty.fork()
        if pid == 0:  # pragma: no cover - another process
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background job's child ignores it
            os.execve(
                COMMAND[0], [*COMMAND, *map(str, arguments)], environment(state, TERM="xterm", COLUMNS="100")
            )
        self._pid = pid

    def until(self, words: str, seconds: float = 60.0) -> None:
        """Read on until the words were shown since the last typing."""
        end = time.monotonic() + seconds
        start = len(self.shown)
        while words not in self.shown[start:]:
            ready, _, _ = select.select([self._screen], [], [], max(end - time.monotonic(), 0))
            assert ready, f"{words!r} was not shown in time:\n{self.shown[start:]}"
            self.shown += os.read(self._screen, 65536).decode(errors="replace")

    def type(self, line: str) -> None:
        os.write(self._screen, line.encode())

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        while True:
            try:
                if not os.read(self._screen, 65536):
                    break
            except OSError:  # the other side is closed
                break
        os.close(self._screen)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_person_is_asked_and_something_else_closes_it(case: Path, tmp_path: Path) -> None:
    screen = Terminal("investigate", "--case", case, state=tmp_path)
    screen.until("leave open")
    screen.type("perhaps\n")
    screen.until("please type one of")
    screen.type("s the certificate had expired\n")
    screen.until("Kept as a label")
    assert screen.ended() == 0


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_what_was_left_open_is_taken_up_again_and_an_interrupt_is_130(case: Path, tmp_path: Path) -> None:
    screen = Terminal("investigate", "--case", case, state=tmp_path)
    screen.until("leave open")
    screen.type("q\n")
    screen.until("the same command takes it up again")
    assert screen.ended() == 0
    again = Terminal("investigate", "--case", case, state=tmp_path)
    again.until("leave open")
    again.type("\x03")
    again.until("interrupted")
    assert again.ended() == 130
    done = run("investigate", "--case", case, "--json", state=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["incident"] == "small/slow"


# --- the bundled incident -----------------------------------------------------------------------------------
def test_the_demo_names_the_missing_index_first_and_no_decoy_above_it(tmp_path: Path) -> None:
    done = run("demo", "--json", "--no-confirm", state=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.Draft202012Validator(result.schema()).validate(document)
    first = document["proposals"][0]
    assert document["verdict"] == "cause"
    assert (first["cause"], first["service"]) == ("missing_index", "checkout")
    assert first["entity"] == {"kind": "table", "name": "orders"}
    assert first["next_step"]["blocking"] is False
    assert "CONCURRENTLY" in first["next_step"]["command"]
    assert "DROP INDEX CONCURRENTLY" in first["next_step"]["undo"]
    assert "CREATE INDEX CONCURRENTLY" in first["next_step"]["files"][0]["text"]
    label = yaml.safe_load((bundled() / "truth.yaml").read_text(encoding="utf-8"))
    assert first["change"] == label["commit"]
    ranks = {proposal["change"]: proposal["rank"] for proposal in document["proposals"]}
    assert all(ranks.get(decoy, 99) > first["rank"] for decoy in label["not"])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_ruling_out_weighs_again_and_shows_the_rest(tmp_path: Path) -> None:
    screen = Terminal("demo", state=tmp_path)
    screen.until("leave open")
    before = len(screen.shown)
    screen.type("r 1\n")
    screen.until("leave open")
    after = screen.shown[before:]
    assert "Ruled out: No index on orders" in after
    assert "Confidence" in after
    assert "without a guilty change" in after
    screen.type("c 1\n")
    screen.until("Confirmed. Kept as a label.")
    assert screen.ended() == 0

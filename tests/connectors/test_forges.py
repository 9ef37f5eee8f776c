"""The forges: a local clone, GitHub and GitLab tell the same of the same repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import github as pygithub
import gitlab as python_gitlab
import pygit2
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connectors.answers import Change, Commits, SourceFiles, Timeline
from connectors.codec import encode
from connectors.contract import Reading, Unavailable, Window
from connectors.git_local import LocalClone
from connectors.github import GitHub
from connectors.gitlab import GitLab
from connectors.governor import Limits
from connectors.http import Endpoint, HttpClient
from connectors.questions import ChangeTimeline, CommitLog, MigrationFiles
from connectors.repository import Forge, Place, RepositoryConnector
from tests.doubles import forges
from tests.doubles.serving import serving
from tests.doubles.shop_history import History, make_history

START = datetime(2026, 6, 1, 8, tzinfo=UTC)
NOW = START + timedelta(hours=6)
WINDOW = Window(start=START + timedelta(hours=2, minutes=30), end=NOW)
ForgeOf = Callable[[str], Forge]
LIMITS = Limits(timeout_seconds=1.0, attempts=2)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return make_history(tmp_path_factory.mktemp("shop"), START)


@pytest.fixture(scope="module")
def told(history: History) -> forges.Forge:
    at = START + timedelta(hours=3, minutes=30)
    return forges.Forge(
        history,
        [
            forges.Deployed(
                1, history.commits["release"], "v1.4.0", START + timedelta(hours=1, minutes=5), []
            ),
            forges.Deployed(
                2,
                history.commits["guilty"],
                "main",
                at,
                [(at, "in_progress"), (at + timedelta(minutes=2), "success")],
            ),
        ],
    )


@pytest.fixture(scope="module")
def urls(told: forges.Forge) -> Iterator[dict[str, str]]:
    with serving(forges.github(told)) as one, serving(forges.gitlab(told)) as other:
        yield {"github": one, "gitlab": other}


@pytest.fixture(autouse=True)
def _well(told: forges.Forge) -> Iterator[None]:
    told.asked.clear()
    yield
    told.trouble = lambda _: None


def _client(url: str, header: tuple[str, str] = ("Authorization", f"Bearer {forges.TOKEN}")) -> HttpClient:
    return HttpClient(Endpoint("forge", url, headers=dict([header]), limits=LIMITS))


@pytest.fixture
def forge_of(urls: dict[str, str], history: History) -> Iterator[Callable[[str], Forge]]:
    made: list[Forge] = []

    def make(kind: str) -> Forge:
        if kind == "local":
            made.append(LocalClone(history.path))
        elif kind == "github":
            made.append(GitHub(_client(urls["github"]), "shop/shop", service="checkout"))
        else:
            client = _client(urls["gitlab"], ("PRIVATE-TOKEN", forges.TOKEN))
            made.append(GitLab(client, "shop/shop", service="checkout"))
        return made[-1]

    yield make
    for each in made:
        each.close()


def _deployed(history: History) -> Callable[[Window, datetime], list[Change]]:
    def told(_: Window, __: datetime) -> list[Change]:
        made = [("release", 1.1), ("guilty", 3.5)]
        return [
            Change(
                id=name,
                at=START + timedelta(hours=h),
                kind="deploy",
                service="checkout",
                commit=history.commits[name],
            )
            for name, h in made
        ]

    return told


def _commits(connector: RepositoryConnector) -> Commits:
    reading = connector.ask(CommitLog(window=WINDOW), now=NOW)
    assert isinstance(reading, Reading), reading
    assert isinstance(reading.answer, Commits)
    return reading.answer


KINDS = ["local", "github", "gitlab"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_commits_of_a_rollout_are_those_between_the_two_revisions_with_their_diffs(
    kind: str, forge_of: ForgeOf, history: History
) -> None:
    connector = RepositoryConnector(Place("shop"), forge_of(kind), _deployed(history))
    found = {each.message: each for each in _commits(connector).commits}
    # "innocent" lies before the window, and is told because it went out inside of it.
    assert set(found) == {"base", "release", "innocent", "guilty", "undeployed"} - {"base"}
    assert "+TIMEOUT = 0.1" in (found["guilty"].diff or "")
    assert found["guilty"].files == ("checkout/app.py",)


def test_three_forges_tell_the_same_of_the_same_commits(forge_of: ForgeOf, history: History) -> None:
    answers = [
        _commits(RepositoryConnector(Place("shop"), forge_of(kind), _deployed(history))) for kind in KINDS
    ]
    told = [[(each.sha, each.at, each.message, each.files) for each in answer.commits] for answer in answers]
    assert told[0] == told[1] == told[2]
    changed = [
        [[line for line in (each.diff or "").splitlines() if line[:1] in "+-@"] for each in answer.commits]
        for answer in answers
    ]
    assert changed[0] == changed[1] == changed[2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_in_a_diff_and_a_persons_address_are_not_kept(
    kind: str, forge_of: ForgeOf, history: History
) -> None:
    answer = _commits(RepositoryConnector(Place("shop"), forge_of(kind), _deployed(history)))
    kept = encode(answer)
    assert b"hunter2hunter2" not in kept
    assert b"dev@shop.example" not in kept


@pytest.mark.parametrize("kind", KINDS)
def test_the_migrations_are_those_of_the_deployed_revision_and_not_of_the_newest(
    kind: str, forge_of: ForgeOf, history: History
) -> None:
    place = Place("shop", services=("checkout",), folder="checkout")
    connector = RepositoryConnector(place, forge_of(kind), _deployed(history))
    reading = connector.ask(MigrationFiles(), now=NOW)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, SourceFiles)
    assert [each.path for each in reading.answer.files] == ["checkout/migrations/001_init.sql"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_tag_without_its_leading_v_names_its_commit_and_nonsense_names_none(
    kind: str, forge_of: ForgeOf, history: History
) -> None:
    forge = forge_of(kind)
    assert forge.resolve("1.4.0") == history.commits["release"]
    assert forge.resolve(history.commits["guilty"][:10]) == history.commits["guilty"]
    assert forge.resolve("no-such-thing") is None


@pytest.mark.parametrize("revision", ["main:checkout/app.py", "@{-1}", "HEAD^{/x}", "a b", "", "x" * 500])
def test_gits_own_syntax_in_a_revision_that_a_stranger_wrote_names_nothing(
    revision: str, history: History
) -> None:
    assert LocalClone(history.path).resolve(revision) is None


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_deployments_of_a_forge_are_changes_with_their_commit_and_start(
    kind: str, forge_of: ForgeOf, history: History
) -> None:
    place = Place("shop", deploys=True)
    reading = RepositoryConnector(place, forge_of(kind)).ask(ChangeTimeline(window=WINDOW), now=NOW)
    assert isinstance(reading, Reading)
    assert isinstance(reading.answer, Timeline)
    [change] = reading.answer.changes
    assert change.commit == history.commits["guilty"]
    assert change.at == START + timedelta(hours=3, minutes=30)
    assert change.service == "checkout"


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_nothing_later_than_now_is_told(kind: str, forge_of: ForgeOf) -> None:
    now = START + timedelta(hours=3, minutes=10)
    place = Place("shop", deploys=True)
    connector = RepositoryConnector(place, forge_of(kind))
    timeline = connector.ask(ChangeTimeline(window=WINDOW), now=now)
    commits = connector.ask(CommitLog(window=WINDOW), now=now)
    assert isinstance(timeline, Reading)
    assert isinstance(commits, Reading)
    assert timeline.answer == Timeline(changes=())
    assert isinstance(commits.answer, Commits)
    assert all(each.at <= now for each in commits.answer.commits)


@pytest.mark.parametrize("kind", ["github", "gitlab"])
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (lambda _: PlainTextResponse("no", 500), "500"),
        (lambda _: PlainTextResponse("slow down", 429, headers={"Retry-After": "30"}), "429"),
        (lambda _: PlainTextResponse("<html>", 200), "not JSON"),
        (lambda _: PlainTextResponse('{"message":"Bad credentials"}', 401), "401"),
        (lambda _: PlainTextResponse('{"message":"API rate limit exceeded"}', 403), "rate limit"),
        (lambda _: PlainTextResponse("[]", 200), "default branch"),
    ],
)
def test_a_forge_in_trouble_gives_a_reason_and_no_exception(
    kind: str,
    trouble: Callable[[Request], Response],
    said: str,
    forge_of: ForgeOf,
    told: forges.Forge,
) -> None:
    told.trouble = trouble
    connector = RepositoryConnector(Place("shop"), forge_of(kind))
    reply = connector.ask(CommitLog(window=WINDOW), now=NOW)
    [check] = connector.check(now=NOW)
    if said == "default branch":  # a well-formed answer of another shape tells nothing, and is no failure
        assert isinstance(reply, Reading)
        assert check.state == "failed"
        assert "is the address right" in check.found
        return
    assert isinstance(reply, Unavailable)
    assert said in reply.reason
    assert check.state == "failed"
    assert said in check.found


def test_a_clone_that_is_none_says_so(tmp_path: Path) -> None:
    connector = RepositoryConnector(Place("shop"), LocalClone(tmp_path / "nowhere"))
    reply = connector.ask(CommitLog(window=WINDOW), now=NOW)
    assert isinstance(reply, Unavailable)
    assert "no readable clone" in reply.reason
    assert connector.check(now=NOW)[0].state == "failed"


def test_a_clone_is_read_without_running_what_its_configuration_names(tmp_path: Path) -> None:
    history = make_history(tmp_path / "shop", START)
    ran = tmp_path / "ran"
    config = history.path / ".git" / "config"
    config.write_text(
        config.read_text()
        + f'[diff]\n\texternal = "touch {ran}"\n[core]\n\tfsmonitor = "touch {ran}"\n'
        + f'[filter "evil"]\n\tsmudge = "touch {ran}"\n\tclean = "touch {ran}"\n'
    )
    (history.path / ".git" / "info").mkdir(exist_ok=True)
    (history.path / ".git" / "info" / "attributes").write_text("* filter=evil diff=evil\n")
    answer = _commits(RepositoryConnector(Place("shop"), LocalClone(history.path), _deployed(history)))
    assert answer.commits
    assert not ran.exists()


def _committed(history: History, tree: pygit2.Oid, when: str, more: str = "") -> str:
    """A commit written by hand at the tip of the branch, as no git client would write it."""
    repository = pygit2.Repository(str(history.path))
    who = f"Ann <ann@shop.example> {when} +0000"
    lines = f"tree {tree}\nparent {repository.head.target}\nauthor {who}\ncommitter {who}\n{more}\nmine\n"
    made = repository.odb.write(pygit2.enums.ObjectType.COMMIT, lines.encode())
    repository.references[repository.head.name].set_target(made)
    return str(made)


@pytest.mark.parametrize(
    ("when", "more"),
    [("999999999999999", ""), ("-99999999999", ""), ("{now}", "encoding NO-SUCH-1\n")],
    ids=["after all calendars", "before all calendars", "an unknown encoding"],
)
def test_a_commit_that_makes_no_sense_does_not_hide_the_others(tmp_path: Path, when: str, more: str) -> None:
    history = make_history(tmp_path / "shop", START)
    tree = pygit2.Repository(str(history.path)).head.peel(pygit2.Tree).id
    _committed(history, tree, when.format(now=int(NOW.timestamp()) - 60), more)
    answer = _commits(RepositoryConnector(Place("shop"), LocalClone(history.path), _deployed(history)))
    assert history.commits["guilty"] in {commit.sha for commit in answer.commits}


def test_a_gigantic_file_is_named_and_not_compared(tmp_path: Path) -> None:
    history = make_history(tmp_path / "shop", START)
    repository = pygit2.Repository(str(history.path))
    builder = repository.TreeBuilder(repository.head.peel(pygit2.Tree))
    builder.insert("a_dump.sql", repository.create_blob(b"a line of text\n" * 400_000), 0o100644)
    builder.insert("z.py", repository.create_blob(b"LIMIT = 7\n"), 0o100644)
    sha = _committed(history, builder.write(), str(int(NOW.timestamp()) - 60))
    answer = _commits(RepositoryConnector(Place("shop"), LocalClone(history.path), _deployed(history)))
    [mine] = [commit for commit in answer.commits if commit.sha == sha]
    assert {"a_dump.sql", "z.py"} <= set(mine.files)
    assert mine.diff is not None
    assert ("LIMIT = 7" in mine.diff, "a line of text" in mine.diff) == (True, False)


def test_folders_without_end_do_not_hide_the_migrations(tmp_path: Path) -> None:
    history = make_history(tmp_path / "shop", START)
    repository = pygit2.Repository(str(history.path))
    inner, mode = repository.create_blob(b"x"), 0o100644
    for _ in range(1_500):
        deeper = repository.TreeBuilder()
        deeper.insert("d", inner, mode)
        inner, mode = deeper.write(), 0o040000
    builder = repository.TreeBuilder(repository.head.peel(pygit2.Tree))
    builder.insert("a", inner, mode)
    _committed(history, builder.write(), str(int(NOW.timestamp()) - 60))
    reply = RepositoryConnector(Place("shop"), LocalClone(history.path)).ask(MigrationFiles(), now=NOW)
    assert isinstance(reply, Reading)
    assert isinstance(reply.answer, SourceFiles)
    assert "checkout/migrations/001_init.sql" in {file.path for file in reply.answer.files}


# --- the doubles, held to what the makers' own clients expect --------------------------------------------
def test_the_github_double_is_understood_by_pygithub(urls: dict[str, str], history: History) -> None:
    client = pygithub.Github(
        auth=pygithub.Auth.Token(forges.TOKEN),
        base_url=urls["github"],
        retry=None,
        seconds_between_requests=None,
    )
    repository = client.get_repo("shop/shop")
    assert repository.default_branch == "main"
    assert [each.sha for each in repository.get_commits(since=START + timedelta(hours=4))] == [
        history.commits["undeployed"]
    ]
    commit = repository.get_commit(history.commits["guilty"])
    assert [each.filename for each in commit.files] == ["checkout/app.py"]
    between = repository.compare(history.commits["release"], history.commits["guilty"])
    assert [each.sha for each in between.commits] == [history.commits["innocent"], history.commits["guilty"]]
    deployment = next(iter(repository.get_deployments()))
    assert deployment.sha == history.commits["guilty"]
    assert [each.state for each in deployment.get_statuses()] == ["success", "in_progress"]
    tree = repository.get_git_tree(history.commits["base"], recursive=True)
    assert {each.path for each in tree.tree} == {"checkout/app.py", "checkout/migrations/001_init.sql"}
    content = repository.get_contents("checkout/app.py", ref=history.commits["base"])
    assert not isinstance(content, list)
    assert content.decoded_content == b"def pay():\n    return 1\n"
    with pytest.raises(pygithub.GithubException) as refused:
        repository.get_commit("no-such-thing")
    assert refused.value.status == 422
    client.close()


def test_the_gitlab_double_is_understood_by_python_gitlab(urls: dict[str, str], history: History) -> None:
    client = python_gitlab.Gitlab(urls["gitlab"], private_token=forges.TOKEN)
    project = client.projects.get("shop/shop")
    assert project.default_branch == "main"
    since = (START + timedelta(hours=4)).isoformat()
    assert [each.id for each in project.commits.list(since=since, get_all=True)] == [
        history.commits["undeployed"]
    ]
    commit = project.commits.get(history.commits["guilty"])
    assert [each["new_path"] for each in commit.diff(get_all=True)] == ["checkout/app.py"]
    between = project.repository_compare(history.commits["release"], history.commits["guilty"])
    assert isinstance(between, dict)
    assert [each["id"] for each in between["commits"]] == [
        history.commits["innocent"],
        history.commits["guilty"],
    ]
    assert [each.sha for each in project.deployments.list(get_all=True)] == [
        history.commits["guilty"],
        history.commits["release"],
    ]
    raw = project.files.raw(file_path="checkout/app.py", ref=history.commits["base"])
    assert raw == b"def pay():\n    return 1\n"
    with pytest.raises(python_gitlab.GitlabGetError):
        project.commits.get("no-such-thing")
    client.session.close()

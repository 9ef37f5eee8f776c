from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.lab.repository import SOURCE, Edit, EditError, Repository

NOW = datetime(2026, 6, 18, 14, 0, tzinfo=UTC)
CONFIG = "services/catalogue/config.yaml"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repository", tmp_path / "trees")
    repository.build_history({"cart": "kind: Deployment\n"}, NOW)
    return repository


def test_the_history_brings_every_source_file(repository: Repository) -> None:
    sources = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*") if path.is_file()}
    wanted = {name for name in sources if "__pycache__" not in name}
    assert wanted <= {name for commit in repository.commits() for name in commit.files}


def test_commits_are_listed_oldest_first_and_lie_in_the_past(repository: Repository) -> None:
    times = [commit.at for commit in repository.commits()]
    assert times == sorted(times)
    assert times[-1] < "2026-06-18T14:00:00.000Z"


def test_an_edit_becomes_a_real_diff(repository: Repository) -> None:
    sha = repository.commit("catalogue: shorter pages", [Edit(CONFIG, "page_size: 24", "page_size: 12")])
    commit = repository.commits()[-1]
    assert (commit.sha, commit.files) == (sha, [CONFIG])
    assert commit.diff is not None
    assert "-page_size: 24\n+page_size: 12\n" in commit.diff


def test_a_tree_shows_its_commit_even_after_a_later_one(repository: Repository) -> None:
    before = repository.head()
    repository.commit("catalogue: shorter pages", [Edit(CONFIG, "page_size: 24", "page_size: 12")])
    assert "page_size: 24" in (repository.tree(before) / CONFIG).read_text()
    assert "page_size: 12" in (repository.tree(repository.head()) / CONFIG).read_text()


def test_an_edit_that_does_not_fit_is_refused(repository: Repository) -> None:
    with pytest.raises(EditError, match="does not contain"):
        repository.commit("nothing", [Edit(CONFIG, "no such line", "")])


def test_the_shops_sources_do_not_mention_the_lab(repository: Repository, tmp_path: Path) -> None:
    repository.export(tmp_path / "out")
    texts = [path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert texts
    assert not any("tests.lab" in text for text in texts)

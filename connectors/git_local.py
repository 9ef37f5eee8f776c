"""A local clone as a forge. Read through libgit2 (pygit2): no hook, filter, pager or external diff ever runs.

pygit2 was chosen over calling git, whose configuration inside an untrusted repository can name programs to
run, and over pure-Python readers, which take minutes to diff a large repository.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.answers import Change, Commit
from connectors.contract import Window
from connectors.governor import SourceFailedError
from connectors.migration_paths import MOST_FILE_BYTES
from connectors.repository import MOST_DIFF_CHARACTERS

if TYPE_CHECKING:
    import pygit2

MOST_WALKED = 20_000
MOST_PATHS = 200_000
_MOST_DEEP = 64
_MOST_COMPARED = 4 * 1024 * 1024
_MOST_MESSAGE = 20_000
_LATEST = int(datetime(9999, 12, 30, tzinfo=UTC).timestamp())


class LocalClone:
    """A clone, bare or not, on this machine. Its history is as fresh as its last fetch."""

    def __init__(self, path: Path, branch: str | None = None) -> None:
        self._path = path
        self._branch = branch
        self._lock = threading.Lock()
        self._opened: pygit2.Repository | None = None

    @property
    def place(self) -> str:
        """The clone's path."""
        return str(self._path)

    def resolve(self, revision: str) -> str | None:
        """The full commit a revision names, by name, tag (with or without a leading v) or remote branch."""
        import pygit2

        with self._lock:
            repository = self._repository()
            for name in self._spellings(revision):
                try:
                    found = repository.revparse_single(name).peel(pygit2.Commit)
                except (KeyError, ValueError, pygit2.GitError):
                    continue
                return str(found.id)
        return None

    def between(self, base: str, head: str, most: int) -> Sequence[Commit]:
        """Commits reachable from head and not from base."""
        import pygit2

        with self._lock:
            repository = self._repository()
            walker = repository.walk(pygit2.Oid(hex=head), pygit2.enums.SortMode.TIME)
            hidden = self._id_of(repository, base)
            if hidden is not None:
                walker.hide(hidden)
            return [_commit(each) for each in _first(walker, most)]

    def during(self, window: Window, most: int) -> Sequence[Commit]:
        """Commits of the branch in the window; at most so many are walked through to find them."""
        import pygit2

        tip = self.resolve(self._branch or "HEAD")
        if tip is None:
            return []
        with self._lock:
            repository = self._repository()
            walker = repository.walk(pygit2.Oid(hex=tip), pygit2.enums.SortMode.TIME)
            found: list[Commit] = []
            for each in _first(walker, MOST_WALKED):
                at = _at(each)
                if at < window.start or len(found) >= most:
                    break
                if at <= window.end:
                    found.append(_commit(each))
            return found

    def with_diff(self, commit: Commit) -> Commit:
        """The commit with its diff against its first parent."""
        with self._lock:
            repository = self._repository()
            found = _named(repository, commit.sha)
            changed = (
                found.parents[0].tree.diff_to_tree(found.tree)
                if found.parents
                else found.tree.diff_to_tree(swap=True)
            )
            files = [each.new_file.path or each.old_file.path for each in changed.deltas]
            return commit.model_copy(update={"files": tuple(files), "diff": _text(repository, changed)})

    def deployments(self, window: Window) -> Sequence[Change]:  # noqa: ARG002 - a clone keeps none
        """A clone has no deployments on record."""
        return []

    def paths(self, revision: str) -> Sequence[str]:
        """Every file of a revision."""
        with self._lock:
            found = _named(self._repository(), revision)
            return [path for path, _ in zip(_files(found.tree, ""), range(MOST_PATHS), strict=False)]

    def read(self, revision: str, path: str) -> str | None:
        """A file's text."""
        import pygit2

        with self._lock:
            found = _named(self._repository(), revision)
            try:
                blob = found.tree[path]
            except KeyError:
                return None
            if not isinstance(blob, pygit2.Blob) or blob.is_binary or blob.size > MOST_FILE_BYTES:
                return None
            return blob.data.decode("utf-8", "replace")

    def check(self) -> str:
        """The newest commit, and when it was made."""
        tip = self.resolve(self._branch or "HEAD")
        if tip is None:
            raise SourceFailedError(f"no revision {self._branch or 'HEAD'} in this clone")
        with self._lock:
            found = _named(self._repository(), tip)
            return (
                f"newest commit {tip[:12]} of {_at(found):%F %H:%M}Z; a clone is as fresh as its last fetch"
            )

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            if self._opened is not None:
                self._opened.free()
                self._opened = None

    def _repository(self) -> pygit2.Repository:
        import pygit2

        if self._opened is None:
            try:
                self._opened = pygit2.Repository(str(self._path))
            except pygit2.GitError as error:
                said = str(error)
                if "owned by" in said:
                    said += "; list it under safe.directory in git's configuration"
                raise SourceFailedError(f"no readable clone: {said[:200]}", counts=False) from error
        return self._opened

    def _spellings(self, revision: str) -> Iterator[str]:
        """The ways a deploy may have named it. `@`, `^`, `:` and blanks would be git's own syntax."""
        if not revision or len(revision) > 200 or any(sign in revision for sign in "@^:~*?[\\ \t\n"):
            return
        yield revision
        yield f"refs/tags/v{revision}"
        yield f"refs/tags/{revision.removeprefix('v')}"
        yield f"refs/remotes/origin/{revision}"

    def _id_of(self, repository: pygit2.Repository, name: str) -> pygit2.Oid | None:
        """A commit's id; `SHA~1` is its first parent. None where there is none."""
        sha, tilde, _ = name.partition("~")
        found = _named(repository, sha)
        if not tilde:
            return found.id
        return found.parents[0].id if found.parents else None


def _named(repository: pygit2.Repository, sha: str) -> pygit2.Commit:
    """The commit of a full name that `resolve` or a walk gave."""
    import pygit2

    return repository[sha].peel(pygit2.Commit)


def _first(walker: Iterator[pygit2.Commit], most: int) -> Iterator[pygit2.Commit]:
    return (each for each, _ in zip(walker, range(most), strict=False))


def _at(commit: pygit2.Commit) -> datetime:
    """When it was committed; what no calendar holds is moved to its ends, for anyone may write anything."""
    return datetime.fromtimestamp(min(max(commit.commit_time, 0), _LATEST), UTC)


def _commit(found: pygit2.Commit) -> Commit:
    # A commit may name any encoding, even one that nobody knows.
    message = found.raw_message[:_MOST_MESSAGE].decode("utf-8", "replace").strip()
    author = found.author.raw_name[:_MOST_MESSAGE].decode("utf-8", "replace")
    return Commit(sha=str(found.id), at=_at(found), author=author, message=message)


def _text(repository: pygit2.Repository, changed: pygit2.Diff) -> str:
    """The diff's text, until it is long enough. A file too large to read at 3 a.m. is not compared at all."""
    text, size = [], 0
    for n, delta in enumerate(changed.deltas):
        if size > MOST_DIFF_CHARACTERS:
            break
        if max(_size(repository, each) for each in (delta.old_file, delta.new_file)) > _MOST_COMPARED:
            continue
        patch = changed[n]
        if patch is None or patch.delta.is_binary:  # a submodule, which has no text
            continue
        piece = patch.data[: 4 * MOST_DIFF_CHARACTERS].decode("utf-8", "replace")
        text.append(piece)
        size += len(piece)
    return "".join(text)


def _size(repository: pygit2.Repository, file: pygit2.DiffFile) -> int:
    """A file's bytes, by its header alone; nothing where there is no such file."""
    try:
        return int(repository.odb.read_header(file.id)[1]) if file.mode else 0
    except (KeyError, ValueError):
        return 0


def _files(tree: pygit2.Tree, before: str, deep: int = 0) -> Iterator[str]:
    import pygit2

    for entry in tree:
        path = f"{before}{entry.name}"
        if isinstance(entry, pygit2.Tree):
            if deep < _MOST_DEEP:
                yield from _files(entry, f"{path}/", deep + 1)
        elif isinstance(entry, pygit2.Blob):
            yield path

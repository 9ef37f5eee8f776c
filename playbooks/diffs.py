# ruff: noqa: E501 - a row of a table stays on one line
"""What a diff changes: its files by role, and the lines that can alter behaviour, paired old with new.

Reads unified diffs of any language as hostile text: sizes are capped, every pattern is linear. It must not
judge: which lines matter for a fault is decided by `diff_features` and `changes`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from connectors.answers import Commit
from playbooks.diff_tidying import LONGEST_LINE, commented, laid_out, renames_only, shape, words_of

MOST_CHARACTERS = 400_000
MOST_LINES = 2_000
MOST_PAIRED = 40


class Role(StrEnum):
    """What a file is for, by its path."""

    CODE = "code"
    CONFIG = "config"
    MIGRATION = "migration"
    DEPENDENCY = "dependency"
    DOCS = "docs"
    TEST = "test"
    CI = "ci"
    MONITORING = "monitoring"
    ASSET = "asset"


HARMLESS_ROLES = frozenset({Role.DOCS, Role.TEST, Role.CI, Role.MONITORING, Role.ASSET})

_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = tuple(
    (role, re.compile(pattern, re.IGNORECASE))
    for role, pattern in (
        (Role.CI, r"(^|/)(\.github|\.gitlab|\.circleci|\.buildkite|\.husky|\.vscode|\.idea)/|(^|/)(\.gitlab-ci\.ya?ml"
                  r"|jenkinsfile|makefile|justfile|\.pre-commit[^/]*|\.editorconfig|\.gitignore|\.gitattributes"
                  r"|\.dockerignore|\.eslint[^/]*|eslint\.config[^/]*|\.prettier[^/]*|\.golangci[^/]*|\.rubocop[^/]*"
                  r"|\.flake8|\.pylintrc|ruff\.toml|mypy\.ini|tox\.ini|renovate\.json5?|dependabot\.ya?ml|codecov[^/]*"
                  r"|codeowners|owners|tslint\.json)$"),
        (Role.TEST, r"(^|/)(tests?|testdata|__tests__|__mocks__|spec|specs|fixtures|e2e|cypress)/|_test\.(go|py|rb|exs?|dart)$"
                    r"|(^|/)(test_[^/]*|conftest)\.py$|\.(spec|test)\.[jt]sx?$|(tests?|spec|it)\.(java|kt|scala|cs)$|_spec\.rb$"),
        (Role.DEPENDENCY, r"(^|/)(go\.(mod|sum|work)|package(-lock)?\.json|yarn\.lock|pnpm-lock\.yaml|(dev-)?requirements[^/]*\.(txt|in)"
                          r"|pipfile(\.lock)?|poetry\.lock|uv\.lock|pyproject\.toml|gemfile(\.lock)?|pom\.xml|build\.gradle(\.kts)?"
                          r"|gradle\.lockfile|libs\.versions\.toml|cargo\.(toml|lock)|composer\.(json|lock)|mix\.(exs|lock)|[^/]*\.csproj)$"),
        (Role.DOCS, r"\.(md|mdx|rst|adoc|txt)$|(^|/)docs?/|(^|/)(licen[cs]e|notice|authors|changelog|readme|contributing|version)[^/]*$"),
        (Role.MONITORING, r"(^|/)(grafana|dashboards?|alerts?|alerting|runbooks?|prometheus[-_]?rules?)/|(dashboard|alerts?|[-_]rules)[^/]{0,80}\.(json|ya?ml)$"),
        (Role.MIGRATION, r"(^|/)(migrations?|migrate|alembic|flyway|liquibase|db/changelog)/|(^|/)v\d[^/]*__[^/]*\.sql$|\.(ddl)$|schema\.(sql|rb)$"),
        (Role.ASSET, r"\.(css|scss|sass|less|svg|png|jpe?g|gif|ico|webp|woff2?|ttf|html?|hbs|ejs|po|mo)$|(^|/)(locales?|i18n|translations?|static/img)/"),
        (Role.CONFIG, r"\.(ya?ml|json5?|toml|ini|env|properties|conf|cfg|cnf|tf|tfvars|hcl|xml|cue|jsonnet)$|(^|/)(\.env[^/]*|dockerfile[^/]*"
                      r"|corefile|procfile|[^/]*\.dockerfile)$|(^|/)(charts?|helm|k8s|kubernetes|manifests?|kustomize|terraform)/"),
    )
)  # fmt: skip

_COMMENT = re.compile(
    r"^\s*(#(?!\s*(include|define|if|endif)\b)|//|--\s|/\*|\*/|\*(\s|$)|<!--|;;|\"\"\"|''')"
)
_TRAILING = re.compile(r"\s(#|//)\s.*$")
_LOGGING = re.compile(
    r"^\s*(_|self\.|this\.|@|[a-z]\.|ctx\.)?\w{0,12}\.?(log|logger|logging|logs|slog|zap|zerolog|console|rails\.logger|span|tracer|metrics|statsd)"
    r"(\(\w*\))?(\.\w{2,20}(\(\w*\))?){0,3}\(|^\s*(counter|gauge|histogram|print|println|printf|puts|fmt\.print\w*|system\.out\.print\w*)\s*\(",
    re.IGNORECASE,
)
_SAYS = re.compile(r"[A-Za-z0-9]")
_IMPORT = re.compile(
    r"^\s*(import\s|from\s+\S+\s+import\s|require(_relative)?[\s(]|use\s+\w+::|using\s+\w|#include|package\s)"
)
_WAY_BACK = re.compile(
    r"^\s*(def (downgrade|backwards|down)\b|exports\.down\b|(public |async |function ){1,3}down ?\()"
)
"""Where a migration says how it is undone, which no deploy runs: Alembic, South, Rails, Knex, TypeORM, Laravel."""
_HUNK_PATH = re.compile(r"^@@ (?!-\d)([\w@./-]{1,200}\.[A-Za-z]\w{0,9})(?=[\s:]|$)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk as it stands after (`+`), before (`-`) or on both sides (a blank sign).

    `parents`: the nearest lines above with less indentation, nearest first: the keys a setting lies under,
    the loop or function a call lies in. `hunk` counts the file's hunks.
    """

    sign: str
    text: str
    indent: int
    parents: tuple[str, ...] = ()
    hunk: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """A line that was replaced, old and new."""

    old: Line
    new: Line


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What changed in one file. `lines` is everything shown; `added`, `removed` only what can alter behaviour."""

    path: str
    role: Role
    lines: tuple[Line, ...]
    added: tuple[Line, ...]
    removed: tuple[Line, ...]
    pairs: tuple[Pair, ...]
    logging_only: bool = False
    comments_only: bool = False
    renames_only: bool = False
    conserved: bool = False


@dataclass(frozen=True, slots=True)
class Diff:
    """A commit's diff; `known` is false where the source did not give it. `cut` when it was too long to read whole."""

    known: bool
    files: tuple[FileDiff, ...]
    cut: bool = False

    @property
    def changed_lines(self) -> int:
        """How many lines may alter behaviour."""
        return sum(len(f.added) + len(f.removed) for f in self.files if f.role not in HARMLESS_ROLES)


def role_of(path: str) -> Role:
    """What a file is for, by its path alone."""
    return next((role for role, pattern in _ROLES if pattern.search(path[:LONGEST_LINE])), Role.CODE)


def read_diff(text: str | None, files: Sequence[str] = ()) -> Diff:
    """Read a unified diff; without one, the paths alone still tell roles."""
    if text is None:
        bare = tuple(FileDiff(path, role_of(path), (), (), (), ()) for path in files)
        return Diff(known=False, files=bare)
    rows = text[:MOST_CHARACTERS].splitlines()
    cut = len(text) > MOST_CHARACTERS or len(rows) > MOST_LINES
    read = [_file(path, body) for path, body in _split(rows[:MOST_LINES], files)]
    renames = renames_only(read)
    return Diff(True, tuple(replace(f, renames_only=f.path in renames) for f in read), cut)


def schema_words(commit: Commit) -> frozenset[str]:
    """Every word in the lines that the commit's migrations add or remove: the tables they alter among them."""
    if commit.diff is None or all(role_of(path) is not Role.MIGRATION for path in commit.files):
        return frozenset()
    files = [f for f in read_diff(commit.diff, commit.files).files if f.role is Role.MIGRATION]
    lines = [line.text for file in files for line in (*file.added, *file.removed)]
    return frozenset(word for line in lines for word in re.findall(r"\w+", line))


@dataclass(slots=True)
class _Splitter:
    """Walks the rows of a diff and sorts them by file; a diff without headers belongs to the first file named."""

    first: str
    parts: list[tuple[str, list[str]]] = field(default_factory=list)
    in_header: bool = False

    def take(self, row: str) -> None:
        if row.startswith(("diff --git ", "Index: ")):
            self._open(_git_path(row), header=True)
        elif row.startswith("--- ") and (self.in_header or not self.parts or not self.parts[-1][1]):
            if not self.in_header:
                self._open(_clean(row[4:]), header=True)
        elif self.in_header and row.startswith("+++ "):
            path = _clean(row[4:])
            self.parts[-1] = (path if path != "/dev/null" else self.parts[-1][0], [])
            self.in_header = False
        else:
            self._body(row)

    def _open(self, path: str, header: bool) -> None:
        self.parts.append((path, []))
        self.in_header = header

    def _body(self, row: str) -> None:
        self.in_header = self.in_header and not row.startswith("@@")
        named = _HUNK_PATH.match(row)
        if named and (not self.parts or named.group(1) != self.parts[-1][0]):
            self._open(_clean(named.group(1)), header=False)
        elif not self.parts:
            self._open(self.first, header=False)
        if not self.in_header:
            self.parts[-1][1].append(row)


def _split(rows: Sequence[str], files: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The rows of each file, under its new path."""
    splitter = _Splitter(files[0] if files else "")
    for row in rows:
        splitter.take(row)
    return splitter.parts


def _git_path(row: str) -> str:
    return _clean(row.split(" ")[-1])


def _clean(path: str) -> str:
    path = path.split("\t")[0].strip()
    return path[2:] if path.startswith(("a/", "b/")) else path


def _file(path: str, body: Sequence[str]) -> FileDiff:
    lines = _without_layout(_with_dead_code(_lines(body), path))
    changed = [line for line in lines if line.sign != " "]
    dead = frozenset().union(*commented(lines, path))
    live = [
        line
        for line in changed
        if _SAYS.search(line.text) and not _COMMENT.match(line.text) and id(line) not in dead
    ]
    if role_of(path) is Role.MIGRATION:
        live = [line for line in live if not any(map(_WAY_BACK.match, (line.text, *line.parents)))]
    spoken = [line for line in live if not _is_logging(line)]
    added, removed = _without_moved(spoken)
    return FileDiff(
        path=path,
        role=role_of(path),
        lines=tuple(lines),
        added=tuple(added),
        removed=tuple(removed),
        pairs=tuple(_pairs(lines, added, removed)),
        comments_only=bool(changed) and not live,
        logging_only=bool(live) and not added and not removed and len(spoken) < len(live),
        conserved=any(line.sign == "-" for line in live) and _conserved(added, removed),
    )


def _without_layout(lines: Sequence[Line]) -> list[Line]:
    """What was only broken up in another way counts as unchanged."""
    same = laid_out(lines)
    return [replace(line, sign=" ") if id(line) in same else line for line in lines]


def _with_dead_code(lines: Sequence[Line], path: str) -> list[Line]:
    """What a block comment newly encloses was taken out; what it no longer encloses was put in."""
    before, after = commented(lines, path)
    out = []
    for line in lines:
        went, came = id(line) in after - before, id(line) in before - after
        sign = "-" if went else "+" if came else line.sign
        out.append(replace(line, sign=sign) if line.sign == " " and (went or came) else line)
    return out


def _is_logging(line: Line) -> bool:
    return bool(_LOGGING.match(line.text) or (line.parents and _LOGGING.match(line.parents[0])))


def _lines(body: Sequence[str]) -> list[Line]:
    """The hunk's lines with the lines they lie under; `@@` headers count as outermost context."""
    lines: list[Line] = []
    stack: list[tuple[int, str]] = []
    hunk = 0
    for row in body:
        if row.startswith("@@"):
            hunk += 1
            header = row.rsplit("@@", 1)[-1].strip()
            stack = [(-1, header)] if header else []
            continue
        if not row or row[0] not in "+- ":
            continue
        text = _TRAILING.sub("", row[1 : LONGEST_LINE + 1].rstrip()).expandtabs(4)
        bare = text.strip()
        if not bare:
            continue
        indent = len(text) - len(text.lstrip())
        while stack and stack[-1][0] >= indent:
            stack.pop()
        lines.append(Line(row[0], text, indent, tuple(t for _, t in reversed(stack[-4:])), hunk))
        if bare[0] not in "})]":
            stack.append((indent, bare))
    return lines


def _without_moved(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Added and removed lines less those that only moved or were re-spaced: the same words stand on both sides."""
    before = Counter(shape(line) for line in lines if line.sign == "-")
    after = Counter(shape(line) for line in lines if line.sign == "+")
    both = before & after
    kept: dict[str, list[Line]] = {"+": [], "-": []}
    left = {"+": Counter(both), "-": Counter(both)}
    for line in lines:
        own = shape(line)
        if left[line.sign][own] > 0:
            left[line.sign][own] -= 1
        elif not _IMPORT.match(line.text):
            kept[line.sign].append(line)
    return kept["+"], kept["-"]


def _pairs(lines: Sequence[Line], added: Sequence[Line], removed: Sequence[Line]) -> list[Pair]:
    """Each removed line with the added line most like it, within one run of changes; each used once."""
    live = {id(line) for line in (*added, *removed)}
    pairs: list[Pair] = []
    run: list[Line] = []
    for line in (*lines, Line(" ", "", 0)):
        if line.sign != " ":
            if id(line) in live:
                run.append(line)
        elif run:
            pairs.extend(_pair_run(run))
            run = []
    return pairs


def _pair_run(run: Sequence[Line]) -> list[Pair]:
    old = [line for line in run if line.sign == "-"][:MOST_PAIRED]
    new = [line for line in run if line.sign == "+"][:MOST_PAIRED]
    sets = {id(line): frozenset(words_of(line.text)) for line in (*old, *new)}
    scored = sorted(
        (
            (-_alike(sets[id(o)], sets[id(n)]), abs(i - j), i, j)
            for i, o in enumerate(old)
            for j, n in enumerate(new)
        ),
    )
    used_old: set[int] = set()
    used_new: set[int] = set()
    pairs: list[tuple[int, Pair]] = []
    for score, _, i, j in scored:
        if score > -0.25 or i in used_old or j in used_new:
            continue
        used_old.add(i)
        used_new.add(j)
        pairs.append((i, Pair(old[i], new[j])))
    return [pair for _, pair in sorted(pairs, key=lambda item: item[0])]


def _alike(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / max(1, len(left | right))


_MANY = 3
"""So many literals all kept outweigh a call that was swapped for another."""
_CALLED = re.compile(r"(?<![\w$@])([A-Za-z_$@][\w$]*)\s{0,4}\(")


def _conserved(added: Sequence[Line], removed: Sequence[Line]) -> bool:
    """Whether nothing was lost: the words, numbers and strings taken out stand again in what was put in.

    So look extracted helpers and tidied code. It is no proof: a sign may have been turned round.
    """
    gone = {w for line in removed for w in words_of(line.text) if w[0].isalnum() or w[0] in "\"'`_"}
    come = {word for line in added for word in words_of(line.text)}
    literals = any(word[0].isdigit() or word[0] in "\"'`" for word in gone - come)
    called = {call for line in removed for call in _CALLED.findall(line.text)}
    swapped = (
        bool(called & (gone - come)) and sum(word[0].isdigit() or word[0] in "\"'`" for word in gone) < _MANY
    )
    return not literals and not swapped and len(gone - come) <= 0.25 * len(gone)

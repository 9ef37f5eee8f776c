# ruff: noqa: E501 - a row of a table stays on one line
"""What a diff changes: its files by role, and the lines that can alter behaviour, paired old with new.

Reads unified diffs of any language as hostile text: sizes are capped, every pattern is linear. It must not
judge: which lines matter for a fault is decided by `diff_features` and `changes`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

MOST_CHARACTERS = 400_000
MOST_LINES = 2_000
LONGEST_LINE = 300
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
        (Role.MONITORING, r"(^|/)(grafana|dashboards?|alerts?|alerting|runbooks?|prometheus[-_]?rules?)/|(dashboard|alerts?|[-_]rules)[^/]*\.(json|ya?ml)$"),
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
_HUNK_PATH = re.compile(r"^@@ (?!-\d)([\w@./-]{1,200}\.[A-Za-z]\w{0,9})(?=[\s:]|$)")
_WORDS = re.compile(r"[A-Za-z_$@][\w$]*|\d[\w.]*|\"[^\"]*\"|'[^']*'|`[^`]*`|[^\sA-Za-z0-9_]")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk as it stands after (`+`), before (`-`) or on both sides (a blank sign).

    `parents`: the nearest lines above with less indentation, nearest first: the keys a setting lies under,
    the loop or function a call lies in.
    """

    sign: str
    text: str
    indent: int
    parents: tuple[str, ...] = ()


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


def words_of(text: str) -> list[str]:
    """A line as tokens: identifiers, numbers, quoted strings, signs."""
    return _WORDS.findall(text[:LONGEST_LINE])


def read_diff(text: str | None, files: Sequence[str] = ()) -> Diff:
    """Read a unified diff; without one, the paths alone still tell roles."""
    if text is None:
        bare = tuple(FileDiff(path, role_of(path), (), (), (), ()) for path in files)
        return Diff(known=False, files=bare)
    rows = text[:MOST_CHARACTERS].splitlines()
    cut = len(text) > MOST_CHARACTERS or len(rows) > MOST_LINES
    parts = _split(rows[:MOST_LINES], files)
    return Diff(known=True, files=tuple(_file(path, body) for path, body in parts), cut=cut)


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
    lines = _lines(body)
    changed = [line for line in lines if line.sign != " "]
    live = [line for line in changed if _SAYS.search(line.text) and not _COMMENT.match(line.text)]
    spoken = [line for line in live if not _is_logging(line)]
    added, removed = _without_moved(spoken)
    pairs = _pairs(lines, added, removed)
    return FileDiff(
        path=path,
        role=role_of(path),
        lines=tuple(lines),
        added=tuple(added),
        removed=tuple(removed),
        pairs=tuple(pairs),
        comments_only=bool(changed) and not live,
        logging_only=bool(live) and not added and not removed and len(spoken) < len(live),
        renames_only=_renames_only(added, removed, pairs),
        conserved=any(line.sign == "-" for line in live) and _conserved(added, removed),
    )


def _is_logging(line: Line) -> bool:
    return bool(_LOGGING.match(line.text) or (line.parents and _LOGGING.match(line.parents[0])))


def _lines(body: Sequence[str]) -> list[Line]:
    """The hunk's lines with the lines they lie under; `@@` headers count as outermost context."""
    lines: list[Line] = []
    stack: list[tuple[int, str]] = []
    for row in body:
        if row.startswith("@@"):
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
        lines.append(Line(row[0], text, indent, tuple(t for _, t in reversed(stack[-4:]))))
        if bare[0] not in "})]":
            stack.append((indent, bare))
    return lines


def _without_moved(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Added and removed lines less those that only moved or were re-spaced: the same words stand on both sides."""
    before = Counter(_shape(line) for line in lines if line.sign == "-")
    after = Counter(_shape(line) for line in lines if line.sign == "+")
    both = before & after
    kept: dict[str, list[Line]] = {"+": [], "-": []}
    left = {"+": Counter(both), "-": Counter(both)}
    for line in lines:
        shape = _shape(line)
        if left[line.sign][shape] > 0:
            left[line.sign][shape] -= 1
        elif not _IMPORT.match(line.text):
            kept[line.sign].append(line)
    return kept["+"], kept["-"]


def _shape(line: Line) -> str:
    return "".join(line.text.split()).rstrip(",;")


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


def _renames_only(added: Sequence[Line], removed: Sequence[Line], pairs: Sequence[Pair]) -> bool:
    """Whether every change is one identifier (never a string, number or sign) swapped consistently for another."""
    if not pairs or len(pairs) != len(added) or len(pairs) != len(removed):
        return False
    names: dict[str, str] = {}
    for pair in pairs:
        old, new = words_of(pair.old.text), words_of(pair.new.text)
        if len(old) != len(new):
            return False
        for before, after in zip(old, new, strict=True):
            if before == after:
                continue
            if not (_is_name(before) and _is_name(after)) or names.setdefault(before, after) != after:
                return False
    own = set(names.values()) <= _declared(added)
    return own and bool(names) and len(set(names.values())) == len(names)


_MANY = 3
"""So many literals all kept outweigh a call that was swapped for another."""
_CALLED = re.compile(r"([A-Za-z_$@][\w$]*)\s*\(")
_DECLARES = re.compile(
    r"\b(?:def|func|function|fn|fun|class|struct|type|var|let|const|val|import|as|for|in)\s+(?:\([^)]{0,80}\)\s*)?([A-Za-z_$@][\w$]*)"
    r"|([A-Za-z_$@][\w$]*)\s*(?::=|=(?!=)|:\s)"
)


def _declared(lines: Sequence[Line]) -> set[str]:
    """Names that these lines bring into being: only a name of one's own can be swapped without effect."""
    return {a or b for line in lines for a, b in _DECLARES.findall(line.text)}


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


_KEYWORDS = frozenset(
    "true false True False None nil null and or not asc desc ASC DESC min max any all int float str round floor ceil"
    " Decimal double long string bool var let const async await break continue return".split()
)


def _is_name(word: str) -> bool:
    return (word[0].isalpha() or word[0] in "_$@") and word not in _KEYWORDS

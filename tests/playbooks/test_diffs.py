"""How diffs are read: roles of files, lines that can alter behaviour, settings turned, swaps understood."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.answers import Commit
from playbooks.change_effects import Effect
from playbooks.diff_effects import Power, power_of
from playbooks.diff_settings import turned
from playbooks.diff_words import rarity, shared, split_words
from playbooks.diffs import Line, Pair, Role, read_diff, role_of, schema_words


def _patch(path: str, *lines: str) -> str:
    return (
        f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n" + "\n".join(lines) + "\n"
    )


def _power(path: str, *lines: str) -> Power:
    return power_of(read_diff(_patch(path, *lines)))


def _pair(old: str, new: str, *parents: str) -> Pair:
    return Pair(Line("-", old, 0, parents), Line("+", new, 0, parents))


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("services/cart/app.py", Role.CODE),
        ("services/cart/test_app.py", Role.TEST),
        ("web/src/cart.spec.ts", Role.TEST),
        ("docs/cart.md", Role.DOCS),
        (".github/workflows/ci.yml", Role.CI),
        (".github/CODEOWNERS", Role.CI),
        ("services/cart/go.mod", Role.DEPENDENCY),
        ("requirements-dev.txt", Role.DEPENDENCY),
        ("db/migrate/20260101_add.rb", Role.MIGRATION),
        ("charts/cart/values.yaml", Role.CONFIG),
        ("infra/iam.tf", Role.CONFIG),
        ("grafana/cart.json", Role.MONITORING),
        ("web/app.css", Role.ASSET),
    ],
)
def test_a_path_tells_what_a_file_is_for(path: str, role: Role) -> None:
    assert role_of(path) is role


def test_a_diff_without_file_headers_takes_its_paths_from_the_hunks() -> None:
    diff = read_diff("@@ pkg/a.go: func A() {\n-x := 1\n+x := 2\n@@ pkg/b_test.go @@\n+func TestB() {}\n")
    assert [f.path for f in diff.files] == ["pkg/a.go", "pkg/b_test.go"]


def test_a_removed_line_that_looks_like_a_header_stays_a_line() -> None:
    diff = read_diff(_patch("q.sql", "--- old comment", "-DROP TABLE a;", "+DROP TABLE b;"))
    assert [f.path for f in diff.files] == ["q.sql"]
    assert len(diff.files[0].removed) == 1


@pytest.mark.parametrize(
    ("path", "lines", "why"),
    [
        ("a.go", ["-// old", "+// new"], "only comments"),
        ("a.go", ["-\tx:=1", "+\tx := 1"], "only spacing, order or imports"),
        ("a.py", ["-import os, sys", "+import os", "+import sys"], "only spacing, order or imports"),
        ("a.py", ["-log.info('a')", "+log.info('a', b=c)"], "only log lines"),
        ("a.go", ['+log.Info("a",', '+\t"b", b,', "+)"], "only log lines"),
        ("a.py", ["-def lst(x):", "-    lst(x)", "+def one(x):", "+    one(x)"], "only names of identifiers"),
        ("a.py", ['-title = "Sale"', '+title = "Big sale"'], "only wording"),
        ("README.md", ["-a", "+b"], "only documentation"),
        ("a_test.go", ["+func TestA(t *testing.T) {}"], "only tests"),
    ],
)  # fmt: skip
def test_what_cannot_alter_behaviour_is_harmless(path: str, lines: list[str], why: str) -> None:
    assert _power(path, *lines).harmless == why


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("a.py", ["-json.dumps(x)", "+msgpack.packb(x)"]),
        ("a.py", ["-return a < b", "+return a > b"]),
        ("a.yaml", ["-opts: '-Xmx2g'", "+opts: '-Xmx200m'"]),
        ("a.go", ['-\t"title": t,', '+\t"name": t,']),
        ("a.yaml", ["-host: db.one.example", "+host: db.two.example"]),
    ],
)
def test_small_edits_that_can_alter_behaviour_are_not_harmless(path: str, lines: list[str]) -> None:
    assert _power(path, *lines).harmless == ""


@pytest.mark.parametrize(
    ("old", "new", "name", "factor"),
    [
        ("timeout: 1500ms", "timeout: 150ms", "timeout", 0.1),
        ("ctx, 2*time.Second // timeout", "ctx, 200*time.Millisecond // timeout", "timeout", 0.1),
        ("TTL = 15.minutes", "TTL = 5.seconds", "lifetime of cached or issued things", 1 / 180),
        ("maximum-pool-size: 40", "maximum-pool-size: 4", "pool size", 0.1),
        ("replicas: 12", "replicas: 2", "replicas", 1 / 6),
        ("cpu: 2", "cpu: 500m", "cpu limit", 0.25),
        ("opts: -Xmx2g", "opts: -Xmx500m", "memory limit", 0.25),
        ("max_retries = 2", "max_retries = 20", "retries", 10.0),
    ],
)
def test_a_turned_setting_is_known_with_its_units(old: str, new: str, name: str, factor: float) -> None:
    turn = turned(_pair(old, new))
    assert turn is not None
    assert turn.setting is not None
    assert turn.setting.name == name
    assert turn.factor == pytest.approx(factor, rel=0.1)


def test_a_setting_may_take_its_name_from_the_lines_above_it() -> None:
    turn = turned(_pair("max_size: 20", "max_size: 2", "pool:"))
    assert turn is not None
    assert turn.setting is not None
    assert turn.setting.name == "pool size"


def test_a_list_at_the_outermost_level_grows_and_a_bounded_one_hardly() -> None:
    grows = _power("a.py", "+SEEN = []", "+def f(x):", "+    SEEN.append(x)")
    bound = _power("a.py", "+SEEN = deque(maxlen=5)", "+def f(x):", "+    SEEN.append(x)")
    strength = [
        max((t.effects[Effect.MEMORY] for t in power.traces if t.name == "grows"), default=0.0)
        for power in (grows, bound)
    ]
    assert strength[0] == 1.0
    assert strength[1] <= 0.3


def test_a_list_of_the_request_itself_does_not_grow() -> None:
    power = _power("a.py", "+def f(xs):", "+    out = []", "+    for x in xs:", "+        out.append(x)")
    assert "grows" not in {t.name for t in power.traces}


def test_a_call_that_moved_into_a_loop_is_seen() -> None:
    power = _power("a.rb", "-rows = Price.where(id: ids)", "+ids.each do |id|", "+  Price.find(id)", "+end")
    assert "in_loop" in {t.name for t in power.traces}


def test_a_missing_diff_is_unknown_and_not_harmless() -> None:
    power = power_of(read_diff(None, ["a.py"]))
    assert not power.known
    assert power.harmless == ""


def test_identifiers_are_split_and_plain_words_of_telemetry_left_out() -> None:
    assert split_words("http_request_duration_seconds getUserCartItems") == ["cart"]
    assert split_words("searchEvents search_events") == ["search", "search"]


def test_rare_words_weigh_more_than_common_ones() -> None:
    rare = rarity([["cart", "coupon"], ["cart"], ["cart"]])
    both = dict(shared({"cart": 1.0, "coupon": 1.0}, {"cart": 1.0, "coupon": 1.0}, rare))
    assert both["coupon"] > both["cart"]


def _commit(*patches: tuple[str, str]) -> Commit:
    at = datetime(2026, 6, 18, tzinfo=UTC)
    diff = "".join(_patch(path, line) for path, line in patches)
    return Commit(sha="a" * 40, at=at, author="", message="", files=tuple(p for p, _ in patches), diff=diff)


def test_the_words_of_a_commits_migrations_are_those_of_the_lines_it_changes_there() -> None:
    words = schema_words(
        _commit(
            ("migrations/0007_invoices.sql", "+CREATE TABLE invoices (order_id bigint);"),
            ("services/payments/app.py", "+REFUNDS = 'SELECT id FROM refunds'"),
        )
    )
    assert {"invoices", "order_id"} <= words
    assert "refunds" not in words


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("alembic/versions/0007_idx.py", "def downgrade() -> None:"),
        ("db/migrate/20260101_idx.rb", "def down"),
        ("migrations/20260101_idx.js", "exports.down = async (knex) => {"),
        ("src/migration/1_idx.ts", "public async down(queryRunner: QueryRunner): Promise<void> {"),
    ],
)
def test_what_a_migration_undoes_on_its_way_back_is_not_what_it_does(path: str, back: str) -> None:
    wanted = read_diff(_patch(path, "+create_index(a)", f"+{back}", "+    op.drop_index(a)")).files[0]
    assert [line.text for line in wanted.added] == ["create_index(a)"]


def test_a_commit_without_migrations_alters_no_table() -> None:
    assert schema_words(_commit(("app.py", "+x = 'CREATE TABLE invoices (id int)'"))) == frozenset()

"""No attack gets through, and every layer holds alone what it claims to hold."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest

from connectors.errors import RefusedError
from connectors.postgres.limits import Limits
from connectors.postgres.wall import Wall
from tests.connectors.postgres import layers
from tests.connectors.postgres.attacks import CORPUS
from tests.connectors.postgres.servers import Server


def listed(items: list[object]) -> str:
    return "\n".join(map(str, items))


pytestmark = pytest.mark.live


def test_the_corpus_is_large_and_each_attack_is_claimed_by_two_layers_at_least() -> None:
    statements = [attack.sql for attack in CORPUS]
    assert len(set(statements)) == len(statements) >= 300
    assert [attack.sql for attack in CORPUS if len(attack.stopped_by) < 2] == []


def test_every_layer_alone_stops_what_it_claims(server: Server) -> None:
    claims = [(attack, layer) for attack in CORPUS for layer in sorted(attack.stopped_by)]
    with layers.bench(server) as bench:
        before = layers.state(bench.admin)
        passed: list[object] = [
            (layer, attack.family, attack.sql)
            for attack, layer in claims
            if not bench.stops(layer, attack.sql)
        ]
        assert not passed, listed(passed)
        assert layers.state(bench.admin) == before


def test_without_any_layer_the_attacks_do_run(server: Server) -> None:
    tried = [attack.sql for attack in CORPUS if attack.tried]
    with layers.bench(server) as bench:
        harmless: list[object] = [(sql, why) for sql in tried if (why := layers.gets_through(bench, sql))]
    assert not harmless, listed(harmless)


@pytest.mark.parametrize("user", ["firstcause_plans", "postgres"])
def test_no_attack_passes_the_wall_whoever_the_role_is(server: Server, user: str) -> None:
    wall = Wall("shop", server.dsn(user), Limits(rows=100))
    passed: list[object] = []
    stopped: Counter[str] = Counter()
    with server.admin() as connection:
        before = layers.state(connection)
        with wall.session() as session:
            for attack in CORPUS:
                try:
                    rows = session.rows(attack.sql)
                except (RefusedError, psycopg.Error) as refusal:
                    stopped[getattr(refusal, "layer", "server")] += 1
                else:
                    passed.append((attack.sql, rows))
        assert not passed, listed(passed)
        assert layers.state(connection) == before

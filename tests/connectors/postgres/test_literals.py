"""No literal of a statement survives, however it is written or cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.postgres.literals import UNREADABLE, without_literals

SECRET = "hunter2anna"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "select * from t where a = 'x' and b = $1 limit 10",
            "select * from t where a = $2 and b = $1 limit $3",
        ),
        ("select é, 'ü', 5 from ä", "select é, $1, $2 from ä"),
        ("update t set a = E'x\\'y', b = $tag$z$tag$", "update t set a = $1, b = $2"),
        ("select 1.5e3, 0x1F, B'101', X'1F', U&'d\\0061t'", "select $1, $2, $3, $4, $5"),
        ("alter role x password 'secret'", "alter role x password $1"),
        ("select 1 /* anna */ -- anna\n from t", "select $1   from t"),
        ("select 1a", UNREADABLE),
        ("", ""),
    ],
)
def test_each_literal_becomes_a_parameter(text: str, shown: str) -> None:
    assert without_literals(text) == shown


WHOLE = (
    f"SELECT '{SECRET}', E'{SECRET}\\'', $a${SECRET}$a$, $${SECRET}$$, U&'{SECRET}', N'{SECRET}'"
    f", '' || '{SECRET}'"
    f" FROM t WHERE a = '{SECRET}' /* {SECRET} */ AND b IN ('x''{SECRET}', '{SECRET}') -- {SECRET}\n LIMIT 5"
)


@pytest.mark.parametrize("cut", range(len(WHOLE) + 1))
def test_wherever_the_server_cut_the_text_no_literal_is_left(cut: int) -> None:
    shown = without_literals(WHOLE[:cut])
    assert "hunter" not in shown
    assert "anna" not in shown


@given(st.text(max_size=40))
def test_any_text_in_quotes_is_gone(value: str) -> None:
    quoted = value.replace("'", "''")
    shown = without_literals(f"SELECT a FROM t WHERE b = '{quoted}' AND c = 1")
    assert shown in ("SELECT a FROM t WHERE b = $1 AND c = $2", UNREADABLE)


@given(st.text(max_size=60))
def test_any_text_is_survived(text: str) -> None:
    assert isinstance(without_literals(text), str)

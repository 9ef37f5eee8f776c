"""What a statement filters, joins and sorts by, read from its parse tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.statements import LONGEST_STATEMENT, StatementUse, Unread, plain_key, read_statement

COLUMNS = {
    "orders": frozenset({"id", "customer_id", "customer_email", "status", "created_at"}),
    "order_items": frozenset({"order_id", "product_id"}),
}


def uses(text: str) -> set[tuple[str, str, str]]:
    read = read_statement(text, COLUMNS)
    assert isinstance(read, StatementUse), read
    return {(use.table.name, use.key, use.how) for use in read.uses}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1 FROM orders WHERE customer_email = $1", {("orders", "customer_email", "equal")}),
        ("SELECT 1 FROM orders o WHERE $1 = o.status", {("orders", "status", "equal")}),
        ("SELECT 1 FROM orders WHERE id IN ($1, $2)", {("orders", "id", "equal")}),
        ("SELECT 1 FROM orders WHERE id = ANY($1)", {("orders", "id", "equal")}),
        ("SELECT 1 FROM orders WHERE status IS NULL", {("orders", "status", "equal")}),
        ("SELECT 1 FROM orders WHERE created_at BETWEEN $1 AND $2", {("orders", "created_at", "range")}),
        ("SELECT 1 FROM orders WHERE status LIKE $1", {("orders", "status", "pattern")}),
        ("SELECT 1 FROM orders WHERE status <> $1", set()),
        (
            "SELECT 1 FROM orders WHERE lower(customer_email) = $1",
            {("orders", "lower(customer_email)", "equal")},
        ),
        ("SELECT 1 FROM orders ORDER BY created_at DESC", {("orders", "created_at", "order")}),
        ("UPDATE orders SET status = $1 WHERE customer_id = $2", {("orders", "customer_id", "equal")}),
        ("DELETE FROM orders WHERE id = $1", {("orders", "id", "equal")}),
        (
            'SELECT 1 FROM ONLY "public"."order_items" x WHERE $1 OPERATOR(pg_catalog.=) "order_id"'
            " FOR KEY SHARE OF x",
            {("order_items", "order_id", "equal")},
        ),
        (
            "SELECT 1 FROM orders JOIN order_items i ON i.order_id = orders.id WHERE product_id = $1",
            {
                ("order_items", "order_id", "join"),
                ("orders", "id", "join"),
                ("order_items", "product_id", "equal"),
            },
        ),
        (
            "SELECT 1 FROM orders WHERE status = $1 OR customer_id = $2",
            {("orders", "status", "either"), ("orders", "customer_id", "either")},
        ),
        (
            "SELECT 1 FROM orders o WHERE EXISTS (SELECT 1 FROM order_items WHERE order_id = o.id)",
            {("orders", "id", "join"), ("order_items", "order_id", "join")},
        ),
        (
            "WITH orders AS (SELECT * FROM orders WHERE status = $1) SELECT 1 FROM orders o WHERE o.id = $2",
            {("orders", "status", "equal")},
        ),
    ],
)
def test_every_column_is_read_with_its_table_and_use(text: str, expected: set[tuple[str, str, str]]) -> None:
    assert uses(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELEC",
        "SELECT 1; SELECT 2",
        "SELECT 1 FROM orders WHERE id = $1 AND …",
        "x" * (LONGEST_STATEMENT + 1),
    ],
)
def test_what_cannot_be_read_is_said_to_be_unread(text: str) -> None:
    assert isinstance(read_statement(text), Unread)


def test_an_ambiguous_column_is_left_unresolved_instead_of_guessed() -> None:
    read = read_statement("SELECT 1 FROM a, b WHERE x = $1")
    assert isinstance(read, StatementUse)
    assert (read.uses, read.unresolved) == ((), ("x",))


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_raise(text: str) -> None:
    assert isinstance(read_statement(text), StatementUse | Unread)


@pytest.mark.parametrize(
    "text", ["SELECT " + "(" * 4000 + "1" + ")" * 4000, "SELECT 1 WHERE " + "NOT " * 4500 + "true"]
)
def test_deep_nesting_never_raises(text: str) -> None:
    assert isinstance(read_statement(text), StatementUse | Unread)


def test_equal_index_expressions_have_equal_keys() -> None:
    assert plain_key("lower((email)::text)") == plain_key("LOWER(email)") == "loweremail"

"""Indexes that are of no use, and foreign keys without one: compared from what the catalogue lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from connectors import database_answers as d
from connectors.postgres.channel import Row
from connectors.postgres.inquiry import Inquiry

BLOAT = 0.5
"""Share of an index that must be wasted, by the estimate, before it is named."""
LEAST_BYTES = 1024 * 1024
"""Smaller indexes are not worth a word, whatever is wrong with them."""

_INDEXES = """
    SELECT n.nspname::text AS schema, t.relname::text AS table, c.relname::text AS name,
           m.amname::text AS method, i.indisvalid AS valid, i.indisunique OR i.indisexclusion AS constrains,
           i.indkey::text AS keys,
           i.indclass::text AS classes, i.indoption::text AS options,
           coalesce(pg_get_expr(i.indexprs, i.indrelid), '') AS expressions,
           coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
           pg_relation_size(i.indexrelid)::float8 AS bytes, c.reltuples::float8 AS entries,
           coalesce(s.idx_scan, 0)::float8 AS scans, coalesce(t.reltuples, 0)::float8 AS rows,
           (SELECT array_agg(coalesce(k.attname::text, '') ORDER BY k.attnum) FROM pg_attribute k
            WHERE k.attrelid = i.indexrelid AND k.attnum <= i.indnkeyatts) AS columns,
           (SELECT sum(CASE WHEN k.attlen > 0 THEN k.attlen::int4 ELSE 32 END)::float8 FROM pg_attribute k
            WHERE k.attrelid = i.indexrelid) AS width,
           (SELECT count(*)::int4 FROM pg_attribute k
            WHERE k.attrelid = i.indexrelid AND k.attlen < 0) AS varying
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
         JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_am m ON m.oid = c.relam
         LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
    WHERE n.nspname <> 'information_schema' AND NOT n.nspname LIKE 'pg_%' AND c.relkind = 'i'
    ORDER BY 1, 2, 3"""

_FOREIGN_KEYS = """
    SELECT n.nspname::text AS schema, t.relname::text AS table, k.conname::text AS name, k.conkey AS keys,
           pg_relation_size(t.oid)::float8 AS bytes,
           (SELECT array_agg(a.attname::text ORDER BY array_position(k.conkey, a.attnum)) FROM pg_attribute a
            WHERE a.attrelid = t.oid AND a.attnum = ANY(k.conkey)) AS columns
    FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE k.contype = 'f' ORDER BY 1, 2, 3"""

_SINCE = """
    SELECT extract(epoch FROM clock_timestamp()
                   - coalesce(stats_reset, pg_postmaster_start_time()))::float8 AS since
    FROM pg_stat_database WHERE datname = current_database()"""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two indexes of one table; the first does what the second does."""

    kept: Row
    spare: Row


def problems(inquiry: Inquiry) -> d.IndexProblems:
    """All problems, the largest first."""
    rows = inquiry.rows(_INDEXES)
    since = float(inquiry.one(_SINCE)["since"] or 0.0)
    inquiry.notes.append(
        f"unused means: no scan in the {since / 86400:.1f} days counted, on this server alone"
    )
    found = [
        *_single(rows),
        *(_duplicate(pair) for pair in _duplicates(rows)),
        *_foreign_keys(rows, inquiry.rows(_FOREIGN_KEYS)),
    ]
    order = sorted(
        found, key=lambda each: (-each.size_bytes, each.kind, each.db_schema, each.table, each.index)
    )
    return d.IndexProblems(problems=tuple(order))


def _single(rows: tuple[Row, ...]) -> Iterator[d.IndexProblem]:
    for row in rows:
        if not row["valid"]:
            yield _problem("invalid", row)
        elif row["bytes"] >= LEAST_BYTES:
            if not row["scans"] and not row["constrains"]:
                yield _problem("unused", row)
            wasted = _wasted(row)
            if wasted >= BLOAT * row["bytes"]:
                yield _problem("bloated", row).model_copy(update={"wasted_bytes": wasted})


def _wasted(row: Row) -> float:
    """Bytes beyond what a B-tree of so many entries takes: 16 bytes and its columns each, at 90 %.

    Only of indexes whose columns have a fixed width: of others it is not known without their values.
    """
    if row["method"] != "btree" or row["varying"] or row["entries"] <= 0:
        return 0.0
    return max(float(row["bytes"]) - float(row["entries"]) * (float(row["width"]) + 16.0) / 0.9 - 8192.0, 0.0)


def _duplicates(rows: tuple[Row, ...]) -> Iterator[_Pair]:
    """Pairs of valid indexes of which one's columns, in order, begin the other's, all else being equal."""
    tables: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["valid"]:
            tables[row["schema"], row["table"]].append(row)
    for group in tables.values():
        for spare in group:
            kept = [each for each in group if each is not spare and _covers(each, spare)]
            if kept:
                yield _Pair(min(kept, key=lambda each: (len(each["keys"].split()), each["name"])), spare)


def _covers(kept: Row, spare: Row) -> bool:
    if spare["constrains"] or any(
        kept[name] != spare[name] for name in ("method", "expressions", "predicate")
    ):
        return False
    longer, shorter = kept["keys"].split(), spare["keys"].split()
    begins = all(
        kept[name].split()[: len(shorter)] == spare[name].split() for name in ("keys", "classes", "options")
    )
    if longer == shorter:  # of two equals one is spare: the later name, unless the other keeps a constraint
        return begins and bool(kept["constrains"] or kept["name"] < spare["name"])
    return begins and kept["method"] == "btree" and "0" not in longer


def _duplicate(pair: _Pair) -> d.IndexProblem:
    return _problem("duplicate", pair.spare).model_copy(update={"other": pair.kept["name"]})


def _foreign_keys(indexes: tuple[Row, ...], keys: tuple[Row, ...]) -> Iterator[d.IndexProblem]:
    """Foreign keys whose columns begin no whole index: deleting a referenced row reads all."""
    begun: dict[tuple[str, str], list[list[str]]] = defaultdict(list)
    for row in indexes:
        if row["valid"] and not row["predicate"]:
            begun[row["schema"], row["table"]].append(row["keys"].split())
    for key in keys:
        wanted = {str(number) for number in key["keys"]}
        served = any(set(each[: len(wanted)]) == wanted for each in begun[key["schema"], key["table"]])
        if not served:
            yield d.IndexProblem(
                kind="foreign_key",
                db_schema=key["schema"],
                table=key["table"],
                columns=tuple(key["columns"]),
                size_bytes=key["bytes"],
                other=key["name"],
            )


def _problem(kind: str, row: Row) -> d.IndexProblem:
    return d.IndexProblem.model_validate(
        {
            "kind": kind,
            "db_schema": row["schema"],
            "table": row["table"],
            "index": row["name"],
            "columns": tuple(row["columns"] or ()),
            "size_bytes": row["bytes"],
        }
    )

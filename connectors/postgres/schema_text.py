"""The schema as plain SQL that any PostgreSQL can load: enumerations, tables, constraints, indexes.

pg_dump would lock every table. Views, functions and triggers are left out: tables are what is planned over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from connectors import answers as a
from connectors.postgres.channel import Row
from connectors.postgres.inquiry import Inquiry
from connectors.postgres.role import identifier
from connectors.redaction import redacted

_USERS = "n.nspname <> 'information_schema' AND NOT n.nspname LIKE 'pg_%'"

_COLUMNS = f"""
    SELECT n.nspname::text AS schema, c.relname::text AS table, a.attname::text AS name,
           format_type(a.atttypid, a.atttypmod) AS kind, a.attnotnull AS required,
           pg_get_expr(d.adbin, d.adrelid) AS value, a.attidentity::text AS identity,
           a.attgenerated::text AS generated, c.relkind = 'p' AS partitioned
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND {_USERS}
    ORDER BY 1, 2, a.attnum"""  # noqa: S608 - a constant

_CONSTRAINTS = f"""
    SELECT n.nspname::text AS schema, c.relname::text AS table, k.conname::text AS name,
           pg_get_constraintdef(k.oid) AS definition
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype IN ('p', 'u', 'c', 'x', 'f') AND {_USERS}
    ORDER BY k.contype = 'f', k.contype = 'c', 1, 2, 3"""  # noqa: S608 - a constant

_INDEXES = f"""
    SELECT pg_get_indexdef(i.indexrelid) AS definition
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_USERS} AND c.relkind IN ('r', 'p')
          AND NOT EXISTS (SELECT 1 FROM pg_constraint k
                          WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    ORDER BY 1"""  # noqa: S608 - a constant

_ENUMERATIONS = f"""
    SELECT n.nspname::text AS schema, t.typname::text AS name,
           array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS labels
    FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE {_USERS} GROUP BY 1, 2 ORDER BY 1, 2"""  # noqa: S608 - a constant

_SEQUENCES = f"""
    SELECT n.nspname::text AS schema, c.relname::text AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND {_USERS}
          AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i')
    ORDER BY 1, 2"""  # noqa: S608 - a constant


def dump(inquiry: Inquiry) -> a.SourceFiles:
    """The schema of the database as one file."""
    columns = inquiry.rows(_COLUMNS)
    enumerations, sequences = inquiry.rows(_ENUMERATIONS), inquiry.rows(_SEQUENCES)
    schemas = {str(row["schema"]) for row in (*columns, *enumerations, *sequences)} - {"public"}
    statements = [
        *(f"CREATE SCHEMA {identifier(schema)};" for schema in sorted(schemas)),
        *map(_enumeration, enumerations),
        *(f"CREATE SEQUENCE {_full(row, 'name')};" for row in sequences),
        *_tables(columns),
        *(
            f"ALTER TABLE ONLY {_full(row)} ADD CONSTRAINT {identifier(row['name'])} {row['definition']};"
            for row in inquiry.rows(_CONSTRAINTS)
        ),
        *(f"{row['definition']};" for row in inquiry.rows(_INDEXES)),
    ]
    inquiry.notes.append(
        "made from the catalogue: tables, constraints and indexes, without views and functions"
    )
    text = redacted("\n".join(statements) + "\n")
    return a.SourceFiles(files=(a.SourceFile(path=f"database/{inquiry.database}.sql", text=text),))


def _tables(columns: tuple[Row, ...]) -> Iterator[str]:
    tables: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in columns:
        tables[row["schema"], row["table"]].append(row)
    for rows in tables.values():
        body = ",\n".join(f"    {_column(row)}" for row in rows)
        yield f"CREATE TABLE {_full(rows[0])} (\n{body}\n);"


def _column(row: Row) -> str:
    parts = [identifier(row["name"]), str(row["kind"])]
    if row["generated"]:
        parts.append(f"GENERATED ALWAYS AS ({row['value']}) STORED")
    elif row["identity"]:
        parts.append(f"GENERATED {'ALWAYS' if row['identity'] == 'a' else 'BY DEFAULT'} AS IDENTITY")
    elif row["value"] is not None:
        parts.append(f"DEFAULT {row['value']}")
    if row["required"]:
        parts.append("NOT NULL")
    return " ".join(parts)


def _enumeration(row: Row) -> str:
    labels = ", ".join("'" + str(label).replace("'", "''") + "'" for label in row["labels"])
    return f"CREATE TYPE {_full(row, 'name')} AS ENUM ({labels});"


def _full(row: Row, name: str = "table") -> str:
    return f"{identifier(row['schema'])}.{identifier(row[name])}"

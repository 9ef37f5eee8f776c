"""Judges over the repository's migrations against the database's catalogue.

Promised but absent, present but promised nowhere, and the index that a statement needs and no migration
creates. Migrations are read, never run. Must not judge whether a statement is slow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from connectors.answers import Indexes, SourceFiles
from connectors.contract import Reading
from connectors.questions import MigrationFiles, SchemaDump
from playbooks.facts import DetailedFinding, Ruling, Scene, cite, finding, of_database, unknown
from playbooks.indexes import IndexCase, KnownSchema, MissingIndex, missing_facts
from playbooks.migration_writing import migration_file
from playbooks.model import Entity
from playbooks.observations import Observations, Observed
from playbooks.schema import Schema, read_schema
from playbooks.schema_operations import DeclaredIndex, ForeignKey
from playbooks.statements import plain_key

_MODEL = re.compile(r"(^|/)(schema\.prisma|schema\.rb|structure\.sql)$")
"""What a schema is to be, or is elsewhere; a deployment runs the migrations beside it and not this file."""


def promised_schema(observations: Observations) -> tuple[Schema, Reading] | None:
    """The schema that the repository's migrations add up to, with the reading it was read from."""
    for reading in observations.to(MigrationFiles):
        if isinstance(reading.answer, SourceFiles):
            return read_schema(reading.answer.files), reading
    return None


def dumped_schema(observations: Observations) -> tuple[Schema, Reading] | None:
    """The schema as the database printed it."""
    for reading in observations.to(SchemaDump):
        if isinstance(reading.answer, SourceFiles):
            return read_schema(reading.answer.files), reading
    return None


def known_schema(observations: Observations) -> KnownSchema:
    """Every table's columns and foreign keys, by dump and migrations together."""
    columns: dict[str, frozenset[str]] = {}
    keys: dict[tuple[str, tuple[str, ...], str], ForeignKey] = {}
    types: dict[tuple[str, str], str] = {}
    for found in (dumped_schema(observations), promised_schema(observations)):
        for table, names in (found[0].tables if found else {}).items():
            columns[table] = columns.get(table, frozenset()) | names
        for key in found[0].foreign_keys if found else ():
            keys.setdefault((key.table, key.columns, key.target), key)
        types = {**(found[0].types if found else {}), **types}
    return KnownSchema(columns, tuple(keys[name] for name in sorted(keys)), types)


def judge_migrations(
    observations: Observations, case: IndexCase, scene: Scene
) -> tuple[DetailedFinding, ...]:
    """Hold the migrations against the catalogue and against what the slow statements need."""
    promised = promised_schema(observations)
    judges = ("index_in_no_migration", "index_promised_absent", "index_unpromised")
    if promised is None:
        return tuple(unknown(judge, "no migrations are known", scene) for judge in judges)
    schema, reading = promised
    if not schema.read:
        why = "no migration could be read" + (f": {schema.skipped[0].reason}" if schema.skipped else "")
        return tuple(unknown(judge, why, scene) for judge in judges)
    listed = of_database(observations, Indexes, scene.database)
    return (
        _in_no_migration(schema, reading, case, scene),
        _promised_absent(schema, reading, case, listed, scene),
        _unpromised(schema, reading, listed, scene),
    )


def _skips(schema: Schema) -> str:
    if not schema.skipped:
        return ""
    return f"; {len(schema.skipped)} files were not read wholly ({schema.skipped[0].path})"


def _leads(index: DeclaredIndex, missing: MissingIndex) -> bool:
    same = index.table == missing.plan.table and bool(index.columns) and not index.partial
    return same and plain_key(index.columns[0]) == plain_key(missing.plan.keys[0])


def _in_no_migration(schema: Schema, reading: Reading, case: IndexCase, scene: Scene) -> DetailedFinding:
    """The statement filters a column; no migration creates an index on it, and none exists."""
    judge = "index_in_no_migration"
    if not case.missing:
        return unknown(judge, "no statement is known to lack an index", scene)
    missing = case.missing[0]
    promised = [i for i in schema.indexes.values() if _leads(i, missing)]
    makers = [i for i in promised if not _only_modelled(i, schema)]
    name = f"{missing.plan.table}.{missing.plan.keys[0]}"
    if makers:
        text = f"{makers[0].path} creates {makers[0].name} on {name}"
        ruling = Ruling(judge=judge, state="no", why=text, strength=4.0)
        return finding(ruling, scene, [cite(reading, text)])
    brought = f", though {promised[0].path} declares one" if promised else _brings(schema, missing)
    count = sum(_MODEL.search(path) is None for path in schema.read) or len(schema.read)
    text = (
        f"{name} is filtered, and none of {count} migrations creates an index on it"
        f"{brought}; none exists in the catalogue{_skips(schema)}"
    )
    ruling = Ruling(
        judge=judge,
        state="yes",
        why=text,
        strength=4.0 if schema.skipped else 6.0,
        entity=Entity(kind="table", name=missing.plan.table),
    )
    return finding(ruling, scene, [cite(reading, text)], _migration_facts(missing, schema, reading, scene))


def _only_modelled(index: DeclaredIndex, schema: Schema) -> bool:
    """Whether the model alone declares it, in a project that has migrations: nobody wrote the one for it."""
    return _MODEL.search(index.path) is not None and any(_MODEL.search(path) is None for path in schema.read)


def _brings(schema: Schema, missing: MissingIndex) -> str:
    known = missing.plan.keys[0] in schema.tables.get(missing.plan.table, frozenset())
    gone = [i for i in schema.dropped.values() if _leads(i, missing)]
    if gone:
        return f" ({gone[0].name} was created and dropped again)"
    return " (the column itself is created)" if known else ""


def _migration_facts(missing: MissingIndex, schema: Schema, reading: Reading, scene: Scene) -> dict[str, str]:
    facts = missing_facts(missing)
    files = reading.answer.files if isinstance(reading.answer, SourceFiles) else ()
    file = migration_file(missing.plan, [each for each in files if each.path in schema.read], scene.now)
    if file is not None:
        facts |= {"migration_path": file.path, "migration_text": file.text}
    return facts


def _exists(index: DeclaredIndex, listed: Observed[Indexes]) -> bool:
    keys = tuple(plain_key(c) for c in index.columns)
    return any(
        have.valid
        and have.table == index.table
        and (have.index == index.name or tuple(plain_key(c) for c in have.columns) == keys)
        for have in listed.answer.indexes
    )


def _promised_absent(
    schema: Schema, reading: Reading, case: IndexCase, listed: Observed[Indexes] | None, scene: Scene
) -> DetailedFinding:
    """An index that a migration creates and the catalogue lacks: never run, failed, or left invalid."""
    judge = "index_promised_absent"
    if listed is None or not listed.answer.indexes:
        return unknown(judge, "the indexes that exist are not known", scene)
    absent = [i for i in schema.indexes.values() if not i.constraint and not _exists(i, listed)]
    wanted = [i for i in absent if any(_leads(i, m) for m in case.missing)]
    catalogue = cite(listed.reading, f"{len(listed.answer.indexes)} indexes")
    if not wanted:
        text = _absent_text(absent)
        ruling = Ruling(judge=judge, state="no", why=text, strength=3.0)
        return finding(ruling, scene, [cite(reading, text), catalogue])
    index = wanted[0]
    modelled = _only_modelled(index, schema)
    text = (
        f"{index.path} {'declares' if modelled else 'creates'} {index.name} on {index.table} "
        f"({', '.join(index.columns)}), and the catalogue has no such valid index: "
        f"{'no migration was made of it' if modelled else 'the migration was not run, or it failed'}"
    )
    ruling = Ruling(
        judge=judge, state="yes", why=text, strength=7.0, entity=Entity(kind="table", name=index.table)
    )
    missing = next(m for m in case.missing if _leads(index, m))
    written = (
        _migration_facts(missing, schema, reading, scene) if modelled else {"migration_path": index.path}
    )
    return finding(ruling, scene, [cite(reading, text), catalogue], missing_facts(missing) | written)


def _absent_text(absent: Sequence[DeclaredIndex]) -> str:
    if not absent:
        return "every index that a migration creates exists and is valid"
    names = ", ".join(i.name for i in absent[:5])
    return f"absent from the catalogue, but wanted by no slow statement: {names}"


def _unpromised(
    schema: Schema, reading: Reading, listed: Observed[Indexes] | None, scene: Scene
) -> DetailedFinding:
    """Drift: indexes in the catalogue that no migration creates. Said for completeness only."""
    judge = "index_unpromised"
    if listed is None or schema.skipped:
        return unknown(judge, "catalogue or migrations are not wholly known", scene)
    declared = {(i.table, tuple(plain_key(c) for c in i.columns)) for i in schema.indexes.values()}
    extra = sorted(
        i.index
        for i in listed.answer.indexes
        if i.table in schema.tables
        and not i.unique
        and (i.table, tuple(plain_key(c) for c in i.columns)) not in declared
    )
    text = f"in the catalogue but in no migration: {', '.join(extra[:5])}" if extra else "no drift of indexes"
    ruling = Ruling(judge=judge, state="yes" if extra else "no", why=text, strength=1.0)
    return finding(ruling, scene, [cite(reading, text), cite(listed.reading, text)])

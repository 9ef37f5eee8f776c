"""Migrations that are no SQL as schema steps, each by its framework's reader."""

from __future__ import annotations

from collections.abc import Callable

from connectors.answers import SourceFile
from playbooks.migration_liquibase import liquibase_operations
from playbooks.migration_prisma import prisma_operations
from playbooks.migration_python import python_operations
from playbooks.migration_rails import rails_operations
from playbooks.schema_operations import FileOperations

LONGEST_FILE = 500_000
"""Characters."""

_READERS: dict[str, Callable[[SourceFile], FileOperations]] = {
    ".py": python_operations,
    ".rb": lambda file: FileOperations(tuple(rails_operations(file))),
    ".prisma": prisma_operations,
    ".xml": liquibase_operations,
    ".yaml": liquibase_operations,
    ".yml": liquibase_operations,
    ".json": liquibase_operations,
}


def framework_operations(file: SourceFile) -> FileOperations:
    """What a migration does that is no SQL; a kind that is not known is skipped."""
    if len(file.text) > LONGEST_FILE:
        return FileOperations((), f"larger than {LONGEST_FILE:,} characters")
    reader = next((reader for ending, reader in _READERS.items() if file.path.endswith(ending)), None)
    return reader(file) if reader else FileOperations((), "not a kind of migration that can be read")

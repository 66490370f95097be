"""
Plain SQL migrations: numbered files inside the package that owns the tables, applied once, in order.

Files are NNNN_verb_noun.sql. The kit's own tables come first. An advisory lock lets replicas start together;
a checksum refuses a file that was changed after it was applied. Each file is one transaction unless its
first line is `-- transactional: false`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import asyncpg
import structlog

log = structlog.get_logger()

LOCK_KEY = 0x666C_6565_7401
KIT = "servicekit"
_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_NOT_TRANSACTIONAL = "-- transactional: false"

_CREATE_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migration (
    package     text        NOT NULL,
    name        text        NOT NULL,
    checksum    text        NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package, name)
)
"""


class MigrationError(Exception):
    """The migrations and the database do not fit together; says which file and why."""


@dataclass(frozen=True)
class Migration:
    """One file."""

    package: str
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_of(package: str) -> list[Migration]:
    """
    List a package's migrations in order.

    Raises:
        MigrationError: A file name is malformed, or numbers have a gap or repeat.
    """
    folder = resources.files(package) / "migrations"
    found = sorted((entry.name, entry.read_text()) for entry in folder.iterdir() if entry.name.endswith(".sql"))
    for index, (name, _) in enumerate(found, start=1):
        match = _FILE.fullmatch(name)
        if match is None or int(match.group(1)) != index:
            message = f"{package}/migrations/{name}: expected number {index:04d} and the form NNNN_verb_noun.sql"
            raise MigrationError(message)
    return [Migration(package, name, sql) for name, sql in found]


async def migrate(url: str, package: str) -> list[str]:
    """
    Bring the schema of *url*'s role up to date and return the names of what was applied.

    Running it again, or from several replicas at once, is harmless. Lock waits are bounded so that a migration
    never stands in the way of yesterday's code for long.

    Raises:
        MigrationError: An applied file has changed.

        OSError, asyncpg.PostgresError: The server is away or refused a statement.
    """
    connection = await asyncpg.connect(url, timeout=10, server_settings={"application_name": f"{package}-migrate"})
    try:
        await connection.execute("SELECT pg_advisory_lock($1, hashtext(current_schema()))", LOCK_KEY & 0x7FFF_FFFF)
        await connection.execute(_CREATE_LEDGER)
        rows = await connection.fetch("SELECT package, name, checksum FROM schema_migration")
        applied = {(row["package"], row["name"]): row["checksum"] for row in rows}
        done = []
        for migration in _in_order(package):
            checksum = applied.get((migration.package, migration.name))
            if checksum is None:
                await _apply(connection, migration)
                done.append(migration.name)
            elif checksum != migration.checksum:
                message = (
                    f"{migration.package}/migrations/{migration.name} changed after it was applied; add a new file"
                )
                raise MigrationError(message)
        if done:
            log.info("migrations_applied", package=package, names=done)
        return done
    finally:
        await connection.close()


def _in_order(package: str) -> list[Migration]:
    own = [] if package == KIT else migrations_of(package)
    return [*migrations_of(KIT), *own]


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    if migration.sql.startswith(_NOT_TRANSACTIONAL):
        await connection.execute(migration.sql)
        await _record(connection, migration)
        return
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '5s'")
        await connection.execute(migration.sql)
        await _record(connection, migration)


async def _record(connection: asyncpg.Connection, migration: Migration) -> None:
    await connection.execute(
        "INSERT INTO schema_migration (package, name, checksum) VALUES ($1, $2, $3)",
        migration.package,
        migration.name,
        migration.checksum,
    )

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest

from servicekit.migrate import MigrationError, migrate
from world.postgres import Database


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """Give an importable package with one migration; returns its migrations folder."""
    name = f"pkg{abs(hash(request.node.nodeid))}"
    folder = tmp_path / name / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / name / "__init__.py").touch()
    (folder / "0001_create_thing.sql").write_text("CREATE TABLE thing (id int)")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return folder


async def test_each_file_is_applied_once(postgres: Database, package: Path) -> None:
    """A second run does nothing; a new file is applied alone."""
    url, name = postgres.url_for("agent-state"), package.parent.name
    assert await migrate(url, name) == ["0001_create_kit_tables.sql", "0001_create_thing.sql"]
    assert await migrate(url, name) == []
    (package / "0002_add_name.sql").write_text("ALTER TABLE thing ADD name text")
    assert await migrate(url, name) == ["0002_add_name.sql"]


async def test_replicas_may_start_together(postgres: Database, package: Path) -> None:
    """Several migrations at once apply every file exactly once."""
    url, name = postgres.url_for("agent-state"), package.parent.name
    done = await asyncio.gather(*(migrate(url, name) for _ in range(5)))
    assert sorted(file for files in done for file in files) == ["0001_create_kit_tables.sql", "0001_create_thing.sql"]


async def test_a_changed_file_is_refused(postgres: Database, package: Path) -> None:
    """A file that was edited after it was applied stops the service and is named."""
    url, name = postgres.url_for("agent-state"), package.parent.name
    await migrate(url, name)
    (package / "0001_create_thing.sql").write_text("CREATE TABLE thing (id bigint)")
    with pytest.raises(MigrationError, match=r"0001_create_thing\.sql changed"):
        await migrate(url, name)


async def test_a_failing_file_leaves_nothing_behind(postgres: Database, package: Path) -> None:
    """A migration that fails half way is rolled back whole and can be applied once mended."""
    url, name = postgres.url_for("agent-state"), package.parent.name
    (package / "0002_add_name.sql").write_text("ALTER TABLE thing ADD name text; SELECT 1/0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(url, name)
    (package / "0002_add_name.sql").write_text("ALTER TABLE thing ADD name text")
    assert await migrate(url, name) == ["0002_add_name.sql"]


async def test_a_file_may_run_outside_a_transaction(postgres: Database, package: Path) -> None:
    """An index can be built concurrently in a file that says it is not transactional."""
    url, name = postgres.url_for("agent-state"), package.parent.name
    (package / "0002_add_index.sql").write_text(
        "-- transactional: false\nCREATE INDEX CONCURRENTLY thing_id ON thing (id)"
    )
    assert "0002_add_index.sql" in await migrate(url, name)

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from servicekit.migrate import MigrationError, migrations_of


def make_package(folder: Path, name: str, files: dict[str, str]) -> None:
    """Write a package with migrations."""
    migrations = folder / name / "migrations"
    migrations.mkdir(parents=True)
    (folder / name / "__init__.py").touch()
    for file, text in files.items():
        (migrations / file).write_text(text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder packages can be imported from."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def test_files_come_in_order(folder: Path) -> None:
    """Migrations are listed by number, other files left out."""
    make_package(folder, "pkg_order", {"0002_add_b.sql": "b", "0001_add_a.sql": "a", "schema.txt": ""})
    assert [migration.sql for migration in migrations_of("pkg_order")] == ["a", "b"]


@pytest.mark.parametrize(
    "files",
    [
        {"0002_add_a.sql": ""},
        {"0001_add_a.sql": "", "0003_add_b.sql": ""},
        {"0001_add_a.sql": "", "0001_add_b.sql": ""},
        {"1_add.sql": ""},
        {"0001_Add.sql": ""},
    ],
)
def test_gaps_repeats_and_odd_names_are_refused(
    folder: Path, files: dict[str, str], request: pytest.FixtureRequest
) -> None:
    """A numbering that two people could read differently is an error that names the file."""
    name = "pkg_" + str(abs(hash(request.node.name)))
    make_package(folder, name, files)
    with pytest.raises(MigrationError, match=r"\.sql"):
        migrations_of(name)


def test_the_kit_s_own_are_well_formed() -> None:
    """The kit's migrations pass their own rule."""
    assert migrations_of("servicekit")

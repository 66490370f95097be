"""Packages on the command line; transfers are tested in test_packages_transfer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from opampctl.commands.packages import label_of, size_text

if TYPE_CHECKING:
    from rest_double import RestDouble, Run

PACKAGE = {
    "id": "f1",
    "name": "collector",
    "version": "1.10.0",
    "platform": "linux",
    "arch": "amd64",
    "type": "top_level",
    "file_size": 3 * 1024 * 1024,
    "checksum": "ab" * 32,
    "storage_path": "sha256/" + "ab" * 32,
    "description": "The one",
    "is_active": True,
    "created_by": "ann",
    "created_at": "2026-11-20T10:00:00Z",
    "updated_at": "2026-11-20T10:00:00Z",
    "downloads": 4,
    "damaged_at": None,
}


def test_packages_are_listed(opampctl: Run, api: RestDouble) -> None:
    """For people as a table, for programs as the API says it; filters go along."""
    off = {**PACKAGE, "id": "f2", "is_active": False}
    broken = {**PACKAGE, "id": "f3", "damaged_at": "2026-11-20T10:00:00Z"}
    api.answers = {"GET /packages": {"packages": [PACKAGE, off, broken], "total": 3, "next_cursor": None}}

    shown = opampctl("packages", "list", "--name", "collector", "--inactive")
    data = opampctl("packages", "list", "-o", "json")

    assert all(word in shown.stdout for word in ("1.10.0", "linux/amd64", "3.0 MiB", "inactive", "damaged"))
    assert (api.calls[-2].values("name"), api.calls[-2].values("active")) == (["collector"], ["false"])
    assert [package["id"] for package in json.loads(data.stdout)["packages"]] == ["f1", "f2", "f3"]


def test_no_packages_says_what_to_do(opampctl: Run, api: RestDouble) -> None:
    """On stderr, so that a pipe stays empty."""
    api.answers = {"GET /packages": {"packages": [], "total": 0, "next_cursor": None}}

    result = opampctl("packages", "list")

    assert result.stdout == ""
    assert "opampctl packages upload" in result.stderr


def test_one_package_is_shown_switched_and_removed(opampctl: Run, api: RestDouble) -> None:
    """Each says what came of it; removing asks first."""
    api.answers = {
        "GET /packages/f1": PACKAGE,
        "POST /packages/f1/deactivate": {**PACKAGE, "is_active": False},
        "POST /packages/f1/activate": PACKAGE,
        "DELETE /packages/f1": {"message": "package deleted successfully"},
    }

    assert "ab" * 32 in opampctl("packages", "show", "f1").stdout
    assert json.loads(opampctl("packages", "show", "f1", "-o", "json").stdout) == PACKAGE
    assert "is inactive" in opampctl("packages", "deactivate", "f1").stderr
    assert "is active" in opampctl("packages", "activate", "f1").stderr
    assert opampctl("packages", "rm", "f1", stdin="n\n").exit_code != 0
    assert api.paths("DELETE") == []
    assert "removed" in opampctl("packages", "rm", "f1", "--yes").stderr
    assert api.paths("DELETE") == ["/api/v1/packages/f1"]


def test_unknown_package_is_not_found(opampctl: Run) -> None:
    """Exit code 5."""
    assert opampctl("packages", "show", "nothing").exit_code == 5


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**2, "5.0 MiB"), (3 * 1024**4, "3072.0 GiB")],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    """In the unit that fits."""
    assert size_text(size) == text


def test_label_is_the_name_of_the_file() -> None:
    """As the API names downloads."""
    assert label_of(PACKAGE) == "collector-1.10.0-linux-amd64"

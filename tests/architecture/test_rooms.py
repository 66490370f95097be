"""Every service room looks the same from outside and has the same five files inside."""

from __future__ import annotations

import pytest
from deployment.rooms import ROOT, SERVICES, package_of

OUTSIDE = ("README.md", "pyproject.toml", "Dockerfile")
INSIDE = ("__init__.py", "__main__.py", "app.py", "settings.py", "errors.py", "metrics.py", "py.typed")
README_LINES = 60


@pytest.mark.parametrize("service", SERVICES)
def test_room_has_its_files(service: str) -> None:
    """A newcomer finds the same names in every room."""
    room = ROOT / "services" / service
    source = room / "src" / package_of(service)

    assert [name for name in OUTSIDE if not (room / name).is_file()] == []
    assert [name for name in INSIDE if not (source / name).is_file()] == []


@pytest.mark.parametrize("service", SERVICES)
def test_readme_fits_one_screen(service: str) -> None:
    """What it does, refuses, hears, says, owns, and how to run it alone: on one screen."""
    assert len((ROOT / "services" / service / "README.md").read_text().splitlines()) <= README_LINES

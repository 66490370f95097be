"""The viewer's files."""

from __future__ import annotations

import re

import pytest

from api_gateway.swagger import PAGE, PAGE_POLICY, asset


def test_every_file_the_page_names_is_served_from_here() -> None:
    """No CDN, no inline script: the page works offline and under its own policy."""
    sources = re.findall(rb'(?:src|href)="([^"]+)"', PAGE)

    assert sources
    assert all(asset(source.decode().removeprefix("/swagger/")) for source in sources)
    assert b"http" not in PAGE
    assert not re.search(rb"<script>|onload=", PAGE)
    assert "unsafe-inline" not in PAGE_POLICY.split("script-src")[1].split(";")[0]


def test_the_viewer_can_show_our_version_of_openapi() -> None:
    """Swagger UI reads OpenAPI 3.1 from version 5 on."""
    found = asset("swagger-ui-bundle.js")

    assert found is not None
    version = re.search(rb'PACKAGE_VERSION:"(\d+)\.', found[0])
    assert version is not None
    assert int(version[1]) >= 5


@pytest.mark.parametrize("name", ["../__init__.py", "swagger-editor.js", "LICENSE", "", "/etc/passwd", "a\x00b"])
def test_nothing_else_is_served(name: str) -> None:
    """Only the files the page needs."""
    assert asset(name) is None

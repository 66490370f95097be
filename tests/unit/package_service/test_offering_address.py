"""Where agents fetch files."""

from __future__ import annotations

import pytest

from package_service.offering.address import public_url_of


@pytest.mark.parametrize(
    ("setting", "host", "wanted"),
    [
        ("https://files.example", "0.0.0.0", "https://files.example"),  # noqa: S104 - nothing listens here
        ("", "127.0.0.1", "http://127.0.0.1:8090"),
        ("", "localhost", "http://localhost:8090"),
        ("", "::1", "http://[::1]:8090"),
        ("", "0.0.0.0", ""),  # noqa: S104 - nothing listens here
        ("", "files.internal", ""),
        ("", "10.0.0.7", ""),
    ],
)
def test_address_is_set_or_this_machine_alone(setting: str, host: str, wanted: str) -> None:
    """The listener's own address will do on one machine only; otherwise somebody has to say it."""
    assert public_url_of(setting, host, 8090) == wanted

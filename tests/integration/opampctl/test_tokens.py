"""Enrolment tokens on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rest_double import RestDouble, Run


def test_tokens_are_made_listed_and_revoked(opampctl: Run, api: RestDouble) -> None:
    """The secret of a token is alone on stdout, once."""
    made = opampctl("tokens", "create", "edge-sites", "--lifetime", "30d")

    assert made.stdout == "oet_t1_secret\n"
    assert api.calls[-1].body == {"name": "edge-sites", "lifetime_seconds": 30 * 86400}
    assert "edge-sites" in opampctl("tokens", "list").stdout
    assert opampctl("tokens", "revoke", "t1").exit_code == 0
    assert opampctl("tokens", "revoke", "t1").exit_code == 5

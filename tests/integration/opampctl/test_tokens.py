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


def test_a_token_may_be_bounded(opampctl: Run, api: RestDouble) -> None:
    """Every rule has its option; rules nobody gave are not sent."""
    words = [
        *("--max-uses", "100", "--cidr", "10.0.0.0/8", "--cidr", "192.0.2.0/24", "--label", "site=berlin"),
        *("--group", "edge", "--require-approval", "--ephemeral", "2h", "--issues", "jwt"),
        *("--credential-lifetime", "7d"),
    ]

    assert opampctl("tokens", "create", "site", *words).exit_code == 0

    assert api.calls[-1].body == {
        "name": "site",
        "lifetime_seconds": 0,
        "max_uses": 100,
        "cidrs": ["10.0.0.0/8", "192.0.2.0/24"],
        "labels": {"site": "berlin"},
        "group": "edge",
        "requires_approval": True,
        "ephemeral_seconds": 7200,
        "issues": "jwt",
        "credential_lifetime_seconds": 7 * 86400,
    }


def test_the_list_tells_what_a_token_asks_and_gives(opampctl: Run, api: RestDouble) -> None:
    """In one line each; a token that is used up says so."""
    plain = {"id": "t1", "name": "plain", "created_by": "admin", "created_at": "2026-11-20T10:00:00Z"}
    rules = {
        "max_uses": 2,
        "uses": 2,
        "cidrs": ["10.0.0.0/8"],
        "labels": {"site": "berlin"},
        "group": "edge",
        "requires_approval": True,
        "ephemeral_seconds": 7200,
        "issues": "bearer",
    }
    api.tokens = [plain, {**plain, "id": "t2", **rules}]

    lines = opampctl("tokens", "list").stdout.splitlines()

    assert "valid" in lines[1]
    assert "used up" in lines[2]
    assert "2/2" in lines[2]
    assert "from 10.0.0.0/8; stamps group=edge,site=berlin; needs approval; gone after 2 h 0 m" in lines[2]
    assert "issues bearer" in lines[2]

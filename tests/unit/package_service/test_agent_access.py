"""Which agents may fetch files."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from fleet.api.v1 import identity_pb2 as identity
from package_service.agent_access import AgentAccess, token_of
from package_service.errors import DownloadRefused, NotApproved
from servicekit.clock import FakeClock


class State:
    """agent-state."""

    def __init__(self, **verdict: Any) -> None:
        self.verdict = identity.Verdict(tenant_id="t", approval="approved", cache_seconds=10)
        self.verdict.MergeFrom(identity.Verdict(**verdict))
        self.asked: list[tuple[bytes, str]] = []

    async def ask(self, token_hash: bytes, address: str) -> identity.Verdict:
        """Tell what is known."""
        self.asked.append((token_hash, address))
        return self.verdict


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"Authorization": "Bearer abc"}, "abc"),
        ({"Authorization": "secret-key  abc "}, "abc"),
        ({"Secret-Key": "abc"}, "abc"),
        ({"Authorization": "Basic abc"}, ""),
        ({}, ""),
    ],
)
def test_where_a_credential_stands(headers: dict[str, str], token: str) -> None:
    """The same places gateways look at."""
    assert token_of(headers) == token


async def test_verdicts_are_remembered_as_long_as_they_say() -> None:
    """By credential and address; only the hash leaves."""
    state, clock = State(), FakeClock()
    access = AgentAccess(state.ask, clock.monotonic, entries=1)
    headers = {"Secret-Key": "abc"}

    assert await access.tenant_of(headers, "1.2.3.4") == "t"
    await access.tenant_of(headers, "1.2.3.4")
    assert state.asked == [(hashlib.sha256(b"abc").digest(), "1.2.3.4")]
    await clock.advance(11)
    await access.tenant_of(headers, "1.2.3.4")
    await access.tenant_of(headers, "5.6.7.8")
    await access.tenant_of(headers, "1.2.3.4")
    assert len(state.asked) == 4

    access.forget()
    await access.tenant_of(headers, "1.2.3.4")
    assert len(state.asked) == 5


async def test_who_is_not_let_in() -> None:
    """Nobody, too long, refused, not approved."""
    refused = AgentAccess(State(refusal="it was revoked").ask, FakeClock().monotonic, entries=5)
    pending = AgentAccess(State(approval="pending").ask, FakeClock().monotonic, entries=5)

    for headers in ({}, {"Secret-Key": "x" * 5000}):
        with pytest.raises(DownloadRefused):
            await pending.tenant_of(headers, "")
    with pytest.raises(DownloadRefused, match="revoked"):
        await refused.tenant_of({"Secret-Key": "x"}, "")
    with pytest.raises(NotApproved):
        await pending.tenant_of({"Secret-Key": "x"}, "")

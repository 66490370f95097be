"""Questions to package-service about who should have what."""

from __future__ import annotations

from typing import Any

import pytest

from api_gateway.errors import Unprocessable
from api_gateway.models.package_assignments import (
    AssignedAgentQuery,
    AssignmentChange,
    AssignmentQuery,
    NewAssignment,
    PackageAttemptQuery,
)
from api_gateway.upstream.package_offers import PackageOffers
from contracts.ids import AgentUid
from servicekit.errors import Invalid, Problem

UID = AgentUid(bytes(16))


async def test_each_question_names_its_tenant(caller: Any) -> None:
    """Nobody reads another tenant's assignments; who changes them is told."""
    bus = caller(0)
    offers = PackageOffers(bus, 5)

    await offers.create("t", NewAssignment(name="edge", package="collector"), [UID], "jo")
    await offers.update("t", "a1", AssignmentChange(enabled=False), None, "jo", expected_revision=3)
    await offers.assignment("t", "a1")
    await offers.list_assignments("t", AssignmentQuery(enabled=True, q="edge"))
    await offers.remove("t", "a1", "jo", expected_revision=4)
    await offers.agents("t", "a1", AssignedAgentQuery(state=("failed",), limit=7))
    await offers.of_agent("t", UID)
    await offers.retry("t", UID, "collector", "jo")
    await offers.list_attempts("t", PackageAttemptQuery(package="collector"), None)

    assert {request.tenant_id for request in bus.requests} == {"t"}
    made, changed, _, listed, removed, agents, _, retried, attempts = bus.requests
    assert (made.draft.package, list(made.draft.agents.instance_uids)) == ("collector", [UID])
    assert (changed.expected_revision, changed.draft.HasField("agents")) == (3, False)
    assert (listed.search, listed.enabled) == ("edge", True)
    assert {made.author, changed.author, removed.author, retried.author} == {"jo"}
    assert (list(agents.states), agents.page.limit) == (["failed"], 7)
    assert attempts.instance_uid == b""


async def test_refused_drafts_are_unprocessable() -> None:
    """Names and versions nobody can have become 422, with their fields."""

    class Refusing:
        async def call(self, *_: Any, **__: Any) -> Any:
            error = Invalid("no", details=[Problem("version", "no")])
            error.remote_code = "invalid_package"
            raise error

    with pytest.raises(Unprocessable) as caught:
        await PackageOffers(Refusing(), 5).assignment("t", "a1")

    assert caught.value.details[0].field == "version"

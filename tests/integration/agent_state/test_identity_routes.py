"""What gateways and people may ask about identity, and what is refused before anything is looked up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent_state.agent_query import AgentQuery
from agent_state.agent_store import AgentStore
from agent_state.deletion import Deletion
from agent_state.epochs import Epochs
from agent_state.errors import AgentNotFound, InvalidQuery
from agent_state.routes import Routes
from contracts import subjects
from fleet.api.v1 import agent_state_pb2 as agents
from fleet.api.v1 import identity_pb2 as api
from fleet.api.v1.page_pb2 import PageRequest
from world.facts import batch, described, uid_of

from .identities import TENANT, Lab, came
from .test_presence import RecordingOffers

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier, Running


@pytest.fixture
def lab(pool: asyncpg.Pool) -> Lab:
    """Give everything that decides who agents are."""
    return Lab(pool, datetime.now(UTC))


def listing(pool: asyncpg.Pool) -> Routes:
    """Give the answers about agents."""
    deletion = Deletion(pool, AgentStore(), RecordingOffers())  # type: ignore[arg-type] # a recording stand-in
    return Routes(AgentQuery(pool), Epochs(pool), deletion)


@pytest.mark.parametrize(
    "proof",
    [
        {"token_hash": b"short"},
        {"certificate_sha256": b"short"},
        {"token_hash": b"h" * 32, "instance_uid": b"short"},
        {"certificate_sha256": b"h" * 32, "certificate_uid": b"short"},
    ],
)
async def test_senseless_proofs_are_refused(lab: Lab, proof: dict[str, Any]) -> None:
    """A gateway would not ask so."""
    with pytest.raises(InvalidQuery):
        await lab.routes.authenticate_agents(api.AuthenticateAgentsRequest(proofs=[api.Proof(**proof)]))


async def test_proofs_are_bounded(lab: Lab) -> None:
    """At most 256; none is an answer, too."""
    with pytest.raises(InvalidQuery):
        await lab.routes.authenticate_agents(api.AuthenticateAgentsRequest(proofs=[api.Proof()] * 257))
    assert not (await lab.routes.authenticate_agents(api.AuthenticateAgentsRequest())).verdicts


async def test_decisions_are_approve_or_reject(lab: Lab, apply: Applier) -> None:
    """Anything else is not understood; nobody has heard of the second agent."""
    await apply(batch(came(uid_of(1), 5)))

    with pytest.raises(InvalidQuery):
        await lab.routes.decide_agent(
            api.DecideAgentRequest(tenant_id=TENANT, instance_uid=uid_of(1), decision="maybe")
        )
    with pytest.raises(AgentNotFound):
        await lab.routes.decide_agent(
            api.DecideAgentRequest(tenant_id=TENANT, instance_uid=uid_of(2), decision="approve")
        )


async def test_credentials_are_listed_in_pages(lab: Lab) -> None:
    """Newest first, joined by cursors; a made-up cursor is refused."""
    token_id, _ = await lab.token(issues="bearer")
    await lab.admit(token_id, uid_of(1))
    for _ in range(4):
        await lab.routes.rotate_agent_credential(
            api.RotateAgentCredentialRequest(tenant_id=TENANT, instance_uid=uid_of(1))
        )
    question = api.ListAgentCredentialsRequest(tenant_id=TENANT, instance_uid=uid_of(1), page=PageRequest(limit=3))

    first = await lab.routes.list_agent_credentials(question)
    question.page.cursor = first.page.next_cursor
    second = await lab.routes.list_agent_credentials(question)

    ids = [credential.id for credential in (*first.credentials, *second.credentials)]
    assert ids == [credential.id for credential in await lab.credentials(uid_of(1))]
    assert len(set(ids)) == first.page.total == 5
    assert not second.page.next_cursor
    question.page.cursor = "nonsense"
    with pytest.raises(InvalidQuery):
        await lab.routes.list_agent_credentials(question)


async def test_agents_are_filtered_by_approval(lab: Lab, apply: Applier, pool: asyncpg.Pool) -> None:
    """Agents nothing was decided about are approved."""
    token_id, _ = await lab.token(requires_approval=True)
    plain_id, _ = await lab.token()
    for number in (1, 2):
        await lab.admit(token_id, uid_of(number))
    await apply(
        batch(
            came(uid_of(1), 5, token_id, withheld=True),
            came(uid_of(2), 6, token_id, withheld=True),
            came(uid_of(3), 7, plain_id),
        )
    )
    for number, decision in ((1, "approve"),):
        await lab.routes.decide_agent(
            api.DecideAgentRequest(tenant_id=TENANT, instance_uid=uid_of(number), decision=decision)
        )

    async def found(*approvals: str) -> list[tuple[bytes, str, str]]:
        reply = await listing(pool).list_agents(agents.ListAgentsRequest(tenant_id=TENANT, approvals=approvals))
        assert reply.page.total == len(reply.agents)
        return sorted((agent.instance_uid, agent.approval, agent.enrolment_token_id) for agent in reply.agents)

    assert await found("pending") == [(uid_of(2), "pending", token_id)]
    assert await found("approved") == [(uid_of(1), "approved", token_id), (uid_of(3), "approved", plain_id)]
    assert [row[0] for row in await found("approved", "pending")] == [uid_of(1), uid_of(2), uid_of(3)]
    assert await found("rejected", "revoked") == []
    with pytest.raises(InvalidQuery):
        await found("unknown")


async def test_stamped_labels_win_over_what_the_agent_says(apply: Applier, pool: asyncpg.Pool) -> None:
    """In whatever order they come, together or apart; taken away again, the agent's own words show."""
    own = {"service.name": "collector", "site": "home"}

    async def seen(**wanted: str) -> tuple[dict[str, str], dict[str, str]]:
        asked = agents.ListAgentsRequest(tenant_id=TENANT, labels=wanted)
        (agent,) = (await listing(pool).list_agents(asked)).agents
        labels = dict(agent.labels)
        assert labels.pop("env") == "x"
        return labels, dict(agent.stamped_labels)

    await apply(batch(came(uid_of(1), 5, "t1", site="lab"), described(uid_of(1), 5, 2, own, {"env": "x"})))
    assert await seen(site="lab") == ({"service.name": "collector", "site": "lab"}, {"site": "lab"})

    await apply(batch(came(uid_of(1), 6, "t2", site="field", group="edge")))
    assert (await seen(group="edge"))[0] == {"service.name": "collector", "site": "field", "group": "edge"}

    await apply(batch(described(uid_of(1), 6, 2, own | {"service.name": "other"}, {"env": "x"})))
    assert (await seen(group="edge"))[0] == {"service.name": "other", "site": "field", "group": "edge"}

    await apply(batch(came(uid_of(1), 7, "t3")))
    assert await seen(site="home") == ({"service.name": "other", "site": "home"}, {})


async def test_every_method_of_the_telephone_book_is_answered(service: Running) -> None:
    """Nobody dials agent-state in vain."""
    reply = await service.bus.request("$SRV.INFO.agent-state", b"", timeout_seconds=30)

    for method in subjects.METHODS:
        if method.service == subjects.AGENT_STATE:
            assert f'"{method.subject}"'.encode() in reply, method.name

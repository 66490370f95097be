"""Identity as gateways meet it: asked on the bus, told on the bus, and made certain by the sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts import subjects
from fleet.api.v1 import agent_state_pb2 as api
from fleet.api.v1 import identity_pb2 as identity
from fleet.events.v1 import facts_pb2, offers_pb2
from fleet.events.v1.identity_pb2 import IdentityChanged
from servicekit.errors import Unauthenticated
from world.facts import uid_of

from .identities import TAKES_CREDENTIALS, TENANT, URL, came, hash_of, text_in

if TYPE_CHECKING:
    from servicekit.bus import BusMessage
    from world.eventually import Eventually

    from .conftest import Running


@pytest.fixture
def overrides() -> dict[str, object]:
    """Let credentials be issued, and look for unwelcome connections often."""
    return {"credential_key": "k" * 32, "opamp_public_url": URL, "access_sweep_seconds": 0.05}


async def test_a_credential_from_first_use_to_its_end(service: Running, eventually: Eventually) -> None:
    """Enrolled, offered, used, revoked: gateways hear of it, and are asked to close until nothing is open."""
    bus = service.bus
    heard: list[IdentityChanged] = []
    closed: list[offers_pb2.Offer] = []

    async def hear(message: BusMessage) -> None:
        heard.append(IdentityChanged.FromString(message.payload))

    async def take(message: BusMessage) -> None:
        offer = offers_pb2.Offer.FromString(message.payload)
        if offer.kind == facts_pb2.OFFER_KIND_CLOSE:
            closed.append(offer)
        await bus.publish(message.reply_to, offers_pb2.OfferReply(gateway_id="gw-1", accepted=1).SerializeToString())

    await bus.subscribe(subjects.IDENTITY, hear)
    await bus.subscribe(subjects.offer("gw-1"), take)
    made = await bus.call(
        subjects.CREATE_ENROLMENT_TOKEN,
        api.CreateEnrolmentTokenRequest(
            tenant_id=TENANT, name="lab", rules=api.EnrolmentRules(max_uses=1, issues="bearer")
        ),
    )
    arrival = identity.AdmitAgentRequest(
        tenant_id=TENANT,
        credential_id=made.token.id,
        instance_uid=uid_of(1),
        capabilities=TAKES_CREDENTIALS,
        transport=facts_pb2.TRANSPORT_WEBSOCKET,
    )
    text = text_in((await bus.call(subjects.ADMIT_AGENT, arrival)).connection_settings)
    question = identity.AuthenticateAgentsRequest(proofs=[identity.Proof(token_hash=hash_of(text))])
    (verdict,) = (await bus.call(subjects.AUTHENTICATE_AGENTS, question)).verdicts
    assert (verdict.refusal, verdict.bound_uid) == ("", uid_of(1))

    await service.say(came(uid_of(1), 5, verdict.credential_id))
    listing = identity.ListAgentCredentialsRequest(tenant_id=TENANT, instance_uid=uid_of(1))

    async def is_current() -> bool:
        reply = await bus.call(subjects.LIST_AGENT_CREDENTIALS, listing)
        return [one.state for one in reply.credentials] == ["current"]

    await eventually(is_current)

    await bus.call(
        subjects.REVOKE_AGENT_ACCESS, identity.RevokeAgentAccessRequest(tenant_id=TENANT, instance_uid=uid_of(1))
    )

    await eventually(lambda: heard)
    assert (list(heard[0].instance_uids), heard[0].close) == ([uid_of(1)], True)
    await eventually(lambda: len(closed) > 1)
    assert {(offer.reason, offer.targets[0].instance_uid, offer.targets[0].epoch) for offer in closed} == {
        ("unauthorised", uid_of(1), 5)
    }
    assert (await bus.call(subjects.AUTHENTICATE_AGENTS, question)).verdicts[
        0
    ].refusal == "This credential was revoked."
    with pytest.raises(Unauthenticated, match="access was revoked"):
        await bus.call(subjects.ADMIT_AGENT, arrival)

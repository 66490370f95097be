"""Facts written by hand are what the generated classes read."""

from __future__ import annotations

from gatewaylab.fakes import RULES
from gatewaylab.speech import UID

from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import facts
from opamp_gateway.facts import Fact
from opamp_gateway.session import HTTP, Session
from opamp_gateway.varint import delimited


def session() -> Session:
    """Make a session with its epoch."""
    made = Session(RULES, "acme", UID, HTTP)
    made.epoch = 7
    made.sequence_num = 300
    return made


def read(fact: Fact) -> facts_pb2.Fact:
    """Read a fact back."""
    return facts_pb2.Fact.FromString(fact.to_bytes())


def test_fact_carries_who_when_and_the_fence() -> None:
    """Tenant, uid, epoch, sequence, time and the agent's own number are read back."""
    fact = read(Fact(session(), facts.DISCONNECTED, facts.disconnected("drain"), 123))

    assert (fact.tenant_id, fact.instance_uid) == ("acme", UID)
    assert (fact.epoch, fact.sequence, fact.agent_sequence_num) == (7, 1, 300)
    assert fact.time_unix_nano == 123
    assert fact.disconnected.reason == "drain"


def test_connected_is_read_back() -> None:
    """Every field of Connected arrives."""
    body = facts.connected("gw", HTTP, "[::1]:5", 14_343, "cred")

    connected = read(Fact(session(), facts.CONNECTED, body, 1)).connected

    assert connected == facts_pb2.Connected(
        gateway_id="gw",
        transport=facts_pb2.TRANSPORT_HTTP,
        remote_address="[::1]:5",
        capabilities=14_343,
        credential_id="cred",
    )


def test_described_tells_absent_from_empty() -> None:
    """What the agent did not say is unset; an empty part it did say is set."""
    nothing = facts_pb2.Described.FromString(facts.described(None, 5, None))
    empty = facts_pb2.Described.FromString(facts.described(b"", 5, b""))

    assert (nothing.HasField("description"), nothing.HasField("custom_capabilities")) == (False, False)
    assert (empty.HasField("description"), empty.HasField("custom_capabilities")) == (True, True)
    assert nothing.capabilities == 5


def test_wrapped_parts_are_the_agents_own_bytes() -> None:
    """A status travels inside its fact unchanged."""
    health = opamp.ComponentHealth(healthy=True, status="fine")

    fact = read(Fact(session(), facts.HEALTH_REPORTED, delimited(1, health.SerializeToString()), 1))

    assert fact.health_reported.health == health


def test_offer_delivered_is_read_back() -> None:
    """Kind, hash and offer id arrive; empty ones are left out."""
    body = facts.offer_delivered(facts_pb2.OFFER_KIND_REMOTE_CONFIG, b"h" * 32, "o-1")

    delivered = facts_pb2.OfferDelivered.FromString(body)

    assert (delivered.kind, delivered.content_hash, delivered.offer_id) == (1, b"h" * 32, "o-1")
    assert facts.offer_delivered(0, b"", "") == b""


def test_batch_holds_facts_in_order() -> None:
    """A batch names the gateway and keeps the order."""
    speaker = session()
    made = [Fact(speaker, facts.DISCONNECTED, facts.disconnected(text), 1) for text in ("a", "b")]

    batch = facts_pb2.FactBatch.FromString(facts.batch("gw", [fact.to_bytes() for fact in made]))

    assert batch.gateway_id == "gw"
    assert [(fact.sequence, fact.disconnected.reason) for fact in batch.facts] == [(1, "a"), (2, "b")]


def test_every_kind_has_a_name() -> None:
    """The names are those of the oneof."""
    oneof = facts_pb2.Fact.DESCRIPTOR.oneofs_by_name["kind"]

    assert {field.number: field.name for field in oneof.fields} == facts.NAMES

from __future__ import annotations

import pytest

from agent_state.settings_composer import (
    ACCEPTS_OPAMP,
    ACCEPTS_OTHER,
    MAX_OFFER_BYTES,
    NO_CREDENTIAL,
    NO_PUBLIC_URL,
    REPORTS_HEARTBEAT,
    TELEMETRY_BITS,
    TOO_LARGE,
    Composed,
    Platform,
    Taker,
    assemble,
    hash_of,
    suited,
)
from agent_state.settings_policy import Policy, in_precedence, merge
from fleet.events.v1 import facts_pb2 as facts
from opamp.v1 import opamp_pb2 as opamp

PLATFORM = Platform("wss://opamp.example.org/v1/opamp")
EVERYTHING = ACCEPTS_OPAMP | ACCEPTS_OTHER | REPORTS_HEARTBEAT | sum(TELEMETRY_BITS.values())


def settings(**members: object) -> opamp.ConnectionSettingsOffers:
    """Write settings with every kind of member."""
    made = opamp.ConnectionSettingsOffers(
        opamp=opamp.OpAMPConnectionSettings(heartbeat_interval_seconds=10),
        own_metrics=opamp.TelemetryConnectionSettings(destination_endpoint="https://otlp/v1/metrics"),
        own_traces=opamp.TelemetryConnectionSettings(destination_endpoint="https://otlp/v1/traces"),
        own_logs=opamp.TelemetryConnectionSettings(destination_endpoint="https://otlp/v1/logs"),
    )
    made.other_connections["db"].destination_endpoint = "db:5432"
    for name, value in members.items():
        getattr(made, name).CopyFrom(value)
    return made


def credential(text: str = "Bearer own") -> opamp.OpAMPConnectionSettings:
    """Write a credential of an agent's own."""
    header = opamp.Header(key="Authorization", value=text)
    return opamp.OpAMPConnectionSettings(headers=opamp.Headers(headers=[header]))


def composed(
    given: opamp.ConnectionSettingsOffers | None = None,
    *,
    capabilities: int = EVERYTHING,
    transport: int = facts.TRANSPORT_WEBSOCKET,
    own: opamp.OpAMPConnectionSettings | None = None,
    platform: Platform = PLATFORM,
    credential_id: str = "",
    retries: int = 0,
) -> Composed:
    """Compose what an agent should have by one policy."""
    policies = [Policy("default", "p", given)] if given is not None else []
    taker = Taker(capabilities, transport, {}, credential_id, retries)
    return assemble(merge(in_precedence(policies), {}), own, platform, taker)


def offered(result: Composed) -> opamp.ConnectionSettingsOffers:
    """Return the offer, which must be there."""
    assert result.offers is not None
    return result.offers


@pytest.mark.parametrize(
    ("bit", "member"),
    [
        (ACCEPTS_OPAMP, "opamp"),
        (TELEMETRY_BITS["own_metrics"], "own_metrics"),
        (TELEMETRY_BITS["own_traces"], "own_traces"),
        (TELEMETRY_BITS["own_logs"], "own_logs"),
    ],
)
def test_each_member_needs_its_capability(bit: int, member: str) -> None:
    """An agent is offered what it said it takes, and nothing else (S-117 to S-120)."""
    alone = offered(composed(settings(), capabilities=bit))
    without = offered(composed(settings(), capabilities=EVERYTHING & ~bit))

    assert [field.name for field, _ in alone.ListFields()] == ["hash", member]
    assert not without.HasField(member)


def test_other_connections_need_their_capability() -> None:
    """Named connections go to agents that accept them only (S-121)."""
    assert list(offered(composed(settings(), capabilities=ACCEPTS_OTHER)).other_connections) == ["db"]
    assert not offered(composed(settings(), capabilities=EVERYTHING & ~ACCEPTS_OTHER)).other_connections


def test_agent_that_takes_nothing_is_offered_nothing() -> None:
    """Neither an offer nor a name of a policy."""
    assert composed(settings(), capabilities=0) == Composed(None, [])


def test_without_policies_and_credential_there_is_nothing() -> None:
    """A platform that knows its address does not tell it for its own sake."""
    assert composed(None) == Composed(None, [])


@pytest.mark.parametrize(
    ("transport", "url"),
    [
        (facts.TRANSPORT_WEBSOCKET, "wss://opamp.example.org/v1/opamp"),
        (facts.TRANSPORT_HTTP, "https://opamp.example.org/v1/opamp"),
        (facts.TRANSPORT_UNSPECIFIED, "wss://opamp.example.org/v1/opamp"),
    ],
)
def test_platform_address_suits_the_transport(transport: int, url: str) -> None:
    """A polling agent is not sent to a WebSocket."""
    assert offered(composed(settings(), transport=transport)).opamp.destination_endpoint == url


def test_plain_address_stays_plain() -> None:
    """Only the transport changes, not whether it is encrypted."""
    assert suited("http://h:4320/v1/opamp", facts.TRANSPORT_WEBSOCKET) == "ws://h:4320/v1/opamp"


def test_opamp_offer_always_has_an_address() -> None:
    """Where the platform does not know its own, the member is left out and the reason told (S-129)."""
    result = composed(settings(), platform=Platform())

    assert not offered(result).HasField("opamp")
    assert result.fault == NO_PUBLIC_URL
    assert result.policies == ["p"]


def test_credential_alone_makes_a_complete_offer() -> None:
    """Address, header and interval, without any policy."""
    opamp_part = offered(composed(None, own=credential())).opamp

    assert opamp_part.destination_endpoint == PLATFORM.public_url
    assert [(header.key, header.value) for header in opamp_part.headers.headers] == [("Authorization", "Bearer own")]
    assert opamp_part.heartbeat_interval_seconds == 30


def test_own_credential_takes_the_place_of_the_policys() -> None:
    """Headers of the same name give way, in any case; others stay."""
    wanted = opamp.OpAMPConnectionSettings()
    for key, value in (("authorization", "Bearer shared"), ("X-Tenant", "t")):
        wanted.headers.headers.add(key=key, value=value)

    opamp_part = offered(composed(settings(opamp=wanted), own=credential())).opamp

    assert [(header.key, header.value) for header in opamp_part.headers.headers] == [
        ("Authorization", "Bearer own"),
        ("X-Tenant", "t"),
    ]


def test_own_certificate_is_offered() -> None:
    """A certificate of the agent's own wins over one for everybody."""
    own = opamp.OpAMPConnectionSettings(certificate=opamp.TLSCertificate(cert=b"own", ca_cert=b"ca"))
    wanted = opamp.OpAMPConnectionSettings(certificate=opamp.TLSCertificate(cert=b"all", private_key=b"key"))

    certificate = offered(composed(settings(opamp=wanted), own=own, credential_id="c")).opamp.certificate

    assert (certificate.cert, certificate.private_key, certificate.ca_cert) == (b"own", b"", b"ca")


def test_credential_never_goes_to_another_host() -> None:
    """A policy that moves agents elsewhere brings what lets them in there, if anything does (S-116)."""
    wanted = opamp.OpAMPConnectionSettings(destination_endpoint="wss://elsewhere.example.org/v1/opamp")
    wanted.headers.headers.add(key="X-There", value="yes")

    opamp_part = offered(composed(settings(opamp=wanted), own=credential(), credential_id="c")).opamp

    assert opamp_part.destination_endpoint == "wss://elsewhere.example.org/v1/opamp"
    assert [header.value for header in opamp_part.headers.headers] == ["yes"]


def test_address_nobody_can_judge_gets_no_credential() -> None:
    """A platform that does not know its own address cannot tell its own from another's."""
    wanted = opamp.OpAMPConnectionSettings(destination_endpoint="wss://opamp.example.org/v1/opamp")

    result = composed(settings(opamp=wanted), own=credential(), credential_id="c", platform=Platform())

    assert not offered(result).HasField("opamp")
    assert result.fault == NO_CREDENTIAL


def test_offer_that_would_lock_the_agent_out_is_not_made() -> None:
    """Who came by a token we cannot repeat is not told headers without it."""
    result = composed(settings(), credential_id="token-1")

    assert not offered(result).HasField("opamp")
    assert result.fault == NO_CREDENTIAL


def test_policy_with_a_credential_header_may_be_offered() -> None:
    """An Authorization header for everybody lets everybody in."""
    wanted = opamp.OpAMPConnectionSettings()
    wanted.headers.headers.add(key="Secret-Key", value="oet")

    assert offered(composed(settings(opamp=wanted), credential_id="token-1")).HasField("opamp")


@pytest.mark.parametrize(
    ("capabilities", "transport", "wanted", "seconds"),
    [
        (ACCEPTS_OPAMP | REPORTS_HEARTBEAT, facts.TRANSPORT_WEBSOCKET, 0, 30),
        (ACCEPTS_OPAMP | REPORTS_HEARTBEAT, facts.TRANSPORT_WEBSOCKET, 300, 300),
        (ACCEPTS_OPAMP | REPORTS_HEARTBEAT, facts.TRANSPORT_HTTP, 300, 30),
        (ACCEPTS_OPAMP | REPORTS_HEARTBEAT, facts.TRANSPORT_HTTP, 5, 5),
        (ACCEPTS_OPAMP, facts.TRANSPORT_WEBSOCKET, 10, 0),
    ],
)
def test_heartbeats_are_never_switched_off(capabilities: int, transport: int, wanted: int, seconds: int) -> None:
    """An interval for who can send heartbeats, and a poll often enough not to count as silent (S-170, S-171, A-10)."""
    given = settings(opamp=opamp.OpAMPConnectionSettings(heartbeat_interval_seconds=wanted))
    given.opamp.heartbeat_interval_seconds = wanted

    result = composed(given, capabilities=capabilities, transport=transport)

    assert offered(result).opamp.heartbeat_interval_seconds == seconds


def test_platform_certificates_go_along() -> None:
    """Agents can verify the address they are given; a plain one needs nothing."""
    secure = Platform("wss://h/v1/opamp", "PEM")
    plain = Platform("ws://h/v1/opamp", "PEM")

    tls = offered(composed(settings(), platform=secure)).opamp.tls
    assert (tls.ca_pem_contents, tls.include_system_ca_certs_pool, tls.insecure_skip_verify) == ("PEM", True, False)
    assert not offered(composed(settings(), platform=plain)).opamp.HasField("tls")


def test_tls_options_always_name_whom_to_trust() -> None:
    """Options without a certificate mean the system's, not nobody's or everybody's."""
    given = settings()
    given.own_metrics.tls.min_version = "1.3"
    given.other_connections["db"].tls.min_version = "1.3"

    result = offered(composed(given))

    assert result.own_metrics.tls.include_system_ca_certs_pool
    assert result.other_connections["db"].tls.include_system_ca_certs_pool
    assert not result.own_traces.HasField("tls")


def test_hash_covers_everything_and_nothing_else() -> None:
    """The same settings give the same hash; any change gives another; the hash itself does not count (S-122)."""
    first, again = offered(composed(settings())), offered(composed(settings()))
    changed = settings()
    changed.own_logs.headers.headers.add(key="x", value="y")

    assert first.hash == again.hash == hash_of(first)
    assert len(first.hash) == 32
    assert offered(composed(changed)).hash != first.hash
    assert offered(composed(settings(), capabilities=EVERYTHING & ~ACCEPTS_OTHER)).hash != first.hash


def test_retry_is_another_hash_of_the_same_settings() -> None:
    """Agents do not look twice at a hash they know."""
    first, second = offered(composed(settings())), offered(composed(settings(), retries=1))

    assert first.hash != second.hash
    second.hash = first.hash
    assert first == second


def test_offer_that_is_too_large_is_not_made() -> None:
    """Everything or nothing: half the settings would be other settings."""
    given = settings()
    given.other_connections["db"].other_settings["x"] = "y" * MAX_OFFER_BYTES

    assert composed(given) == Composed(None, [], TOO_LARGE)

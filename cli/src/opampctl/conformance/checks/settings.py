"""S-115 to S-129 and S-154 to S-171: connection settings, own telemetry, other connections."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography import x509

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, invariant, untestable
from opampctl.conformance.checks.acting import hear_field, known, nothing_with, settle
from opampctl.conformance.persona import REPORTS_STATUS
from opampctl.conformance.verdict import NotApplicable, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opampctl.conformance.ledger import Record
    from opampctl.conformance.persona import Persona
    from opampctl.conformance.probe import Probe, SocketLine

_MEMBERS = {
    "own_traces": int(opamp.AgentCapabilities_ReportsOwnTraces),
    "own_metrics": int(opamp.AgentCapabilities_ReportsOwnMetrics),
    "own_logs": int(opamp.AgentCapabilities_ReportsOwnLogs),
    "opamp": int(opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings),
    "other_connections": int(opamp.AgentCapabilities_AcceptsOtherConnectionSettings),
}
_ALL = (
    REPORTS_STATUS
    | sum(_MEMBERS.values())
    | int(opamp.AgentCapabilities_ReportsConnectionSettingsStatus | opamp.AgentCapabilities_ReportsHeartbeat)
)
_TELEMETRY = _ALL & ~_MEMBERS["opamp"] & ~_MEMBERS["other_connections"]
_NONE_OFFERED = "no connection settings were offered in this run"
_SHA256_BYTES = 32
_OTHER = "wss://other.example:4320/v1/opamp"
_SHOWN = {"Authorization": "Bearer conformance"}
"""Some servers will not offer OpAMP settings that leave the agent without a credential."""

_DEFAULT_HEARTBEAT = 30
_FIRST_REQUEST, _LAST_REQUEST = "S-136", "S-153"
"""Checks that ask for certificates, whose answers have no private key."""

_INSIDE = "what a server stores, and whom else it tells, does not show on the wire"
_LONG = "silence would have to last longer than a run of the suite"

untestable(
    {
        "S-125": _INSIDE,
        "S-134": _INSIDE,
        "S-135": _INSIDE,
        "S-165": "whether a destination trusts a certificate is for the destination to say",
        "S-166": _INSIDE,
        "S-172": _LONG,
        "S-174": _LONG,
        "S-175": _LONG,
    }
)


@check("S-115")
async def three_classes_are_offered(probe: Probe) -> None:
    """Settings for OpAMP, own telemetry and another destination come to an agent that takes all."""
    offer = await _offer(probe, _ALL, _settings())
    for name in _MEMBERS:
        require(_has(offer, name), f"{name} did not come")


@check("S-116")
async def other_server_is_offered(probe: Probe) -> None:
    """The OpAMP endpoint of an offer is the one that was set, on another host."""
    offer = await _offer(probe, _ALL, {"opamp": {"destination_endpoint": _OTHER, "headers": _SHOWN}})
    require(offer.opamp.destination_endpoint == _OTHER, "another endpoint came")


def _spared(row: str, member: str) -> None:
    """Enter the check and the invariant that *member* needs its bit."""
    bit = _MEMBERS[member]

    async def run(probe: Probe) -> None:
        offer = await _offer(probe, _ALL & ~bit, _settings())
        require(not _has(offer, member), f"{member} came to an agent that cannot take it")

    def holds(record: Record) -> bool | None:
        settings = record.heard.message.connection_settings
        return bool(record.ever & bit) if record.ever >= 0 and _has(settings, member) else None

    run.__name__ = holds.__name__ = f"no_{member}_without_the_capability"
    check(row)(run)
    invariant(row, broken=f"{member} without the capability", unseen=_NONE_OFFERED)(holds)


for _row, _member in zip(("S-117", "S-118", "S-119", "S-120", "S-121"), _MEMBERS, strict=True):
    _spared(_row, _member)


@check("S-122")
async def hash_stands_for_all_settings(probe: Probe) -> None:
    """Changing any one member changes the hash."""
    agent, line = await _met(probe, _ALL)
    first = await _offered(probe, agent, line, _settings())
    changed = _settings()
    changed["own_logs"]["destination_endpoint"] = "https://logs.example/other/v1/logs"
    second = await _offered(probe, agent, line, changed)
    require(first.hash and second.hash, "an offer has no hash")
    require(first.hash != second.hash, "other settings have the same hash")


@check("S-123")
async def settings_hash_is_compared(probe: Probe) -> None:
    """An agent that reports another hash is sent the settings, sooner or later."""
    agent, line = await _met(probe, _TELEMETRY)
    wanted = (await _offered(probe, agent, line, _settings())).hash
    line.say(agent.message(connection_settings_status=_status(os.urandom(_SHA256_BYTES))))
    again = (await hear_field(probe, line, "connection_settings")).message.connection_settings
    require(again.hash == wanted, "what came has another hash")


@check("S-124")
async def other_settings_hash_is_answered(probe: Probe) -> None:
    """The answer to the very report with another hash has the settings."""
    agent, line = await _met(probe, _TELEMETRY)
    wanted = (await _offered(probe, agent, line, _settings())).hash
    answer = await line.ask(agent.message(connection_settings_status=_status(os.urandom(_SHA256_BYTES))))
    require(answer.message.connection_settings.hash == wanted, "the answer does not have the settings")


@check("S-126")
async def opamp_settings_travel_as_such(probe: Probe) -> None:
    """OpAMP settings come in connection_settings.opamp, headers and all."""
    headers = {**_SHOWN, "X-Conformance": "one"}
    endpoint = "wss://opamp.example/v1/opamp"
    offer = await _offer(probe, _ALL, {"opamp": {"destination_endpoint": endpoint, "headers": headers}})
    require(offer.HasField("opamp"), "opamp did not come")
    sent = {header.key: header.value for header in offer.opamp.headers.headers}
    require(sent.get("X-Conformance") == "one", "the header did not come")


@invariant("S-129", broken="OpAMP settings without a ws, wss, http or https endpoint", unseen=_NONE_OFFERED)
def opamp_settings_name_an_endpoint(record: Record) -> bool | None:
    """destination_endpoint is a URL of one of the four schemes."""
    settings = record.heard.message.connection_settings
    if not settings.HasField("opamp"):
        return None
    parts = urlsplit(settings.opamp.destination_endpoint)
    return parts.scheme in {"ws", "wss", "http", "https"} and bool(parts.hostname)


@check("S-129")
async def opamp_settings_always_name_an_endpoint(probe: Probe) -> None:
    """An offer made for the heartbeat alone names an endpoint, too."""
    offer = await _offer(probe, _ALL, {"opamp": {"heartbeat_interval_seconds": 17, "headers": _SHOWN}})
    require(offer.opamp.destination_endpoint, "destination_endpoint is empty")


@check("S-154")
async def first_answer_has_telemetry(probe: Probe) -> None:
    """Settings that are there before an agent comes are in its first answer."""
    agent = probe.persona(_TELEMETRY)
    await probe.do("offer_connection_settings", instance_uid=agent.text, settings=_telemetry())
    line = await probe.websocket()
    answer = await line.ask(agent.full())
    require(answer.message.HasField("connection_settings"), "the first answer has no connection settings")
    for name in ("own_metrics", "own_traces", "own_logs"):
        require(_has(answer.message.connection_settings, name), f"the first answer has no {name}")


@check("S-155")
async def changed_destination_is_sent(probe: Probe) -> None:
    """A destination that changes comes in a later message."""
    agent, line = await _met(probe, _TELEMETRY)
    await _offered(probe, agent, line, _telemetry())
    changed = _telemetry()
    changed["own_metrics"]["destination_endpoint"] = "https://elsewhere.example/v1/metrics"
    offer = await _offered(probe, agent, line, changed)
    require("elsewhere" in offer.own_metrics.destination_endpoint, "the changed destination did not come")


@check("S-156")
async def unchanged_settings_are_not_sent(probe: Probe) -> None:
    """After they were applied, settings do not come again."""
    agent, line = await _met(probe, _TELEMETRY)
    await _offered(probe, agent, line, _telemetry())
    await settle(probe)
    await nothing_with(
        probe, agent, line, lambda said: said.HasField("connection_settings"), "settings that had not changed"
    )


@invariant("S-157", broken="an offer of settings with nothing in it", unseen=_NONE_OFFERED)
def settings_offer_names_something(record: Record) -> bool | None:
    """An offer has one member at least."""
    message = record.heard.message
    if not message.HasField("connection_settings"):
        return None
    return any(_has(message.connection_settings, name) for name in _MEMBERS)


@invariant("S-158", broken="a telemetry destination that is no whole URL", unseen=_NONE_OFFERED)
def telemetry_destination_is_a_whole_url(record: Record) -> bool | None:
    """Scheme, host and path are there."""
    urls = [urlsplit(each) for each in _destinations(record)]
    return all(url.scheme in {"http", "https"} and url.hostname and len(url.path) > 1 for url in urls) if urls else None


@invariant("S-159", broken="a telemetry destination without https", unseen=_NONE_OFFERED)
def telemetry_destination_is_https(record: Record) -> bool | None:
    """Destinations begin with https."""
    urls = _destinations(record)
    return all(url.startswith("https://") for url in urls) if urls else None


@check("S-160")
async def changed_members_are_enough(probe: Probe) -> None:
    """Another connection with nothing but headers comes as it was set."""
    settings = {"other_connections": {"vault": {"headers": {"X-Conformance": "two"}}}}
    offer = await _offer(probe, _ALL, settings)
    require("vault" in offer.other_connections, "the connection did not come")


@check("S-161")
async def other_connections_have_names(probe: Probe) -> None:
    """Each of two connections comes under its name."""
    settings = {
        "other_connections": {
            "vault": {"destination_endpoint": "https://vault.example"},
            "registry": {"destination_endpoint": "registry.example:443"},
        }
    }
    offer = await _offer(probe, _ALL, settings)
    found = {name: each.destination_endpoint for name, each in offer.other_connections.items()}
    wanted = {name: each["destination_endpoint"] for name, each in settings["other_connections"].items()}
    require(found == wanted, f"what came is {found}")


@check("S-162")
async def other_settings_come_along(probe: Probe) -> None:
    """Settings of a connection's own come as they were set."""
    own = {"destination_endpoint": "https://vault.example", "other_settings": {"path": "kv/2"}}
    offer = await _offer(probe, _ALL, {"other_connections": {"vault": own}})
    require(dict(offer.other_connections["vault"].other_settings) == {"path": "kv/2"}, "the settings did not come")


@invariant("S-163", broken="a certificate of a CA without the CA's", unseen="no certificate was offered in this run")
def ca_comes_with_its_certificate(record: Record) -> bool | None:
    """Where issuer and subject differ, ca_cert is set."""
    found = [each for each in _certificates(record) if each.cert]
    return all(bool(each.ca_cert) or _self_signed(each.cert) for each in found) if found else None


@invariant(
    "S-164", broken="a certificate that is not PEM, or lacks its key", unseen="no certificate was offered in this run"
)
def certificate_and_key_are_pem(record: Record) -> bool | None:
    """Cert is PEM, and private_key is PEM where there is one; only an answer to a request has none."""
    found = list(_certificates(record))
    pem = b"-----BEGIN "
    requested = _FIRST_REQUEST <= record.row <= _LAST_REQUEST
    good = (
        each.cert.startswith(pem) and (each.private_key.startswith(pem) or (requested and not each.private_key))
        for each in found
    )
    return all(good) if found else None


@invariant("S-167", broken="a proxy without its URL", unseen="no proxy was offered in this run")
def proxy_has_a_url(record: Record) -> bool | None:
    """Each proxy has a url."""
    found = [each.proxy for each in _members(record) if each.HasField("proxy")]
    return all(proxy.url for proxy in found) if found else None


@check("S-168")
async def tls_options_are_offered(probe: Probe) -> None:
    """TLS options set for a destination come with it."""
    settings = _telemetry()
    settings["own_metrics"]["tls"] = {"min_version": "1.3", "include_system_ca_certs_pool": True}
    offer = await _offer(probe, _TELEMETRY, settings)
    require(offer.own_metrics.tls.min_version == "1.3", "the lowest version did not come")


@check("S-169")
async def proxy_options_are_offered(probe: Probe) -> None:
    """A proxy set for a destination comes with it."""
    settings = _telemetry()
    settings["own_metrics"]["proxy"] = {"url": "http://proxy.example:3128"}
    offer = await _offer(probe, _TELEMETRY, settings)
    require(offer.own_metrics.proxy.url == "http://proxy.example:3128", "the proxy did not come")


@check("S-170")
async def heartbeat_interval_is_offered(probe: Probe) -> None:
    """An interval that was set comes."""
    offer = await _offer(probe, _ALL, {"opamp": {"heartbeat_interval_seconds": 17, "headers": _SHOWN}})
    require(offer.opamp.heartbeat_interval_seconds == 17, f"what came is {offer.opamp.heartbeat_interval_seconds}")  # noqa: PLR2004 - set above


@check("S-171")
async def default_interval_is_30_seconds(probe: Probe) -> None:
    """An offer of OpAMP settings that says nothing of heartbeats has 30 s."""
    offer = await _offer(probe, _ALL, {"opamp": {"headers": _SHOWN}})
    found = offer.opamp.heartbeat_interval_seconds
    require(found == _DEFAULT_HEARTBEAT, f"the interval is {found}")


@check("S-173")
async def any_message_is_a_sign_of_life(probe: Probe) -> None:
    """A bare message, and a custom one, move the time the agent was last heard from."""
    agent, line = await _met(probe, REPORTS_STATUS)
    for message in (
        agent.message(),
        agent.message(custom_message=opamp.CustomMessage(capability="org.example.life", type="t")),
    ):
        before = (await probe.do("show_agent", instance_uid=agent.text)).get("last_seen_at")
        if before is None:
            raise NotApplicable("what is shown of an agent does not tell when it was last heard from")
        await line.ask(message)
        view = await probe.look(agent, _later(before))
        require(_later(before)(view), "a message did not count as a sign of life")


def _later(before: Any) -> Callable[[dict[str, Any]], bool]:
    return lambda view: view.get("last_seen_at") != before


async def _met(probe: Probe, capabilities: int) -> tuple[Persona, SocketLine]:
    agent = probe.persona(capabilities)
    line = await probe.websocket()
    await line.ask(agent.full())
    await known(probe, agent)
    return agent, line


async def _offered(
    probe: Probe, agent: Persona, line: SocketLine, settings: dict[str, Any]
) -> opamp.ConnectionSettingsOffers:
    """Set settings, wait for them, and report them applied."""
    await probe.do("offer_connection_settings", instance_uid=agent.text, settings=settings)
    offer = (await hear_field(probe, line, "connection_settings")).message.connection_settings
    await line.ask(agent.message(connection_settings_status=_status(offer.hash)))
    return offer


async def _offer(probe: Probe, capabilities: int, settings: dict[str, Any]) -> opamp.ConnectionSettingsOffers:
    agent, line = await _met(probe, capabilities)
    return await _offered(probe, agent, line, settings)


def _status(settings_hash: bytes) -> opamp.ConnectionSettingsStatus:
    return opamp.ConnectionSettingsStatus(
        last_connection_settings_hash=settings_hash, status=opamp.ConnectionSettingsStatuses_APPLIED
    )


def _telemetry() -> dict[str, Any]:
    kinds = {"own_metrics": "metrics", "own_traces": "traces", "own_logs": "logs"}
    return {name: {"destination_endpoint": f"https://telemetry.example/v1/{kind}"} for name, kind in kinds.items()}


def _settings() -> dict[str, Any]:
    return {
        **_telemetry(),
        "opamp": {"destination_endpoint": _OTHER, "headers": _SHOWN, "heartbeat_interval_seconds": 30},
        "other_connections": {"vault": {"destination_endpoint": "https://vault.example"}},
    }


def _has(settings: opamp.ConnectionSettingsOffers, name: str) -> bool:
    return bool(settings.other_connections) if name == "other_connections" else settings.HasField(name)


def _members(record: Record) -> Iterator[Any]:
    settings = record.heard.message.connection_settings
    for name in ("opamp", "own_metrics", "own_traces", "own_logs"):
        if _has(settings, name):
            yield getattr(settings, name)
    yield from settings.other_connections.values()


def _destinations(record: Record) -> list[str]:
    settings = record.heard.message.connection_settings
    names = [name for name in ("own_metrics", "own_traces", "own_logs") if _has(settings, name)]
    return [getattr(settings, name).destination_endpoint for name in names]


def _certificates(record: Record) -> Iterator[opamp.TLSCertificate]:
    return (each.certificate for each in _members(record) if each.HasField("certificate"))


def _self_signed(pem: bytes) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return False
    return certificate.issuer == certificate.subject

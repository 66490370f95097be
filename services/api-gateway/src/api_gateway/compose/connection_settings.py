"""
Connection settings between REST and OpAMP: documents into offers, offers into views.

agent-state masks secrets before it answers, and puts the stored ones back where a mask comes back. Header values and
private keys are masked here again: a secret that got this far by mistake goes no further.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from api_gateway.compose.values import moment, uid_text
from api_gateway.models import connection_settings as views
from fleet.api.v1 import connection_settings_pb2 as messages
from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from contracts.ids import AgentUid

MASK = views.MASK
TELEMETRY = ("own_metrics", "own_traces", "own_logs")

AnyTarget = opamp.OpAMPConnectionSettings | opamp.TelemetryConnectionSettings | opamp.OtherConnectionSettings


def settings_message(settings: views.Settings) -> opamp.ConnectionSettingsOffers:
    """Write the offer a document asks for; masked secrets stay masked, agent-state knows what they stand for."""
    offers = opamp.ConnectionSettingsOffers()
    if settings.opamp is not None:
        offers.opamp.SetInParent()
        _fill(offers.opamp, settings.opamp)
        offers.opamp.heartbeat_interval_seconds = settings.opamp.heartbeat_interval_seconds or 0
    for member in TELEMETRY:
        wanted = getattr(settings, member)
        if wanted is not None:
            _fill(getattr(offers, member), wanted)
    for name, other in settings.other_connections.items():
        target = offers.other_connections[name]
        _fill(target, other)
        target.other_settings.update(other.other_settings)
    return offers


def policy_view(policy: messages.ConnectionSettingsPolicy) -> views.ConnectionSettings:
    """Compose one policy, its secrets masked."""
    return {
        "name": policy.name,
        "selector": dict(policy.selector),
        "priority": policy.priority,
        "settings": settings_view(policy.settings),
        "version": policy.version,
        "created_at": moment(policy.created_at),
        "updated_at": moment(policy.updated_at),
        "author": policy.author,
    }


def policy_page_view(
    reply: messages.ListConnectionSettingsPoliciesReply, *, limit: int, offset: int
) -> views.ConnectionSettingsPage:
    """Compose a page of policies."""
    return {
        "connection_settings": [policy_view(policy) for policy in reply.policies],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def agent_settings_view(
    uid: AgentUid, reply: messages.GetAgentConnectionSettingsReply
) -> views.AgentConnectionSettings:
    """Compose what one agent is offered and how far it is."""
    return {
        "agent_id": uid_text(uid),
        "state": reply.state or "none",
        "error_message": reply.error_message,
        "desired": settings_view(reply.desired) if reply.HasField("desired") else None,
        "desired_hash": reply.desired_hash.hex(),
        "offered_hash": reply.offered_hash.hex(),
        "offered_at": moment(reply.offered_at),
        "reported_hash": reply.reported_hash.hex(),
        "policies": list(reply.policies),
    }


def settings_view(offers: opamp.ConnectionSettingsOffers) -> views.SettingsView:
    """Compose what is offered, its secrets masked."""
    own = offers.opamp
    return {
        "opamp": {
            **_destination_view(own),
            "heartbeat_interval_seconds": own.heartbeat_interval_seconds or None,
        }
        if offers.HasField("opamp")
        else None,
        "own_metrics": _destination_view(offers.own_metrics) if offers.HasField("own_metrics") else None,
        "own_traces": _destination_view(offers.own_traces) if offers.HasField("own_traces") else None,
        "own_logs": _destination_view(offers.own_logs) if offers.HasField("own_logs") else None,
        "other_connections": {
            name: {**_destination_view(other), "other_settings": dict(other.other_settings)}
            for name, other in sorted(offers.other_connections.items())
        },
    }


def _fill(
    target: AnyTarget, wanted: views.OpampDestination | views.TelemetryDestination | views.OtherDestination
) -> None:
    target.destination_endpoint = wanted.destination_endpoint
    if wanted.headers:
        _fill_headers(target.headers, wanted.headers)
    if wanted.tls is not None:
        target.tls.CopyFrom(
            opamp.TLSConnectionSettings(
                ca_pem_contents=wanted.tls.ca_pem_contents,
                include_system_ca_certs_pool=wanted.tls.include_system_ca_certs_pool,
                insecure_skip_verify=wanted.tls.insecure_skip_verify,
                min_version=wanted.tls.min_version,
                max_version=wanted.tls.max_version,
                cipher_suites=wanted.tls.cipher_suites,
            )
        )
    if wanted.proxy is not None:
        target.proxy.url = wanted.proxy.url
        if wanted.proxy.connect_headers:
            _fill_headers(target.proxy.connect_headers, wanted.proxy.connect_headers)
    if wanted.certificate is not None:
        target.certificate.cert = wanted.certificate.cert.encode()
        target.certificate.private_key = wanted.certificate.private_key.encode()
        target.certificate.ca_cert = wanted.certificate.ca_cert.encode()


def _fill_headers(target: opamp.Headers, wanted: Mapping[str, str]) -> None:
    for key, value in wanted.items():
        target.headers.add(key=key, value=value)


def _destination_view(target: AnyTarget) -> views.DestinationView:
    return {
        "destination_endpoint": target.destination_endpoint,
        "headers": _header_view(target.headers),
        "tls": _tls_view(target.tls) if target.HasField("tls") else None,
        "proxy": {"url": target.proxy.url, "connect_headers": _header_view(target.proxy.connect_headers)}
        if target.HasField("proxy")
        else None,
        "certificate": _certificate_view(target.certificate) if target.HasField("certificate") else None,
    }


def _header_view(headers: opamp.Headers) -> dict[str, str]:
    return {header.key: MASK for header in headers.headers}


def _tls_view(tls: opamp.TLSConnectionSettings) -> views.TlsSettingsView:
    return {
        "ca_pem_contents": tls.ca_pem_contents,
        "include_system_ca_certs_pool": tls.include_system_ca_certs_pool,
        "insecure_skip_verify": tls.insecure_skip_verify,
        "min_version": tls.min_version,
        "max_version": tls.max_version,
        "cipher_suites": list(tls.cipher_suites),
    }


def _certificate_view(certificate: opamp.TLSCertificate) -> views.ClientCertificateView:
    return {
        "cert": certificate.cert.decode("utf-8", "replace"),
        "private_key": MASK if certificate.private_key else "",
        "ca_cert": certificate.ca_cert.decode("utf-8", "replace"),
    }

"""
Connection settings between REST and OpAMP: documents into offers, offers into views without secrets.

Whatever is secret leaves as MASK; MASK coming back means the secret that is stored, so that settings can be read,
edited and written by somebody who never sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit, urlunsplit

from api_gateway.compose.values import moment, uid_text
from api_gateway.errors import Unprocessable
from api_gateway.models import connection_settings as views
from fleet.api.v1 import connection_settings_pb2 as messages
from opamp.v1 import opamp_pb2 as opamp
from servicekit.errors import Problem

if TYPE_CHECKING:
    from contracts.ids import AgentUid

MASK = views.MASK
TELEMETRY = ("own_metrics", "own_traces", "own_logs")

Target = TypeVar(
    "Target", opamp.OpAMPConnectionSettings, opamp.TelemetryConnectionSettings, opamp.OtherConnectionSettings
)
AnyTarget = opamp.OpAMPConnectionSettings | opamp.TelemetryConnectionSettings | opamp.OtherConnectionSettings


def has_masks(settings: views.Settings) -> bool:
    """Say whether a document leaves any secret as it is stored."""
    return any(_masked_in(destination) for destination in _destinations(settings))


def settings_message(
    settings: views.Settings, stored: opamp.ConnectionSettingsOffers | None
) -> opamp.ConnectionSettingsOffers:
    """
    Write the offer a document asks for.

    Args:
        settings: As somebody wrote it.

        stored: What is stored under that name; masked secrets are taken from it.

    Raises:
        Unprocessable: A masked secret has nothing stored to stand for; every place is named.
    """
    kept = stored or opamp.ConnectionSettingsOffers()
    offers, problems = opamp.ConnectionSettingsOffers(), list[Problem]()
    if settings.opamp is not None:
        _fill(offers.opamp, settings.opamp, kept.opamp, "settings.opamp", problems)
        offers.opamp.heartbeat_interval_seconds = settings.opamp.heartbeat_interval_seconds or 0
    for member in TELEMETRY:
        wanted = getattr(settings, member)
        if wanted is not None:
            _fill(getattr(offers, member), wanted, getattr(kept, member), f"settings.{member}", problems)
    for name, other in settings.other_connections.items():
        before = kept.other_connections[name] if name in kept.other_connections else opamp.OtherConnectionSettings()
        target = offers.other_connections[name]
        _fill(target, other, before, f"settings.other_connections.{name}", problems)
        target.other_settings.update(other.other_settings)
    if problems:
        public = f"{MASK} stands for a secret that is stored already, and there is none"
        raise Unprocessable(public, details=problems)
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


def masked_url(url: str) -> str:
    """Hide the password of a URL; what cannot be read as a URL is hidden whole if it may hold one."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return MASK if "@" in url else url
    if password is None:
        # `user:password@host:port` without a scheme reads as a path.
        return MASK if "@" in url and not parts.netloc else url
    login, _, host = parts.netloc.rpartition("@")
    user = login.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}:{MASK}@{host}"))


def _destinations(settings: views.Settings) -> Iterable[views.Destination]:
    members = (settings.opamp, settings.own_metrics, settings.own_traces, settings.own_logs)
    yield from (member for member in members if member is not None)
    yield from settings.other_connections.values()


def _masked_in(destination: views.Destination) -> bool:
    return (
        MASK in destination.headers.values()
        or (destination.certificate is not None and destination.certificate.private_key == MASK)
        or (
            destination.proxy is not None
            and (MASK in destination.proxy.connect_headers.values() or MASK in destination.proxy.url)
        )
    )


def _fill(
    target: Target, wanted: views.OpampDestination | views.TelemetryDestination | views.OtherDestination,
    kept: Target, where: str, problems: list[Problem],
) -> None:  # fmt: skip
    target.destination_endpoint = wanted.destination_endpoint
    if wanted.headers:
        _fill_headers(target.headers, wanted.headers, kept.headers, f"{where}.headers", problems)
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
        if MASK in wanted.proxy.url:
            if masked_url(kept.proxy.url) == wanted.proxy.url:
                target.proxy.url = kept.proxy.url
            else:
                problems.append(Problem(f"{where}.proxy.url", f"no secret is stored that {MASK} could stand for"))
        if wanted.proxy.connect_headers:
            _fill_headers(
                target.proxy.connect_headers,
                wanted.proxy.connect_headers,
                kept.proxy.connect_headers,
                f"{where}.proxy.connect_headers",
                problems,
            )
    if wanted.certificate is not None:
        key = wanted.certificate.private_key.encode()
        if wanted.certificate.private_key == MASK:
            key = kept.certificate.private_key
            if not key:
                problems.append(
                    Problem(f"{where}.certificate.private_key", f"no secret is stored that {MASK} could stand for")
                )
        target.certificate.cert = wanted.certificate.cert.encode()
        target.certificate.private_key = key
        target.certificate.ca_cert = wanted.certificate.ca_cert.encode()


def _fill_headers(
    target: opamp.Headers, wanted: Mapping[str, str], kept: opamp.Headers, where: str, problems: list[Problem]
) -> None:
    stored = {header.key: header.value for header in kept.headers}
    for key, value in wanted.items():
        if value == MASK and key not in stored:
            problems.append(Problem(f"{where}.{key}", f"no secret is stored that {MASK} could stand for"))
        target.headers.add(key=key, value=stored.get(key, "") if value == MASK else value)


def _destination_view(target: AnyTarget) -> views.DestinationView:
    return {
        "destination_endpoint": target.destination_endpoint,
        "headers": _header_view(target.headers),
        "tls": _tls_view(target.tls) if target.HasField("tls") else None,
        "proxy": {"url": masked_url(target.proxy.url), "connect_headers": _header_view(target.proxy.connect_headers)}
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

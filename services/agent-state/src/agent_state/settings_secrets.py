"""
Take secrets out of connection settings for people to see, and put them back when what they saw comes again. Pure.

Shown are names, addresses and certificates; masked are header values, private keys, passwords in addresses, and
other settings and parameters of addresses whose name sounds like a secret.

Secrets are put back for the server they were written for. Who may write settings but not read their secrets could
else have agents carry them to a server of his own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from agent_state.redaction import MASK
from agent_state.settings_policy import SINGLE_MEMBERS
from opamp.v1 import opamp_pb2 as opamp

_SECRET_NAME = re.compile(
    r"passw|pwd|token|key|secret|auth|credential|passphrase|signature|^sig$|^code$", re.IGNORECASE
)

Connection = opamp.OpAMPConnectionSettings | opamp.TelemetryConnectionSettings | opamp.OtherConnectionSettings

MASKED_KEY: Final = MASK.encode()
_NOTHING: Final = opamp.OtherConnectionSettings()


def connections_of(settings: opamp.ConnectionSettingsOffers) -> Iterator[tuple[str, Connection]]:
    """Give every connection in *settings* with the path people know it by."""
    for member in SINGLE_MEMBERS:
        if settings.HasField(member):
            yield member, getattr(settings, member)
    for name in sorted(settings.other_connections):
        yield f"other_connections.{name}", settings.other_connections[name]


def masked(settings: opamp.ConnectionSettingsOffers) -> opamp.ConnectionSettingsOffers:
    """Return a copy without secrets."""
    shown = opamp.ConnectionSettingsOffers()
    shown.CopyFrom(settings)
    for _, connection in connections_of(shown):
        connection.destination_endpoint = _without_secrets(connection.destination_endpoint)
        for header in (*connection.headers.headers, *connection.proxy.connect_headers.headers):
            header.value = MASK
        if connection.certificate.private_key:
            connection.certificate.private_key = MASKED_KEY
        if connection.proxy.url:
            connection.proxy.url = _without_secrets(connection.proxy.url)
        if isinstance(connection, opamp.OtherConnectionSettings):
            for name in connection.other_settings:
                if _SECRET_NAME.search(name):
                    connection.other_settings[name] = MASK
    return shown


def unmasked(
    written: opamp.ConnectionSettingsOffers, stored: opamp.ConnectionSettingsOffers | None
) -> tuple[opamp.ConnectionSettingsOffers, list[str]]:
    """
    Put back the secrets that *written* shows masked.

    Args:
        written: As a person sent it, perhaps after reading it masked.

        stored: What they read; None when nothing was there.

    Returns:
        A copy with its secrets, and the paths of masks nothing is stored for, or for another server.
    """
    whole = opamp.ConnectionSettingsOffers()
    whole.CopyFrom(written)
    known = dict(connections_of(stored)) if stored is not None else {}
    missing: list[str] = []
    for path, connection in connections_of(whole):
        before = known.get(path, _NOTHING)
        connection.destination_endpoint = _restored_url(
            connection.destination_endpoint, before.destination_endpoint, f"{path}.destination_endpoint", missing
        )
        old = before.proxy
        if _origin(connection.destination_endpoint) != _origin(before.destination_endpoint):
            before = _NOTHING
        _restore_headers(connection.headers, before.headers, f"{path}.headers", missing)
        if connection.HasField("proxy"):
            proxy = connection.proxy
            proxy.url = _restored_url(proxy.url, old.url, f"{path}.proxy.url", missing)
            if _origin(proxy.url) != _origin(old.url):
                old = _NOTHING.proxy
            _restore_headers(proxy.connect_headers, old.connect_headers, f"{path}.proxy.connect_headers", missing)
        if connection.certificate.private_key == MASKED_KEY:
            if before.certificate.private_key:
                connection.certificate.private_key = before.certificate.private_key
            else:
                missing.append(f"{path}.certificate.private_key")
        if isinstance(connection, opamp.OtherConnectionSettings):
            _restore_others(connection, before, path, missing)
    return whole, missing


def _restore_headers(headers: opamp.Headers, stored: opamp.Headers, path: str, missing: list[str]) -> None:
    known = {header.key.lower(): header.value for header in stored.headers}
    for header in headers.headers:
        if header.value != MASK:
            continue
        if header.key.lower() in known:
            header.value = known[header.key.lower()]
        else:
            missing.append(f"{path}.{header.key}")


def _restore_others(
    connection: opamp.OtherConnectionSettings, before: Connection, path: str, missing: list[str]
) -> None:
    known = before.other_settings if isinstance(before, opamp.OtherConnectionSettings) else {}
    for name in list(connection.other_settings):
        if connection.other_settings[name] != MASK:
            continue
        if name in known:
            connection.other_settings[name] = known[name]
        else:
            missing.append(f"{path}.other_settings.{name}")


def _restored_url(written: str, stored: str, path: str, missing: list[str]) -> str:
    if MASK not in written:
        return written
    if written == _without_secrets(stored):
        return stored
    missing.append(path)
    return written


def _origin(url: str) -> tuple[str, str, int | None]:
    """Tell which server an address names: scheme, host and port."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        return parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        return "", url, None


def _without_secrets(url: str) -> str:
    """Mask the secrets in an address; one that cannot be read is masked whole when it may hold one."""
    if "@" not in url and "?" not in url:
        return url
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
    except ValueError:
        return MASK
    userinfo, at, host = parts.netloc.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    if "@" in url and not userinfo and "?" not in url:
        return MASK
    if at:
        parts = parts._replace(netloc=f"{user}:{MASK}@{host}" if colon else f"{MASK}@{host}")
    shown = urlunsplit(parts._replace(query="&".join(map(_without_value, parts.query.split("&")))))
    return shown if "//" in url else shown.removeprefix("//")


def _without_value(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    return f"{name}={MASK}" if equals and value and _SECRET_NAME.search(unquote(name)) else parameter

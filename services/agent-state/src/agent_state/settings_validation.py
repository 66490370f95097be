"""
What a connection settings policy may say: every fault at once, each with its path. Pure.

What would cut agents off without a word is refused: no destination where one is needed, half a certificate, a
header that cannot be sent, TLS that verifies nothing. A heartbeat interval of 0 is no fault: it is read as the default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from agent_state.settings_policy import Policy
from agent_state.settings_secrets import Connection, connections_of
from contracts.labels import MAX_KEY_CHARACTERS, MAX_VALUE_CHARACTERS
from opamp.v1 import opamp_pb2 as opamp
from servicekit.errors import Problem

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MAX_SETTINGS_BYTES: Final = 48 * 1024
"""Of one policy; the agent's own credential and what other policies add must still fit into the offer."""

MAX_SELECTOR_PAIRS: Final = 64
MAX_PRIORITY: Final = 1_000_000
MAX_AUTHOR: Final = 256
MAX_URL_CHARACTERS: Final = 2048
MAX_HEADERS: Final = 64
MAX_HEADER_CHARACTERS: Final = 8192
MAX_CONNECTIONS: Final = 32
MAX_OTHER_SETTINGS: Final = 64
MAX_HEARTBEAT_SECONDS: Final = 86_400

OPAMP_SCHEMES: Final = ("ws", "wss", "http", "https")
TELEMETRY_SCHEMES: Final = ("http", "https")
PROXY_SCHEMES: Final = ("http", "https", "socks5", "socks5h")

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_CIPHER = re.compile(r"[A-Z0-9_+-]{1,100}")
_HOST_PORT = re.compile(r"[^\s/@]+:\d{1,5}")
_VERSIONS = {"1.0": 0, "1.1": 1, "1.2": 2, "1.3": 3}
_FORBIDDEN_HEADERS = frozenset({"host", "content-length", "content-type", "connection", "upgrade", "transfer-encoding"})


def check(policy: Policy, now: datetime, *, allow_insecure: bool) -> list[Problem]:
    """
    List what is wrong with a policy.

    Args:
        policy: As a person wrote it, secrets put back.

        now: For certificates that have expired.

        allow_insecure: Whether settings may tell agents to verify nothing.
    """
    problems = list(_check_frame(policy))
    found = list(connections_of(policy.settings))
    if not found:
        problems.append(Problem("settings", "must set at least one connection"))
    if policy.settings.ByteSize() > MAX_SETTINGS_BYTES:
        problems.append(Problem("settings", f"must be at most {MAX_SETTINGS_BYTES} bytes"))
        return problems
    if len(policy.settings.other_connections) > MAX_CONNECTIONS:
        problems.append(Problem("settings.other_connections", f"at most {MAX_CONNECTIONS}"))
    for path, connection in found:
        problems += _check_connection(f"settings.{path}", connection, now, allow_insecure)
    return problems


def warnings_of(settings: opamp.ConnectionSettingsOffers) -> list[str]:
    """Say what is allowed and yet unwise: destinations that are not encrypted."""
    return [
        f"{path} goes to {urlsplit(connection.destination_endpoint).scheme}://, which is not encrypted"
        for path, connection in connections_of(settings)
        if urlsplit(connection.destination_endpoint).scheme in ("http", "ws")
    ]


def _check_frame(policy: Policy) -> Iterator[Problem]:
    if not NAME.fullmatch(policy.name):
        yield Problem("name", "must be 1 to 128 letters, digits, '.', '_' or '-', and begin with a letter or digit")
    if abs(policy.priority) > MAX_PRIORITY:
        yield Problem("priority", f"must be between -{MAX_PRIORITY} and {MAX_PRIORITY}")
    if len(policy.author) > MAX_AUTHOR or "\x00" in policy.author:
        yield Problem("author", f"must be at most {MAX_AUTHOR} characters without NUL")
    if len(policy.selector) > MAX_SELECTOR_PAIRS:
        yield Problem("selector", f"at most {MAX_SELECTOR_PAIRS} labels")
    for key, value in policy.selector.items():
        if not key or len(key) > MAX_KEY_CHARACTERS or len(value) > MAX_VALUE_CHARACTERS or "\x00" in key + value:
            yield Problem(f"selector.{key[:100]}", "is not a label an agent can have")


def _check_connection(path: str, connection: Connection, now: datetime, allow_insecure: bool) -> Iterator[Problem]:  # noqa: FBT001 - passed on
    match connection:
        case opamp.OpAMPConnectionSettings():
            if connection.destination_endpoint:
                yield from _check_url(f"{path}.destination_endpoint", connection.destination_endpoint, OPAMP_SCHEMES)
            if connection.heartbeat_interval_seconds > MAX_HEARTBEAT_SECONDS:
                yield Problem(f"{path}.heartbeat_interval_seconds", f"must be at most {MAX_HEARTBEAT_SECONDS}")
        case opamp.TelemetryConnectionSettings():
            yield from _check_telemetry(f"{path}.destination_endpoint", connection.destination_endpoint)
        case opamp.OtherConnectionSettings():
            yield from _check_other(path, connection)
    yield from _check_headers(f"{path}.headers", connection.headers)
    if connection.HasField("certificate"):
        yield from _check_certificate(f"{path}.certificate", connection.certificate, now)
    if connection.HasField("tls"):
        yield from _check_tls(f"{path}.tls", connection.tls, allow_insecure)
    if connection.HasField("proxy"):
        yield from _check_proxy(f"{path}.proxy", connection.proxy)


def _check_telemetry(path: str, url: str) -> Iterator[Problem]:
    problems = list(_check_url(path, url, TELEMETRY_SCHEMES))
    yield from problems
    if not problems and urlsplit(url).path in ("", "/"):
        yield Problem(path, "must be a complete OTLP/HTTP address with its path, like https://host:4318/v1/metrics")


def _check_other(path: str, connection: opamp.OtherConnectionSettings) -> Iterator[Problem]:
    name = path.removeprefix("settings.other_connections.")
    if not name or len(name) > MAX_KEY_CHARACTERS:
        yield Problem(path, f"names are 1 to {MAX_KEY_CHARACTERS} characters long")
    if len(connection.destination_endpoint) > MAX_URL_CHARACTERS:
        yield Problem(f"{path}.destination_endpoint", f"must be at most {MAX_URL_CHARACTERS} characters")
    if "@" in connection.destination_endpoint:
        yield Problem(f"{path}.destination_endpoint", "must not hold a name or password; use headers")
    if len(connection.other_settings) > MAX_OTHER_SETTINGS:
        yield Problem(f"{path}.other_settings", f"at most {MAX_OTHER_SETTINGS}")
    if not connection.ByteSize():
        yield Problem(path, "sets nothing")


def _check_url(path: str, url: str, schemes: Iterable[str]) -> Iterator[Problem]:
    parts = _split(url)
    if parts is None or not parts.hostname or len(url) > MAX_URL_CHARACTERS or not url.isprintable() or " " in url:
        yield Problem(path, "must be an absolute address, like https://host/path")
    elif parts.scheme not in schemes:
        yield Problem(path, f"must begin with {', '.join(f'{scheme}://' for scheme in schemes)}")
    elif parts.username is not None or parts.password is not None:
        yield Problem(path, "must not hold a name or password; use headers")
    elif parts.fragment:
        yield Problem(path, "must not have a fragment (#…)")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _check_headers(path: str, headers: opamp.Headers) -> Iterator[Problem]:
    if len(headers.headers) > MAX_HEADERS:
        yield Problem(path, f"at most {MAX_HEADERS}")
        return
    seen: set[str] = set()
    for header in headers.headers:
        name = header.key.lower()
        if not _HEADER_NAME.fullmatch(header.key):
            yield Problem(f"{path}.{header.key[:100]}", "is not the name of an HTTP header")
        elif name in _FORBIDDEN_HEADERS:
            yield Problem(f"{path}.{header.key}", "is set by the agent itself")
        elif name in seen:
            yield Problem(f"{path}.{header.key}", "is there twice")
        seen.add(name)
        if len(header.value) > MAX_HEADER_CHARACTERS or not _HEADER_VALUE.fullmatch(header.value):
            yield Problem(
                f"{path}.{header.key[:100]}",
                f"values are at most {MAX_HEADER_CHARACTERS} visible ASCII characters",
            )


def _check_certificate(path: str, certificate: opamp.TLSCertificate, now: datetime) -> Iterator[Problem]:
    """A certificate and its key, both; or only the authority to trust, which the Collector's supervisor reads here."""
    if not certificate.cert and not certificate.private_key and not certificate.ca_cert:
        yield Problem(path, "sets nothing")
        return
    if certificate.ca_cert and not _certificates(certificate.ca_cert):
        yield Problem(f"{path}.ca_cert", "is not a certificate in PEM")
    if bool(certificate.cert) != bool(certificate.private_key):
        missing = "private_key" if certificate.cert else "cert"
        yield Problem(f"{path}.{missing}", "a certificate needs its private key, and the key its certificate")
        return
    if not certificate.cert:
        return
    chain = _certificates(certificate.cert)
    if not chain:
        yield Problem(f"{path}.cert", "is not a certificate in PEM")
        return
    if chain[0].not_valid_after_utc <= now:
        yield Problem(f"{path}.cert", f"expired on {chain[0].not_valid_after_utc:%Y-%m-%d}")
    yield from _check_key(f"{path}.private_key", certificate.private_key, chain[0])


def _check_key(path: str, pem: bytes, certificate: x509.Certificate) -> Iterator[Problem]:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        yield Problem(path, "must not be encrypted")
    except (ValueError, UnsupportedAlgorithm):
        yield Problem(path, "is not a private key in PEM")
    else:
        if _spki(key.public_key()) != _spki(certificate.public_key()):
            yield Problem(path, "does not belong to the certificate")


def _spki(key: object) -> bytes:
    """Write a public key down so that two can be compared."""
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined] # every public key has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm):
        return []


def _check_tls(path: str, tls: opamp.TLSConnectionSettings, allow_insecure: bool) -> Iterator[Problem]:  # noqa: FBT001 - passed on
    if tls.ca_pem_contents and not _certificates(tls.ca_pem_contents.encode()):
        yield Problem(f"{path}.ca_pem_contents", "is not a certificate in PEM")
    if tls.insecure_skip_verify and not allow_insecure:
        yield Problem(
            f"{path}.insecure_skip_verify",
            "would let agents talk to anybody; AGENT_STATE_ALLOW_INSECURE_TLS_OFFERS=true allows it",
        )
    numbers: Mapping[str, int | None] = {
        field: _VERSIONS.get(getattr(tls, field).removeprefix("TLSv").removeprefix("TLS"))
        for field in ("min_version", "max_version")
        if getattr(tls, field)
    }
    for field, number in numbers.items():
        if number is None:
            yield Problem(f"{path}.{field}", f"must be one of {', '.join(_VERSIONS)}")
    least, most = numbers.get("min_version"), numbers.get("max_version")
    if least is not None and most is not None and least > most:
        yield Problem(f"{path}.max_version", "is below min_version")
    if not all(_CIPHER.fullmatch(suite) for suite in tls.cipher_suites):
        yield Problem(f"{path}.cipher_suites", "must be names like TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")


def _check_proxy(path: str, proxy: opamp.ProxyConnectionSettings) -> Iterator[Problem]:
    if not proxy.url:
        yield Problem(f"{path}.url", "must not be empty")
    elif not _HOST_PORT.fullmatch(proxy.url):
        parts = _split(proxy.url)
        if parts is None or not parts.hostname or parts.scheme not in PROXY_SCHEMES or not proxy.url.isprintable():
            yield Problem(f"{path}.url", f"must be host:port or an address with {', '.join(PROXY_SCHEMES)}")
    yield from _check_headers(f"{path}.connect_headers", proxy.connect_headers)

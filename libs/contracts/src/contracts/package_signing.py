"""
What signers and verifiers of packages agree on, as docs/decisions/0017 tells it.

A signature of format ed25519 is over the file's SHA-256, its 32 bytes and nothing else. A channel manifest is
JSON in a DSSE envelope, signed over the envelope's pre-authentication encoding. No keys and no clock here: whoever
verifies hands in what checks one signature, and the time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Verify = Callable[[bytes, bytes], bool]
"""Whether a signature (first) over a message (second) is one of the key it stands for."""

PAYLOAD_TYPE = "application/vnd.opamp-platform.package-manifest+json"
FORMAT = 1
CHANNELS = ("stable", "beta")
KEY_BYTES = 32
SIGNATURE_BYTES = 64
MAX_ENVELOPE_BYTES = 2 * 1024 * 1024
"""So that an envelope fits into one message of the bus."""

MAX_SIGNATURES = 16
_HASH = re.compile(r"[0-9a-f]{64}")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class ManifestRefusedError(ValueError):
    """
    A manifest that must not be believed.

    Attributes:
        reason: malformed, unsigned, tenant, channel, expired, older or replaced.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True, order=True)
class Target:
    """One file of a channel."""

    name: str
    version: str
    platform: str
    arch: str
    sha256: str
    """Hexadecimal digits."""

    size: int


@dataclass(frozen=True)
class Manifest:
    """Every file of a channel at one time."""

    tenant_id: str
    channel: str
    version: int
    """Grows with every manifest of the channel."""

    issued_at: datetime
    expires_at: datetime
    """Whoever gets nothing newer until then is being kept from it."""

    targets: tuple[Target, ...]
    """Sorted."""


@dataclass(frozen=True)
class Seen:
    """The newest manifest of a channel somebody has believed."""

    version: int
    digest: str
    """Of its payload, see digest_of()."""


def key_id_of(public_key: bytes) -> str:
    """Name a public key: the first 16 bytes of its SHA-256, as hexadecimal digits."""
    return hashlib.sha256(public_key).digest()[:16].hex()


def statement_of(sha256: bytes) -> bytes:
    """
    Return what a signature over a file is over: the 32 bytes of its SHA-256.

    OpAMP hands agents that very hash (content_hash) next to the signature, so an agent verifies in one line, before
    it has the file; and a signer needs no more of a file than its hash. A manifest can never be taken for one:
    pae() is always longer.
    """
    if len(sha256) != hashlib.sha256().digest_size:
        message = "a SHA-256 has 32 bytes"
        raise ValueError(message)
    return sha256


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """Write DSSE's pre-authentication encoding, what envelopes are signed over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def payload_of(manifest: Manifest) -> bytes:
    """Write a manifest: JSON with sorted keys and no spaces, so that equal manifests are equal bytes."""
    said = {
        "format": FORMAT,
        "tenant": manifest.tenant_id,
        "channel": manifest.channel,
        "version": manifest.version,
        "issued": manifest.issued_at.astimezone(UTC).strftime(_TIME),
        "expires": manifest.expires_at.astimezone(UTC).strftime(_TIME),
        "targets": [vars(target) for target in sorted(manifest.targets)],
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def digest_of(payload: bytes) -> str:
    """Tell manifests of one version apart."""
    return hashlib.sha256(payload).hexdigest()


def envelope_of(payload: bytes, signatures: Sequence[tuple[str, bytes]]) -> bytes:
    """Write a DSSE envelope around a payload and (key id, signature) pairs."""
    said = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": key_id, "sig": base64.b64encode(signature).decode()} for key_id, signature in signatures
        ],
    }
    return json.dumps(said, separators=(",", ":")).encode()


def open_envelope(envelope: bytes, trusted: Mapping[str, Verify], threshold: int = 1) -> bytes:
    """
    Return the payload of an envelope that enough trusted keys have signed; it is parsed only after that.

    Args:
        envelope: As envelope_of() wrote it, or any other DSSE signer.

        trusted: By key id, what checks signatures of that key. The key id in an envelope is a hint nobody signed:
            it chooses the key, it does not make one trusted.

        threshold: Keys that must have signed; several signatures of one key count once.

    Raises:
        ManifestRefusedError: malformed or unsigned.
    """
    payload, signatures = _taken_apart(envelope)
    message = pae(payload)
    good = {
        key_id
        for key_id, signature in signatures
        if (verify := trusted.get(key_id)) is not None and verify(signature, message)
    }
    if len(good) < max(threshold, 1):
        sentence = f"{len(good)} of the trusted keys have signed it, {max(threshold, 1)} must"
        raise ManifestRefusedError("unsigned", sentence)
    return payload


def payload_in(envelope: bytes) -> bytes:
    """
    Return the payload of an envelope somebody else has verified.

    Raises:
        ManifestRefusedError: malformed.
    """
    return _taken_apart(envelope)[0]


def read_payload(payload: bytes) -> Manifest:
    """
    Read a manifest; call it only with what open_envelope() returned.

    Raises:
        ManifestRefusedError: malformed.
    """
    try:
        said = json.loads(payload)
        _check_format(said["format"])
        manifest = Manifest(
            tenant_id=_text(said["tenant"]),
            channel=_text(said["channel"]),
            version=_count(said["version"]),
            issued_at=_moment(said["issued"]),
            expires_at=_moment(said["expires"]),
            targets=tuple(_target(each) for each in _listed(said["targets"])),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ManifestRefusedError("malformed", f"the signed content is no package manifest: {error!r}") from error
    if len(set(map(_fields, manifest.targets))) != len(manifest.targets):
        raise ManifestRefusedError("malformed", "it names a file twice")
    return manifest


def check_manifest(
    envelope: bytes,
    trusted: Mapping[str, Verify],
    *,
    tenant_id: str,
    channel: str,
    now: datetime,
    threshold: int = 1,
    seen: Seen | None = None,
) -> tuple[Manifest, Seen]:
    """
    Believe a manifest, or say why not.

    Args:
        envelope: The DSSE envelope.

        trusted: See open_envelope().

        tenant_id: Whose: the platform signs for every tenant with one key.

        channel: The channel asked for: the manifest of another one is refused.

        now: Aware of its zone.

        threshold: Keys that must have signed.

        seen: The newest one believed before; an older one is refused, and another one of the same version.

    Returns:
        The manifest, and what to remember as seen.

    Raises:
        ManifestRefusedError: With its reason.
    """
    payload = open_envelope(envelope, trusted, threshold)
    manifest = read_payload(payload)
    if manifest.tenant_id != tenant_id:
        raise ManifestRefusedError("tenant", f"it is of tenant {manifest.tenant_id!r}, not {tenant_id!r}")
    if manifest.channel != channel:
        raise ManifestRefusedError("channel", f"it is of channel {manifest.channel!r}, not {channel!r}")
    if manifest.expires_at <= now:
        raise ManifestRefusedError("expired", f"it expired at {manifest.expires_at.strftime(_TIME)}")
    digest = digest_of(payload)
    if seen is not None and manifest.version < seen.version:
        sentence = f"its version is {manifest.version}, and {seen.version} was seen before: somebody rolls back"
        raise ManifestRefusedError("older", sentence)
    if seen is not None and manifest.version == seen.version and digest != seen.digest:
        raise ManifestRefusedError("replaced", f"version {seen.version} was seen before with other content")
    return manifest, Seen(manifest.version, digest)


def _taken_apart(envelope: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    if len(envelope) > MAX_ENVELOPE_BYTES:
        raise ManifestRefusedError("malformed", f"it has more than {MAX_ENVELOPE_BYTES} bytes")
    try:
        said = json.loads(envelope)
        kind, payload = said["payloadType"], _decoded(said["payload"])
        signatures = [(_text(each.get("keyid", "")), _decoded(each["sig"])) for each in _listed(said["signatures"])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestRefusedError("malformed", f"it is no DSSE envelope: {error!r}") from error
    if kind != PAYLOAD_TYPE:
        raise ManifestRefusedError("malformed", f"its payload is {kind!r}, not {PAYLOAD_TYPE}")
    if len(signatures) > MAX_SIGNATURES:
        raise ManifestRefusedError("malformed", f"it has more than {MAX_SIGNATURES} signatures")
    return payload, signatures


def _decoded(text: str) -> bytes:
    try:
        # DSSE allows both alphabets.
        return base64.b64decode(_text(text).translate(_STANDARD), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


_STANDARD = str.maketrans("-_", "+/")


def _check_format(value: Any) -> None:
    if value != FORMAT:
        message = f"format {value!r}"
        raise ValueError(message)


def _target(said: Any) -> Target:
    target = Target(
        name=_text(said["name"]),
        version=_text(said["version"]),
        platform=_text(said["platform"]),
        arch=_text(said["arch"]),
        sha256=_text(said["sha256"]),
        size=_count(said["size"]),
    )
    if _HASH.fullmatch(target.sha256) is None:
        message = f"sha256 {target.sha256!r}"
        raise ValueError(message)
    return target


def _fields(target: Target) -> tuple[str, str, str, str]:
    return target.name, target.version, target.platform, target.arch


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(repr(value))
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(repr(value))
    return value


def _count(value: Any) -> int:
    # In Python a truth value is a number, too.
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(repr(value))
    return value


def _moment(value: Any) -> datetime:
    return datetime.strptime(_text(value), _TIME).replace(tzinfo=UTC)

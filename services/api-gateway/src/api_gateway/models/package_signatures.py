"""Who vouches for packages: signatures, keys that count, signed manifests of channels."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from api_gateway.models.document import Document, view

MAX_SIGNATURE_TEXT = 90_000
MAX_KEY_TEXT = 1000
_RAW_BYTES = 32


def decoded(text: str) -> bytes:
    """Read standard base64; raises ValueError."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        message = "must be base64"
        raise ValueError(message) from error


def public_key_of(text: str) -> bytes:
    """Read an Ed25519 public key, PEM or base64 of its 32 bytes; raises ValueError."""
    message = "must be an Ed25519 public key: PEM, or base64 of its 32 bytes"
    if "-----BEGIN" not in text:
        try:
            raw = decoded(text.strip())
        except ValueError as error:
            raise ValueError(message) from error
        if len(raw) != _RAW_BYTES:
            raise ValueError(message)
        return raw
    try:
        key = serialization.load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(message) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(message)  # noqa: TRY004 - pydantic wants it
    return key.public_bytes_raw()


def _is_base64(text: str) -> str:
    decoded(text)
    return text


def _is_public_key(text: str) -> str:
    public_key_of(text)
    return text


class NewSignature(Document):
    """A signature made elsewhere."""

    format: Annotated[str, Field(max_length=32)]
    """ed25519 (over the file's SHA-256, verified here) | cosign | other (kept for agents that know them)"""

    signature: Annotated[str, Field(min_length=1, max_length=MAX_SIGNATURE_TEXT), AfterValidator(_is_base64)]
    """Base64."""

    key_id: Annotated[str, Field(max_length=128)] = ""
    """For ed25519 the key is found when this is empty; otherwise whatever tells you whose it is."""


class NewPackageKey(Document):
    """A public key whose signatures count from now on."""

    public_key: Annotated[str, Field(max_length=MAX_KEY_TEXT), AfterValidator(_is_public_key)]
    """Ed25519: PEM, or base64 of its 32 bytes."""

    name: Annotated[str, Field(max_length=128)] = ""
    """Whose it is."""


class EnvelopeSignature(Document):
    """One signature in a DSSE envelope."""

    sig: Annotated[str, Field(max_length=1000)]
    """Base64."""

    keyid: Annotated[str, Field(max_length=128)] = ""


class SignedManifest(Document):
    """A manifest signed elsewhere, as a DSSE envelope; nothing at all: the platform signs what there is now."""

    payloadType: Annotated[str, Field(max_length=200)] = ""  # noqa: N815 - DSSE's name
    payload: str = ""
    """Base64."""

    signatures: Annotated[tuple[EnvelopeSignature, ...], Field(max_length=16)] = ()


@view
class PackageSignature(TypedDict):
    """One signature over a file."""

    id: str
    package_id: str
    """The file's id."""

    format: str
    """ed25519 | cosign | other"""

    key_id: str
    signature: str
    """Base64, byte by byte as it came."""

    trusted: bool
    """Of a key that counts, over this very content; never of formats that are not verified here."""

    chosen: bool
    """Agents are offered the file with this one."""

    created_by: str
    created_at: datetime | None


@view
class PackageSignatures(TypedDict):
    """A file's signatures, the oldest first, and whether it may be offered."""

    signatures: list[PackageSignature]
    vetted_at: datetime | None
    """When its stored bytes and signatures were last found good; null: it is not offered (yet)."""

    refusal: str
    """unsigned | missing; empty when nothing is known against it."""


@view
class PackageKey(TypedDict):
    """A public key."""

    id: str
    """First 16 bytes of the SHA-256 of the key, hexadecimal"""

    public_key: str
    """Ed25519, base64 of its 32 bytes"""

    name: str
    origin: str
    """platform: the platform signs with it | registered: its private half is somewhere else"""

    created_by: str
    created_at: datetime | None
    revoked_by: str
    revoked_at: datetime | None
    """null: it counts."""


@view
class PackageKeys(TypedDict):
    """Every key, revoked ones too."""

    keys: list[PackageKey]
    signature_required: bool
    """Nothing is offered without a signature of one that counts."""


@view
class EnvelopeSignatureView(TypedDict):
    """One signature in a DSSE envelope."""

    keyid: str
    sig: str
    """Base64."""


@view
class Envelope(TypedDict):
    """A signed manifest: a DSSE envelope (github.com/secure-systems-lab/dsse)."""

    payloadType: str
    payload: str
    """Base64 of JSON: channel, version, issued, expires, and every file with its SHA-256 and size."""

    signatures: list[EnvelopeSignatureView]


@view
class ManifestDraft(TypedDict):
    """What a new manifest would say, for a signer elsewhere."""

    payloadType: str
    payload: str
    """Base64."""

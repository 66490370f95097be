"""From package-service's messages about signatures to views, and back."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import orjson

from api_gateway.compose.values import moment
from contracts.package_signing import PAYLOAD_TYPE

if TYPE_CHECKING:
    from api_gateway.models import package_signatures as views
    from fleet.api.v1 import package_signatures_pb2 as messages


def signature_view(signature: messages.PackageSignature) -> views.PackageSignature:
    """Show a signature."""
    return {
        "id": signature.id,
        "package_id": signature.file_id,
        "format": signature.format,
        "key_id": signature.key_id,
        "signature": base64.b64encode(signature.signature).decode(),
        "trusted": signature.trusted,
        "chosen": signature.chosen,
        "created_by": signature.created_by,
        "created_at": moment(signature.created_at),
    }


def signatures_view(reply: messages.ListPackageSignaturesReply) -> views.PackageSignatures:
    """Show a file's signatures."""
    return {
        "signatures": [signature_view(signature) for signature in reply.signatures],
        "vetted_at": moment(reply.vetted_at),
        "refusal": reply.refusal,
    }


def key_view(key: messages.PackageKey) -> views.PackageKey:
    """Show a key."""
    return {
        "id": key.id,
        "public_key": base64.b64encode(key.public_key).decode(),
        "name": key.name,
        "origin": key.origin,
        "created_by": key.created_by,
        "created_at": moment(key.created_at),
        "revoked_by": key.revoked_by,
        "revoked_at": moment(key.revoked_at),
    }


def keys_view(reply: messages.ListPackageKeysReply) -> views.PackageKeys:
    """Show every key."""
    return {"keys": [key_view(key) for key in reply.keys], "signature_required": reply.signature_required}


def envelope_view(manifest: messages.PackageManifest) -> views.Envelope:
    """Show a signed manifest; what is signed are the bytes inside, so its JSON may be written anew."""
    said = orjson.loads(manifest.envelope or b"{}")
    return {
        "payloadType": said.get("payloadType", ""),
        "payload": said.get("payload", ""),
        "signatures": [{"keyid": each.get("keyid", ""), "sig": each["sig"]} for each in said.get("signatures", ())],
    }


def draft_view(payload: bytes) -> views.ManifestDraft:
    """Show what a signer elsewhere would sign."""
    return {"payloadType": PAYLOAD_TYPE, "payload": base64.b64encode(payload).decode()}


def envelope_bytes(document: views.SignedManifest) -> bytes:
    """Write an envelope for package-service; empty when nothing was sent."""
    return orjson.dumps(document.model_dump()) if document.payload else b""

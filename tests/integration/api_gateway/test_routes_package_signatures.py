"""Signatures, keys and manifests over HTTP."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from api_gateway.permissions import Role
from contracts import package_signing as terms
from contracts import subjects
from fleet.api.v1 import package_signatures_pb2 as messages
from servicekit.errors import Conflict, NotFound

ROOT = "/api/v1/packages"
ONE = ROOT + "/{id}"
KEYS = "/api/v1/package-keys"
MANIFEST = "/api/v1/package-manifests"
SIGNATURE = messages.PackageSignature(id="s1", file_id="f1", format="ed25519", key_id="k1", signature=b"s" * 64)
KEY = messages.PackageKey(id="k1", public_key=bytes(32), name="release", origin="registered")
SIGNED = messages.PackageManifest(
    channel="stable", version=7, envelope=terms.envelope_of(b"{}", [("k1", b"sig")]), created_by="ann"
)
PUBLIC = base64.b64encode(bytes(32)).decode()


async def test_signatures(api: Any, stand: Any, conforms: Any) -> None:
    """Listed, added, made here, removed; 200 for what was there."""
    stand.answer(subjects.LIST_PACKAGE_SIGNATURES, messages.ListPackageSignaturesReply(signatures=[SIGNATURE]))
    stand.answer(subjects.ADD_PACKAGE_SIGNATURE, messages.AddPackageSignatureReply(signature=SIGNATURE, made=True))
    stand.answer(subjects.SIGN_PACKAGE, messages.SignPackageReply(signature=SIGNATURE))
    operator = await api.as_role(Role.OPERATOR)

    listed = await api.call("GET", f"{ROOT}/f1/signatures", token=await api.as_role(Role.VIEWER))
    added = await api.call(
        "POST", f"{ROOT}/f1/signatures", token=operator, json={"format": "ed25519", "signature": "AP8="}
    )
    signed = await api.call("POST", f"{ROOT}/f1/sign", token=operator)
    removed = await api.call("DELETE", f"{ROOT}/f1/signatures/s1", token=operator)

    conforms(listed, ("GET", ONE + "/signatures"))
    conforms(added, ("POST", ONE + "/signatures"))
    conforms(signed, ("POST", ONE + "/sign"))
    conforms(removed, ("DELETE", ONE + "/signatures/{signature_id}"))
    assert (added.status, signed.status, removed.status) == (201, 200, 200)
    asked = stand.last(subjects.ADD_PACKAGE_SIGNATURE)
    assert (asked.signature, asked.author) == (b"\x00\xff", "the-operator")
    assert stand.last(subjects.DELETE_PACKAGE_SIGNATURE).signature_id == "s1"


@pytest.mark.parametrize(
    "body", [{"format": "ed25519", "signature": "!"}, {"signature": "AP8="}, {"format": "ed25519"}]
)
async def test_wrong_signatures_are_refused(api: Any, body: dict[str, str]) -> None:
    """Before package-service is asked."""
    reply = await api.call("POST", f"{ROOT}/f1/signatures", token=await api.as_role(Role.OPERATOR), json=body)

    assert reply.status in {400, 422}
    assert reply.body["details"]


async def test_keys_are_an_administrators(api: Any, stand: Any, conforms: Any) -> None:
    """Everybody sees them; an operator may not change what is trusted."""
    stand.answer(subjects.LIST_PACKAGE_KEYS, messages.ListPackageKeysReply(keys=[KEY]))
    stand.answer(subjects.ADD_PACKAGE_KEY, messages.AddPackageKeyReply(key=KEY, made=True))
    stand.answer(subjects.REVOKE_PACKAGE_KEY, messages.RevokePackageKeyReply(key=KEY))
    admin, operator = await api.as_role(Role.ADMIN), await api.as_role(Role.OPERATOR)

    listed = await api.call("GET", KEYS, token=await api.as_role(Role.VIEWER))
    added = await api.call("POST", KEYS, token=admin, json={"public_key": PUBLIC, "name": "release"})
    revoked = await api.call("DELETE", f"{KEYS}/k1", token=admin)

    conforms(listed, ("GET", KEYS))
    conforms(added, ("POST", KEYS))
    conforms(revoked, ("DELETE", KEYS + "/{key_id}"))
    assert stand.last(subjects.ADD_PACKAGE_KEY).public_key == bytes(32)
    assert stand.last(subjects.REVOKE_PACKAGE_KEY).id == "k1"
    assert (await api.call("POST", KEYS, token=operator, json={"public_key": PUBLIC})).status == 403
    assert (await api.call("DELETE", f"{KEYS}/k1", token=operator)).status == 403


async def test_manifests(api: Any, stand: Any, conforms: Any) -> None:
    """The envelope as a client verifies it, its version as ETag; published from a body, or without."""
    stand.answer(subjects.GET_PACKAGE_MANIFEST, messages.GetPackageManifestReply(manifest=SIGNED))
    stand.answer(subjects.DRAFT_PACKAGE_MANIFEST, messages.DraftPackageManifestReply(payload=b"{}"))
    stand.answer(subjects.PUBLISH_PACKAGE_MANIFEST, messages.PublishPackageManifestReply(manifest=SIGNED, made=True))
    viewer, operator = await api.as_role(Role.VIEWER), await api.as_role(Role.OPERATOR)

    got = await api.call("GET", f"{MANIFEST}/stable", token=viewer)
    drafted = await api.call("GET", f"{MANIFEST}/stable/draft", token=viewer)
    published = await api.call("POST", f"{MANIFEST}/stable", token=operator, json=got.body)

    conforms(got, ("GET", MANIFEST + "/{channel}"))
    conforms(drafted, ("GET", MANIFEST + "/{channel}/draft"))
    conforms(published, ("POST", MANIFEST + "/{channel}"))
    assert (got.headers["ETag"], published.status) == ('"7"', 201)
    assert terms.payload_in(stand.last(subjects.PUBLISH_PACKAGE_MANIFEST).envelope) == b"{}"
    await api.call("POST", f"{MANIFEST}/stable", token=operator)
    assert stand.last(subjects.PUBLISH_PACKAGE_MANIFEST).envelope == b""


async def test_refusals_are_told(api: Any, stand: Any) -> None:
    """404 without a manifest, 409 without a key."""

    def missing(_request: Any) -> Any:
        raise NotFound("nobody has published one")

    def keyless(_request: Any) -> Any:
        raise Conflict("the platform has no signing key")

    stand.answer(subjects.GET_PACKAGE_MANIFEST, missing)
    stand.answer(subjects.SIGN_PACKAGE, keyless)
    operator = await api.as_role(Role.OPERATOR)

    assert (await api.call("GET", f"{MANIFEST}/stable", token=operator)).status == 404
    assert (await api.call("POST", f"{ROOT}/f1/sign", token=operator)).status == 409

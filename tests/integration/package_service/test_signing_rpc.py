"""Questions about signatures, keys and manifests, asked over the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import package_signing as terms
from contracts import subjects
from fleet.api.v1 import package_signatures_pb2 as api
from package_service.signing.verification import checks_of, verifies
from servicekit.clock import SystemClock
from servicekit.errors import Conflict, Invalid, NotFound
from world.eventually import wait_until

from .conftest import TENANT, program, sha256

if TYPE_CHECKING:
    from .conftest import Running

PLATFORM = Ed25519PrivateKey.from_private_bytes(b"\x03" * 32)
PUBLIC = PLATFORM.public_key().public_bytes_raw()
PEM = PLATFORM.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


@pytest.fixture
def overrides() -> dict[str, object]:
    """Run with a key, and nothing offered without a signature."""
    return {"signing_key": PEM, "require_signature": True}


async def test_published_file_is_signed_and_vetted(service: Running) -> None:
    """By the platform, at once; its signature is what agents are offered."""
    data = program()
    file_id = (await service.publish(data)).json()["id"]
    await service.pool.execute("UPDATE package_file SET wanted_at = now()")
    request = api.ListPackageSignaturesRequest(tenant_id=TENANT, file_id=file_id)

    async def vetted() -> api.ListPackageSignaturesReply | None:
        reply = await service.bus.call(subjects.LIST_PACKAGE_SIGNATURES, request)
        return reply if reply.HasField("vetted_at") else None

    reply = await wait_until(vetted)

    (signature,) = reply.signatures
    assert (signature.format, signature.trusted, signature.chosen) == ("ed25519", True, True)
    assert signature.key_id == terms.key_id_of(PUBLIC)
    assert verifies(PUBLIC, signature.signature, terms.statement_of(sha256(data)))
    assert reply.refusal == ""


async def test_signatures_come_and_go(service: Running) -> None:
    """Added, asked for again, removed; what is missing is said."""
    file_id = (await service.publish(program())).json()["id"]
    add = api.AddPackageSignatureRequest(
        tenant_id=TENANT, file_id=file_id, format="cosign", signature=b"bundle", author="ann"
    )

    added = await service.bus.call(subjects.ADD_PACKAGE_SIGNATURE, add)
    again = await service.bus.call(subjects.ADD_PACKAGE_SIGNATURE, add)
    signed = await service.bus.call(
        subjects.SIGN_PACKAGE, api.SignPackageRequest(tenant_id=TENANT, file_id=file_id, author="ann")
    )

    assert (added.made, again.made, signed.made) == (True, False, False)
    assert (added.signature.chosen, added.signature.trusted, added.signature.created_by) == (True, False, "ann")
    assert (signed.signature.chosen, signed.signature.trusted) == (False, True)
    remove = api.DeletePackageSignatureRequest(
        tenant_id=TENANT, file_id=file_id, signature_id=added.signature.id, author="ann"
    )
    await service.bus.call(subjects.DELETE_PACKAGE_SIGNATURE, remove)
    for wrong in (remove, api.DeletePackageSignatureRequest(tenant_id=TENANT, file_id=file_id, signature_id="x")):
        with pytest.raises(NotFound):
            await service.bus.call(subjects.DELETE_PACKAGE_SIGNATURE, wrong)
    add.format = "pgp"
    with pytest.raises(Invalid):
        await service.bus.call(subjects.ADD_PACKAGE_SIGNATURE, add)


async def test_keys_are_registered_and_revoked(service: Running) -> None:
    """The platform's is listed with them."""
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    add = api.AddPackageKeyRequest(tenant_id=TENANT, public_key=public, name="release", author="ann")

    made = (await service.bus.call(subjects.ADD_PACKAGE_KEY, add)).key
    revoke = api.RevokePackageKeyRequest(tenant_id=TENANT, id=made.id, author="bob")
    revoked = (await service.bus.call(subjects.REVOKE_PACKAGE_KEY, revoke)).key
    listed = await service.bus.call(subjects.LIST_PACKAGE_KEYS, api.ListPackageKeysRequest(tenant_id=TENANT))

    assert (made.name, made.origin, made.HasField("revoked_at")) == ("release", "registered", False)
    assert (revoked.revoked_by, revoked.HasField("revoked_at")) == ("bob", True)
    assert {key.origin for key in listed.keys} == {"platform", "registered"}
    assert listed.signature_required
    with pytest.raises(Conflict):
        await service.bus.call(subjects.ADD_PACKAGE_KEY, add)


async def test_manifest_follows_by_itself(service: Running) -> None:
    """A file is published, and soon a manifest a client believes says so; elsewhere another can be signed."""
    data = program()
    await service.publish(data)
    request = api.GetPackageManifestRequest(tenant_id=TENANT, channel="stable")

    async def published() -> api.PackageManifest | None:
        try:
            return (await service.bus.call(subjects.GET_PACKAGE_MANIFEST, request)).manifest
        except NotFound:
            return None

    found = await wait_until(published)

    keys = checks_of({terms.key_id_of(PUBLIC): PUBLIC})
    manifest, _ = terms.check_manifest(
        found.envelope, keys, tenant_id=TENANT, channel="stable", now=SystemClock().now()
    )
    assert (manifest.version, manifest.targets[0].sha256) == (found.version, sha256(data).hex())
    publish = api.PublishPackageManifestRequest(tenant_id=TENANT, channel="stable", author="ann")
    assert not (await service.bus.call(subjects.PUBLISH_PACKAGE_MANIFEST, publish)).made

    draft = api.DraftPackageManifestRequest(tenant_id=TENANT, channel="stable")
    payload = (await service.bus.call(subjects.DRAFT_PACKAGE_MANIFEST, draft)).payload
    publish.envelope = terms.envelope_of(payload, [(terms.key_id_of(PUBLIC), PLATFORM.sign(terms.pae(payload)))])
    made = await service.bus.call(subjects.PUBLISH_PACKAGE_MANIFEST, publish)
    assert (made.made, made.manifest.version) == (True, found.version + 1)

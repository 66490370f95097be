"""The questions about signatures, keys and manifests: one call and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from contracts import subjects
from fleet.api.v1 import package_signatures_pb2 as api
from package_service import wire
from package_service.errors import SignatureNotFound
from package_service.requests import check_request
from package_service.signing import store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import asyncpg
    from google.protobuf.message import Message

    from package_service.signing.key_store import Key
    from package_service.signing.manifest_store import Published
    from package_service.signing.manifests import Manifests
    from package_service.signing.signatures import Signatures
    from package_service.signing.store import Signature


class SigningQuestions:
    """
    Answers.

    Args:
        pool: For reading.

        signatures: Signatures and keys.

        manifests: Manifests.
    """

    def __init__(self, pool: asyncpg.Pool, signatures: Signatures, manifests: Manifests) -> None:
        self._pool = pool
        self._signatures = signatures
        self._manifests = manifests

    def handlers(self) -> Mapping[Any, Callable[[Any], Awaitable[Message]]]:
        """Return every method answered here and what answers it."""
        return {
            subjects.LIST_PACKAGE_SIGNATURES: self.list_signatures,
            subjects.ADD_PACKAGE_SIGNATURE: self.add_signature,
            subjects.SIGN_PACKAGE: self.sign_package,
            subjects.DELETE_PACKAGE_SIGNATURE: self.delete_signature,
            subjects.LIST_PACKAGE_KEYS: self.list_keys,
            subjects.ADD_PACKAGE_KEY: self.add_key,
            subjects.REVOKE_PACKAGE_KEY: self.revoke_key,
            subjects.GET_PACKAGE_MANIFEST: self.get_manifest,
            subjects.DRAFT_PACKAGE_MANIFEST: self.draft_manifest,
            subjects.PUBLISH_PACKAGE_MANIFEST: self.publish_manifest,
        }

    async def list_signatures(self, request: api.ListPackageSignaturesRequest) -> api.ListPackageSignaturesReply:
        """List a file's signatures, and whether it may be offered."""
        check_request(request)
        file_id = wire.file_id_of(request.file_id)
        file, signatures = await self._signatures.of_file(request.tenant_id, file_id)
        trusted = await self._signatures.trusted(file, signatures)
        chosen = await store.chosen_id(self._pool, request.tenant_id, file_id)
        vetted_at, refusal = await store.vetting_of(self._pool, request.tenant_id, file_id)
        reply = api.ListPackageSignaturesReply(
            signatures=[_signature_message(each, trusted, chosen) for each in signatures], refusal=refusal
        )
        if vetted_at is not None:
            reply.vetted_at.FromDatetime(vetted_at)
        return reply

    async def add_signature(self, request: api.AddPackageSignatureRequest) -> api.AddPackageSignatureReply:
        """Store a signature made elsewhere."""
        check_request(request)
        signature, made = await self._signatures.add(
            request.tenant_id,
            wire.file_id_of(request.file_id),
            form=request.format,
            key_id=request.key_id,
            signature=request.signature,
            author=request.author,
        )
        return api.AddPackageSignatureReply(signature=await self._described(signature), made=made)

    async def sign_package(self, request: api.SignPackageRequest) -> api.SignPackageReply:
        """Sign with the platform's key."""
        check_request(request)
        file_id = wire.file_id_of(request.file_id)
        signature, made = await self._signatures.sign(request.tenant_id, file_id, request.author)
        return api.SignPackageReply(signature=await self._described(signature), made=made)

    async def delete_signature(self, request: api.DeletePackageSignatureRequest) -> api.DeletePackageSignatureReply:
        """Remove a signature."""
        check_request(request)
        file_id, signature_id = wire.file_id_of(request.file_id), _signature_id_of(request.signature_id)
        await self._signatures.remove(request.tenant_id, file_id, signature_id, request.author)
        return api.DeletePackageSignatureReply()

    async def list_keys(self, request: api.ListPackageKeysRequest) -> api.ListPackageKeysReply:
        """List keys, revoked ones too."""
        check_request(request)
        keys = await self._signatures.keys(request.tenant_id)
        return api.ListPackageKeysReply(
            keys=[_key_message(key) for key in keys], signature_required=self._signatures.required
        )

    async def add_key(self, request: api.AddPackageKeyRequest) -> api.AddPackageKeyReply:
        """Let a key count."""
        check_request(request)
        key, made = await self._signatures.register(request.tenant_id, request.public_key, request.name, request.author)
        return api.AddPackageKeyReply(key=_key_message(key), made=made)

    async def revoke_key(self, request: api.RevokePackageKeyRequest) -> api.RevokePackageKeyReply:
        """Let a key not count any more."""
        check_request(request)
        key = await self._signatures.revoke(request.tenant_id, request.id, request.author)
        return api.RevokePackageKeyReply(key=_key_message(key))

    async def get_manifest(self, request: api.GetPackageManifestRequest) -> api.GetPackageManifestReply:
        """Return the newest manifest of a channel."""
        check_request(request)
        found = await self._manifests.newest(request.tenant_id, request.channel)
        return api.GetPackageManifestReply(manifest=_manifest_message(found))

    async def draft_manifest(self, request: api.DraftPackageManifestRequest) -> api.DraftPackageManifestReply:
        """Write what a signer elsewhere would sign."""
        check_request(request)
        return api.DraftPackageManifestReply(payload=await self._manifests.draft(request.tenant_id, request.channel))

    async def publish_manifest(self, request: api.PublishPackageManifestRequest) -> api.PublishPackageManifestReply:
        """Publish a manifest, signed elsewhere or here."""
        check_request(request)
        tenant_id, channel, author = request.tenant_id, request.channel, request.author
        if request.envelope:
            found, made = await self._manifests.accept(tenant_id, channel, request.envelope, author)
        else:
            found, made = await self._manifests.publish(tenant_id, channel, author)
        return api.PublishPackageManifestReply(manifest=_manifest_message(found), made=made)

    async def _described(self, signature: Signature) -> api.PackageSignature:
        file, _ = await self._signatures.of_file(signature.tenant_id, signature.file_id)
        trusted = await self._signatures.trusted(file, [signature])
        chosen = await store.chosen_id(self._pool, signature.tenant_id, signature.file_id)
        return _signature_message(signature, trusted, chosen)


def _signature_message(signature: Signature, trusted: set[UUID], chosen: UUID | None) -> api.PackageSignature:
    message = api.PackageSignature(
        id=str(signature.signature_id),
        file_id=str(signature.file_id),
        format=signature.format,
        key_id=signature.key_id,
        signature=signature.signature,
        created_by=signature.created_by,
        trusted=signature.signature_id in trusted,
        chosen=signature.signature_id == chosen,
    )
    message.created_at.FromDatetime(signature.created_at)
    return message


def _key_message(key: Key) -> api.PackageKey:
    message = api.PackageKey(
        id=key.key_id,
        public_key=key.public_key,
        name=key.name,
        origin=key.origin,
        created_by=key.created_by,
        revoked_by=key.revoked_by,
    )
    message.created_at.FromDatetime(key.created_at)
    if key.revoked_at is not None:
        message.revoked_at.FromDatetime(key.revoked_at)
    return message


def _manifest_message(found: Published) -> api.PackageManifest:
    message = api.PackageManifest(
        channel=found.channel, version=found.version, envelope=found.envelope, created_by=found.created_by
    )
    message.expires_at.FromDatetime(found.expires_at)
    message.created_at.FromDatetime(found.created_at)
    return message


def _signature_id_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise SignatureNotFound from None

"""Questions to package-service about who vouches for files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_gateway.compose.package_signatures import envelope_bytes
from api_gateway.models.package_signatures import decoded, public_key_of
from api_gateway.upstream.package_service import PackageService
from contracts import subjects
from fleet.api.v1 import package_signatures_pb2 as messages

if TYPE_CHECKING:
    from api_gateway.models.package_signatures import NewPackageKey, NewSignature, SignedManifest


class PackageSignatures(PackageService):
    """package-service's signatures, keys and manifests, seen from here."""

    async def list_signatures(self, tenant_id: str, file_id: str) -> messages.ListPackageSignaturesReply:
        """List a file's signatures; NotFound."""
        request = messages.ListPackageSignaturesRequest(tenant_id=tenant_id, file_id=file_id)
        return await self.ask(subjects.LIST_PACKAGE_SIGNATURES, request)

    async def add_signature(
        self, tenant_id: str, file_id: str, document: NewSignature, author: str
    ) -> messages.AddPackageSignatureReply:
        """Store a signature made elsewhere; NotFound, Unprocessable when it is not what it claims to be."""
        request = messages.AddPackageSignatureRequest(
            tenant_id=tenant_id,
            file_id=file_id,
            format=document.format,
            key_id=document.key_id,
            signature=decoded(document.signature),
            author=author,
        )
        return await self.ask(subjects.ADD_PACKAGE_SIGNATURE, request)

    async def sign(self, tenant_id: str, file_id: str, author: str) -> messages.SignPackageReply:
        """Let the platform sign; NotFound, Conflict when it has no key."""
        request = messages.SignPackageRequest(tenant_id=tenant_id, file_id=file_id, author=author)
        return await self.ask(subjects.SIGN_PACKAGE, request)

    async def remove_signature(self, tenant_id: str, file_id: str, signature_id: str, author: str) -> None:
        """Remove a signature; NotFound."""
        request = messages.DeletePackageSignatureRequest(
            tenant_id=tenant_id, file_id=file_id, signature_id=signature_id, author=author
        )
        await self.ask(subjects.DELETE_PACKAGE_SIGNATURE, request)

    async def list_keys(self, tenant_id: str) -> messages.ListPackageKeysReply:
        """List keys, revoked ones too."""
        return await self.ask(subjects.LIST_PACKAGE_KEYS, messages.ListPackageKeysRequest(tenant_id=tenant_id))

    async def add_key(self, tenant_id: str, document: NewPackageKey, author: str) -> messages.AddPackageKeyReply:
        """Let a key count; Conflict when it was revoked."""
        request = messages.AddPackageKeyRequest(
            tenant_id=tenant_id, public_key=public_key_of(document.public_key), name=document.name, author=author
        )
        return await self.ask(subjects.ADD_PACKAGE_KEY, request)

    async def revoke_key(self, tenant_id: str, key_id: str, author: str) -> messages.PackageKey:
        """Let a key not count any more; NotFound."""
        request = messages.RevokePackageKeyRequest(tenant_id=tenant_id, id=key_id, author=author)
        return (await self.ask(subjects.REVOKE_PACKAGE_KEY, request)).key

    async def manifest(self, tenant_id: str, channel: str) -> messages.PackageManifest:
        """Return the newest manifest of a channel; NotFound."""
        request = messages.GetPackageManifestRequest(tenant_id=tenant_id, channel=channel)
        return (await self.ask(subjects.GET_PACKAGE_MANIFEST, request)).manifest

    async def draft_manifest(self, tenant_id: str, channel: str) -> bytes:
        """Write what a signer elsewhere would sign."""
        request = messages.DraftPackageManifestRequest(tenant_id=tenant_id, channel=channel)
        return (await self.ask(subjects.DRAFT_PACKAGE_MANIFEST, request)).payload

    async def publish_manifest(
        self, tenant_id: str, channel: str, document: SignedManifest, author: str
    ) -> messages.PublishPackageManifestReply:
        """Publish a manifest; Unprocessable when it is not believed, Conflict when the platform cannot sign one."""
        request = messages.PublishPackageManifestRequest(
            tenant_id=tenant_id, channel=channel, envelope=envelope_bytes(document), author=author
        )
        return await self.ask(subjects.PUBLISH_PACKAGE_MANIFEST, request)

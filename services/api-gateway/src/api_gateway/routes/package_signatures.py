"""Who vouches for packages: signatures, keys, and signed manifests of channels."""

from __future__ import annotations

from api_gateway.compose import package_signatures as compose
from api_gateway.etag import format_etag
from api_gateway.models import package_signatures as views
from api_gateway.models.paging import NoQuery
from api_gateway.models.system import Message
from api_gateway.permissions import Permission
from api_gateway.registry import Answer, Call, Registry

routes = Registry()

_TAG = "packages"
_PACKAGE = "/api/v1/packages/{id}"
_SIGNATURES = f"{_PACKAGE}/signatures"
_KEYS = "/api/v1/package-keys"
_MANIFEST = "/api/v1/package-manifests/{channel}"
_MADE = 201


@routes.route(
    "GET",
    _SIGNATURES,
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    answers={200: views.PackageSignatures},
    errors=(404,),
)
async def list_package_signatures(call: Call[NoQuery, None]) -> Answer:
    """List a file's signatures, and tell whether it may be offered to agents."""
    reply = await call.parts.package_signatures.list_signatures(call.tenant_id, call.path["id"])
    return Answer(compose.signatures_view(reply))


@routes.route(
    "POST",
    _SIGNATURES,
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    body=views.NewSignature,
    answers={201: views.PackageSignature, 200: views.PackageSignature},
    errors=(404, 409),
)
async def add_package_signature(call: Call[NoQuery, views.NewSignature]) -> Answer:
    """
    Add a signature made elsewhere; 200 when this very one is there.

    One of format ed25519 is verified: 422 unless a key that counts made it over this file's SHA-256.
    """
    reply = await call.parts.package_signatures.add_signature(
        call.tenant_id, call.path["id"], call.body, call.principal.username
    )
    return Answer(compose.signature_view(reply.signature), status=_MADE if reply.made else 200)


@routes.route(
    "POST",
    f"{_PACKAGE}/sign",
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    answers={201: views.PackageSignature, 200: views.PackageSignature},
    errors=(404, 409),
)
async def sign_package(call: Call[NoQuery, None]) -> Answer:
    """
    Let the platform sign a file with its own key; 200 when it has already.

    409 when the platform has no key.
    """
    reply = await call.parts.package_signatures.sign(call.tenant_id, call.path["id"], call.principal.username)
    return Answer(compose.signature_view(reply.signature), status=_MADE if reply.made else 200)


@routes.route(
    "DELETE",
    f"{_SIGNATURES}/{{signature_id}}",
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    answers={200: Message},
    errors=(404,),
)
async def delete_package_signature(call: Call[NoQuery, None]) -> Answer:
    """Remove a signature; where signatures are required, a file without a good one is not offered any more."""
    await call.parts.package_signatures.remove_signature(
        call.tenant_id, call.path["id"], call.path["signature_id"], call.principal.username
    )
    message: Message = {"message": "signature removed"}
    return Answer(message)


@routes.route("GET", _KEYS, permission=Permission.PACKAGE_READ, tag=_TAG, answers={200: views.PackageKeys})
async def list_package_keys(call: Call[NoQuery, None]) -> Answer:
    """List the keys whose signatures count, the platform's own among them, and those that were revoked."""
    return Answer(compose.keys_view(await call.parts.package_signatures.list_keys(call.tenant_id)))


@routes.route(
    "POST",
    _KEYS,
    permission=Permission.PACKAGE_KEY_WRITE,
    tag=_TAG,
    body=views.NewPackageKey,
    answers={201: views.PackageKey, 200: views.PackageKey},
    errors=(409,),
)
async def add_package_key(call: Call[NoQuery, views.NewPackageKey]) -> Answer:
    """Let signatures of a key count; 200 when they do, 409 when it was revoked: that is for ever."""
    reply = await call.parts.package_signatures.add_key(call.tenant_id, call.body, call.principal.username)
    return Answer(compose.key_view(reply.key), status=_MADE if reply.made else 200)


@routes.route(
    "DELETE",
    f"{_KEYS}/{{key_id}}",
    permission=Permission.PACKAGE_KEY_WRITE,
    tag=_TAG,
    answers={200: views.PackageKey},
    errors=(404,),
)
async def revoke_package_key(call: Call[NoQuery, None]) -> Answer:
    """
    Revoke a key, for ever.

    Where signatures are required, files that only it has signed are not offered from this moment on.
    """
    key = await call.parts.package_signatures.revoke_key(call.tenant_id, call.path["key_id"], call.principal.username)
    return Answer(compose.key_view(key))


@routes.route(
    "GET",
    _MANIFEST,
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    answers={200: views.Envelope},
    errors=(404, 422),
    etag=True,
)
async def get_package_manifest(call: Call[NoQuery, None]) -> Answer:
    """
    Get the newest signed manifest of a channel (stable or beta), a DSSE envelope; its ETag is its version.

    Verify it with keys you know from elsewhere, refuse versions older than one you have seen, and expired ones:
    `opampctl packages manifest verify` does.
    """
    manifest = await call.parts.package_signatures.manifest(call.tenant_id, call.path["channel"])
    return Answer(compose.envelope_view(manifest), headers={"ETag": format_etag(manifest.version)})


@routes.route(
    "GET",
    f"{_MANIFEST}/draft",
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    answers={200: views.ManifestDraft},
    errors=(422,),
)
async def draft_package_manifest(call: Call[NoQuery, None]) -> Answer:
    """Write what a new manifest of a channel would say, to be signed where the key is."""
    payload = await call.parts.package_signatures.draft_manifest(call.tenant_id, call.path["channel"])
    return Answer(compose.draft_view(payload))


@routes.route(
    "POST",
    _MANIFEST,
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    body=views.SignedManifest,
    body_required=False,
    answers={201: views.Envelope, 200: views.Envelope},
    errors=(409, 422),
    etag=True,
)
async def publish_package_manifest(call: Call[NoQuery, views.SignedManifest]) -> Answer:
    """
    Publish a manifest signed elsewhere, or without a body one the platform signs; 200 when nothing has changed.

    422 when a client would not believe it: wrong key, changed, older, expired, or of files not published so.
    """
    reply = await call.parts.package_signatures.publish_manifest(
        call.tenant_id, call.path["channel"], call.body, call.principal.username
    )
    return Answer(
        compose.envelope_view(reply.manifest),
        status=_MADE if reply.made else 200,
        headers={"ETag": format_etag(reply.manifest.version)},
    )

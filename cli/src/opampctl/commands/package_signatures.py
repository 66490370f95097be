"""`packages sign`, `verify`, `keys` and `manifest`: who vouches for files. Signing and verifying need no server."""

from __future__ import annotations

import base64
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from contracts import package_signing as terms
from contracts.package_signing import ManifestRefusedError, statement_of
from opampctl import manifest_files, signing
from opampctl.client import quoted
from opampctl.commands.packages import PATH, label_of, one
from opampctl.commands.shared import Output, Yes, confirm
from opampctl.exits import CommandError, Exit
from opampctl.output import Format, ago, err, show_data, show_fields, show_table
from opampctl.session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from opampctl.client import Client

KEYS = "/package-keys"
MANIFESTS = "/package-manifests"
MEMORY_NAME = "manifests.json"

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The file.")]
Key = Annotated[Path | None, typer.Option("--key", dir_okay=False, help="Ed25519 private key, PEM.")]
PublicKeys = Annotated[
    list[Path] | None,
    typer.Option("--public-key", dir_okay=False, help="Key you trust, PEM or base64; repeatable."),
]
Package = Annotated[str, typer.Option("--package", metavar="ID", help="Id of the published file.")]
Channel = Annotated[str, typer.Argument(help="stable or beta.")]

keys = typer.Typer(no_args_is_help=True, help="Keys whose signatures count.")
manifest = typer.Typer(no_args_is_help=True, help="Signed lists of everything in a channel.")


def sign(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, readable=True, help="The file, to sign it here.")
    ] = None,
    *,
    key: Key = None,
    package: Package = "",
    signature: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A signature made elsewhere, to add it.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="Of that signature: ed25519, cosign or other.")] = "ed25519",
    key_id: Annotated[str, typer.Option(help="Whose that signature is; found by itself for ed25519.")] = "",
    target: Annotated[Path | None, typer.Option("--write", help="Where to; FILE.sig if not given.")] = None,
) -> None:
    """
    Sign a file with a key of yours, let the platform sign it, or add a signature made elsewhere.

    Signed is the file's SHA-256, its 32 bytes. For example:

      opampctl packages sign otelcol --key release.pem                    writes otelcol.sig, without a server

      opampctl packages sign otelcol --key release.pem --package ID       and adds it to the published file

      opampctl packages sign --package ID                                 the platform signs with its own key

      opampctl packages sign --package ID --signature otelcol.bundle --format cosign
    """
    if file is not None and key is not None and signature is None:
        _sign_here(context, file, key, package, target)
    elif file is None and key is None and package:
        _sign_there(context, package, signature, form, key_id)
    else:
        raise CommandError(
            "Say what signs what: a file with --key, or --package alone, or --package with --signature.", Exit.USAGE
        )


def verify(
    context: typer.Context,
    file: File,
    *,
    public_key: PublicKeys = None,
    signature: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The signature; FILE.sig if not given.")
    ] = None,
    package: Package = "",
) -> None:
    """
    Say whether a key you trust has signed this very file; exit code 1 when none has.

    With --package the signatures are asked of the platform; the keys are still those you name.

    Example: opampctl packages verify otelcol --public-key release.pem.pub
    """
    trusted = _trusted(public_key)
    digest = signing.digest_of_file(file)
    if package:
        signatures = session_of(context).run(lambda client: _ed25519_of(client, package))
    else:
        signatures = [signing.read_signature(signature or file.with_name(f"{file.name}.sig"))]
    signer = next((found for each in signatures if (found := signing.signer_of(each, digest, trusted))), None)
    if signer is None:
        sentence = f"None of these keys has signed {file} as it is here."
        raise CommandError(sentence, details=(f"its SHA-256 is {digest.hex()}",))
    err().print(f"{file} is signed by {signer}.")


@keys.command("generate")
def generate(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where the private half goes; FILE.pub gets the other.")],
) -> None:
    """
    Make a key pair.

    Example: opampctl packages keys generate release.pem
    """
    public_path, key_id = signing.generate_key(file)
    err().print(f"Key {key_id}: {file} is secret, {public_path} is for everybody.")


@keys.command("list")
def list_keys(context: typer.Context, *, output: Output = Format.TABLE) -> None:
    """List the keys whose signatures count, and those that were revoked."""

    async def work(client: Client) -> Any:
        return (await client.get(KEYS, "Cannot list keys")).body

    found = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(found, output)
        return
    show_table(
        ("id", "name", "origin", "state", "created"),
        [
            (
                each["id"],
                each["name"],
                each["origin"],
                "revoked" if each["revoked_at"] else "good",
                ago(each["created_at"]),
            )
            for each in found["keys"]
        ],
        empty="No keys. Make one: opampctl packages keys generate FILE, then: opampctl packages keys add FILE.pub",
    )


@keys.command("add")
def add_key(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The public key, PEM or base64.")],
    *,
    name: Annotated[str, typer.Option(help="Whose it is.")] = "",
) -> None:
    """Let a key's signatures count; needs an administrator."""
    public_key = base64.b64encode(signing.read_public_key(file)).decode()

    async def work(client: Client) -> Any:
        body = {"public_key": public_key, "name": name}
        return (await client.call("POST", KEYS, "Cannot add the key", body=body)).body

    found = session_of(context).run(work)
    err().print(f"Signatures of {found['id']} count.")


@keys.command("revoke")
def revoke_key(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a key; `packages keys list` shows it.")],
    *,
    yes: Yes = False,
) -> None:
    """Revoke a key for ever; where signatures are required, files only it has signed are not offered any more."""
    confirm(f"Revoke key {key_id} for ever?", yes=yes)

    async def work(client: Client) -> None:
        await client.call("DELETE", f"{KEYS}/{quoted(key_id)}", f"Cannot revoke key {key_id}")

    session_of(context).run(work)
    err().print(f"Signatures of {key_id} do not count any more.")


@manifest.command("show")
def show_manifest(context: typer.Context, channel: Channel, *, output: Output = Format.TABLE) -> None:
    """Show the newest manifest of a channel, whoever has signed it; `verify` says whether to believe it."""
    envelope = session_of(context).run(lambda client: _fetch(client, channel))
    if output is not Format.TABLE:
        show_data(envelope, output)
        return
    try:
        found = terms.read_payload(terms.payload_in(orjson.dumps(envelope)))
    except ManifestRefusedError as error:
        sentence = f"What the server gave cannot be read: {error}."
        raise CommandError(sentence) from error
    signers = ", ".join(each["keyid"] or "?" for each in envelope["signatures"])
    show_fields(
        {
            "Channel": found.channel,
            "Version": found.version,
            "Issued": found.issued_at.isoformat(),
            "Expires": found.expires_at.isoformat(),
            "Signed by": f"{signers} (not verified)",
        }
    )
    show_table(
        ("name", "version", "platform", "size", "sha256"),
        [(each.name, each.version, f"{each.platform}/{each.arch}", each.size, each.sha256) for each in found.targets],
        empty="No files.",
    )


@manifest.command("verify")
def verify_manifest(
    context: typer.Context,
    channel: Channel,
    files: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, dir_okay=False, help="Files that must be in it, as what they are taken for."),
    ] = None,
    *,
    public_key: PublicKeys = None,
    package: Annotated[
        str,
        typer.Option("--package", metavar="NAME[@VERSION]", help="What the files must be; by default their names say."),
    ] = "",
    tenant: Annotated[str, typer.Option(help="Whose manifest it must be.")] = "default",
    threshold: Annotated[int, typer.Option(min=1, help="So many of the keys must have signed.")] = 1,
    envelope: Annotated[
        Path | None, typer.Option("--file", exists=True, dir_okay=False, help="An envelope, instead of the server's.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where it is remembered which manifests were believed.")
    ] = None,
) -> None:
    """
    Believe a channel's manifest, or say why not and end with exit code 1.

    Refused are wrong signatures, changed content, expired ones, and any version older than the newest one believed
    on this machine before.

    A file must be the package its name says (otelcol, otelcol.tar.gz, otelcol-1.10.0-linux-amd64) or --package, in the
    version named, or else the newest in the channel: an older file is no less signed, and neither is another package.

    Examples: opampctl packages manifest verify stable --public-key release.pem.pub

    opampctl packages manifest verify stable file --package otelcol@1.10.0 --public-key release.pem.pub
    """
    name, _, wanted = package.partition("@")
    if package and (not name or not files):
        raise CommandError("Say which file must be that package: FILE --package NAME[@VERSION].", Exit.USAGE)
    session = session_of(context)
    raw = envelope.read_bytes() if envelope else orjson.dumps(session.run(lambda client: _fetch(client, channel)))
    memory = signing.Memory(state or session.settings.config_file.with_name(MEMORY_NAME))
    try:
        found, seen = terms.check_manifest(
            raw,
            signing.checks_of(_trusted(public_key)),
            tenant_id=tenant,
            channel=channel,
            now=datetime.now(UTC),
            threshold=threshold,
            seen=memory.seen(session.url, tenant, channel),
        )
    except ManifestRefusedError as error:
        sentence = f"The manifest of {channel} is not believed: {error}."
        raise CommandError(sentence, details=(f"reason: {error.reason}",)) from error
    memory.remember(session.url, tenant, channel, seen)
    for file in files or ():
        digest = signing.digest_of_file(file).hex()
        try:
            target = manifest_files.identify(file.name, digest, found.targets, name, wanted)
        except manifest_files.NotThatFileError as error:
            sentence = f"By the manifest of {channel} {file} {error}."
            hint = "If that is what you mean, say so: --package NAME@VERSION."
            raise CommandError(sentence, details=(f"its SHA-256 is {digest}",), hint=hint) from error
        err().print(f"{file} is {manifest_files.described(target)}.")
    count = len(found.targets)
    err().print(f"Version {found.version} of {channel} is good until {found.expires_at.isoformat()}: {count} files.")


@manifest.command("sign")
def sign_manifest(
    context: typer.Context,
    channel: Channel,
    *,
    key: Annotated[Path, typer.Option("--key", exists=True, dir_okay=False, help="Ed25519 private key, PEM.")],
    envelope: Annotated[
        Path | None, typer.Option("--file", exists=True, dir_okay=False, help="Add a signature to this envelope.")
    ] = None,
) -> None:
    """
    Sign what a new manifest would say, where the key is; the envelope goes to stdout.

    Look at what you sign: `packages manifest publish` gives it to the platform.

    Example: opampctl packages manifest sign stable --key release.pem > stable.json
    """
    private = signing.read_private_key(key)
    before: list[tuple[str, bytes]] = []
    try:
        if envelope is None:
            payload = session_of(context).run(lambda client: _draft(client, channel))
        else:
            raw = envelope.read_bytes()
            payload = terms.payload_in(raw)
            before = [(each["keyid"], base64.b64decode(each["sig"])) for each in orjson.loads(raw)["signatures"]]
        drafted = terms.read_payload(payload)
    except (ManifestRefusedError, ValueError, KeyError) as error:
        sentence = f"That is no manifest to sign: {error}."
        raise CommandError(sentence, Exit.USAGE) from error
    if drafted.channel != channel:
        sentence = f"That is a manifest of {drafted.channel}, not of {channel}."
        raise CommandError(sentence, Exit.USAGE)
    key_id = terms.key_id_of(private.public_key().public_bytes_raw())
    signed = terms.envelope_of(payload, [*before, (key_id, private.sign(terms.pae(payload)))])
    sys.stdout.write(signed.decode() + "\n")
    err().print(f"Version {drafted.version} of {channel}, {len(drafted.targets)} files, signed by {key_id}.")


@manifest.command("publish")
def publish_manifest(
    context: typer.Context,
    channel: Channel,
    *,
    envelope: Annotated[
        Path | None, typer.Option("--file", exists=True, dir_okay=False, help="Signed elsewhere, see `sign`.")
    ] = None,
) -> None:
    """Publish a manifest signed elsewhere, or let the platform sign what there is now."""
    try:
        body = orjson.loads(envelope.read_bytes()) if envelope else None
    except orjson.JSONDecodeError as error:
        sentence = f"{envelope} is no envelope."
        raise CommandError(sentence, Exit.USAGE) from error

    async def work(client: Client) -> str:
        path = f"{MANIFESTS}/{quoted(channel)}"
        return (await client.call("POST", path, f"Cannot publish the manifest of {channel}", body=body)).etag

    version = session_of(context).run(work).strip('"')
    err().print(f"Version {version} of {channel} is published.")


def _sign_here(context: typer.Context, file: Path, key: Path, package: str, target: Path | None) -> None:
    private = signing.read_private_key(key)
    digest = signing.digest_of_file(file)
    signature = private.sign(statement_of(digest))
    path = target or file.with_name(f"{file.name}.sig")
    if not package:
        path.write_bytes(signature)
        err().print(f"{path} is the signature of {terms.key_id_of(private.public_key().public_bytes_raw())}.")
        return

    async def work(client: Client) -> dict[str, Any]:
        published = await one(client, package)
        if published["checksum"] != digest.hex():
            sentence = f"{file} is not what is published as {label_of(published)}; nothing was signed."
            raise CommandError(sentence, Exit.CONFLICT)
        return await _add(client, package, signature, "ed25519", "")

    added = session_of(context).run(work)
    if target is not None:
        path.write_bytes(signature)
    err().print(f"Signature of {added['key_id']} added.")


def _sign_there(context: typer.Context, package: str, signature: Path | None, form: str, key_id: str) -> None:
    async def work(client: Client) -> dict[str, Any]:
        if signature is not None:
            return await _add(client, package, signing.read_signature(signature), form, key_id)
        path = f"{PATH}/{quoted(package)}/sign"
        made: dict[str, Any] = (await client.call("POST", path, f"Cannot sign package {package}")).body
        return made

    added = session_of(context).run(work)
    err().print(f"Signature of {added['key_id'] or 'somebody'} ({added['format']}) is with package {package}.")


async def _add(client: Client, package: str, signature: bytes, form: str, key_id: str) -> dict[str, Any]:
    body = {"format": form, "key_id": key_id, "signature": base64.b64encode(signature).decode()}
    path = f"{PATH}/{quoted(package)}/signatures"
    added: dict[str, Any] = (await client.call("POST", path, "Cannot add the signature", body=body)).body
    return added


async def _ed25519_of(client: Client, package: str) -> list[bytes]:
    path = f"{PATH}/{quoted(package)}/signatures"
    found = (await client.get(path, f"Cannot look at the signatures of package {package}")).body["signatures"]
    return [base64.b64decode(each["signature"]) for each in found if each["format"] == "ed25519"]


async def _fetch(client: Client, channel: str) -> Any:
    return (await client.get(f"{MANIFESTS}/{quoted(channel)}", f"Cannot get the manifest of {channel}")).body


async def _draft(client: Client, channel: str) -> bytes:
    path = f"{MANIFESTS}/{quoted(channel)}/draft"
    return base64.b64decode((await client.get(path, f"Cannot draft a manifest of {channel}")).body["payload"])


def _trusted(paths: list[Path] | None) -> list[bytes]:
    if not paths:
        raise CommandError(
            "Name the keys you trust: --public-key FILE.",
            Exit.USAGE,
            hint="A key the same server tells you proves nothing about that server.",
        )
    return [signing.read_public_key(path) for path in paths]


COMMANDS: dict[str, Callable[..., None]] = {"sign": sign, "verify": verify}

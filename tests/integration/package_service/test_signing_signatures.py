"""Signatures and keys: what is believed, what is kept as it came, and every lie that is refused."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.package_signing import key_id_of, statement_of
from package_service.errors import (
    InvalidPackage,
    KeyNotFound,
    KeyRevoked,
    NoSigningKey,
    PackageNotFound,
    QuotaExceeded,
    SignatureNotFound,
)
from package_service.platform_key import PlatformKey
from package_service.signing import signatures as module
from package_service.signing import store
from package_service.signing.signatures import MAX_SIGNATURES, Signatures
from package_service.uploads import Uploads

from .conftest import PART, TENANT, bounds, program
from .test_file_store import add
from .test_uploads import sent

if TYPE_CHECKING:
    import asyncpg

    from package_service.file_store import File
    from package_service.s3 import S3BlobStore

RELEASE, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (1, 2))
PLATFORM = PlatformKey(Ed25519PrivateKey.from_private_bytes(b"\x03" * 32))


def public(key: Ed25519PrivateKey) -> bytes:
    """Give the public half."""
    return key.public_key().public_bytes_raw()


@pytest.fixture
async def file(pool: asyncpg.Pool) -> File:
    """Publish a row."""
    return await add(pool, "1.0.0")


@pytest.fixture
async def signatures(pool: asyncpg.Pool) -> Signatures:
    """Give signatures of a platform with a key, and a registered one."""
    made = Signatures(pool, PLATFORM, required=False)
    await made.register(TENANT, public(RELEASE), "release", "ann")
    return made


async def test_signature_made_elsewhere_is_kept_as_it_came(signatures: Signatures, file: File) -> None:
    """Its key is found; again it is the same one."""
    good = RELEASE.sign(statement_of(file.sha256))

    kept, made = await signatures.add(TENANT, file.file_id, form="ed25519", key_id="", signature=good, author="ann")
    again, made_again = await signatures.add(
        TENANT, file.file_id, form="ed25519", key_id=kept.key_id, signature=good, author="bob"
    )

    assert (made, made_again) == (True, False)
    assert (kept.signature, kept.key_id, kept.created_by) == (good, key_id_of(public(RELEASE)), "ann")
    assert again == kept
    assert await signatures.trusted(file, [kept]) == {kept.signature_id}


async def test_lies_are_refused(pool: asyncpg.Pool, signatures: Signatures, file: File) -> None:
    """A stranger's key, another file's signature, a changed one, another key's name, the file instead of its hash."""
    other = await add(pool, "2.0.0")
    good = RELEASE.sign(statement_of(file.sha256))
    lies = [
        ("", STRANGER.sign(statement_of(file.sha256))),
        (key_id_of(public(STRANGER)), STRANGER.sign(statement_of(file.sha256))),
        ("", RELEASE.sign(statement_of(other.sha256))),
        ("", bytes([good[0] ^ 1]) + good[1:]),
        (PLATFORM.key_id, good),
        ("", RELEASE.sign(b"1.0.0")),
        ("", b"short"),
    ]

    for key_id, signature in lies:
        with pytest.raises(InvalidPackage) as caught:
            await signatures.add(
                TENANT, file.file_id, form="ed25519", key_id=key_id, signature=signature, author="mallory"
            )
        assert caught.value.details[0].field == "signature"
    assert (await signatures.of_file(TENANT, file.file_id))[1] == []


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"form": "pgp"}, "format"),
        ({"signature": b""}, "signature"),
        ({"signature": b"x" * (module.MAX_SIGNATURE_BYTES + 1)}, "signature"),
        ({"key_id": "k" * (module.MAX_NAME + 1)}, "key_id"),
        ({"key_id": "a\x00"}, "key_id"),
    ],
)
async def test_wrong_fields_are_named(
    signatures: Signatures, file: File, fields: dict[str, str | bytes], wrong: str
) -> None:
    """Before anything is stored."""
    told = {"form": "cosign", "key_id": "", "signature": b"bundle", **fields}

    with pytest.raises(InvalidPackage) as caught:
        await signatures.add(TENANT, file.file_id, author="ann", **told)  # type: ignore[arg-type] # text and bytes

    assert [problem.field for problem in caught.value.details] == [wrong]


async def test_other_formats_are_kept_and_never_believed(signatures: Signatures, file: File) -> None:
    """Agents that know them get them, byte by byte."""
    bundle = b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}'

    kept, _ = await signatures.add(TENANT, file.file_id, form="cosign", key_id="ci", signature=bundle, author="ann")

    assert kept.signature == bundle
    assert await signatures.trusted(file, [kept]) == set()


async def test_chosen_is_cosign_then_ours_never_a_revoked_one(
    pool: asyncpg.Pool, signatures: Signatures, file: File
) -> None:
    """What agents are offered: as it came, the newest of the best kind."""
    assert await store.chosen(pool, TENANT, [file.file_id]) == {}
    await signatures.add(TENANT, file.file_id, form="other", key_id="", signature=b"pgp", author="ann")
    assert await store.chosen(pool, TENANT, [file.file_id]) == {file.file_id: b"pgp"}
    good = RELEASE.sign(statement_of(file.sha256))
    await signatures.add(TENANT, file.file_id, form="ed25519", key_id="", signature=good, author="ann")
    assert await store.chosen(pool, TENANT, [file.file_id]) == {file.file_id: good}
    await signatures.add(TENANT, file.file_id, form="cosign", key_id="", signature=b"old", author="ann")
    newest, _ = await signatures.add(TENANT, file.file_id, form="cosign", key_id="", signature=b"new", author="ann")
    assert await store.chosen(pool, TENANT, [file.file_id, uuid.uuid4()]) == {file.file_id: b"new"}
    assert await store.chosen(pool, "x", [file.file_id]) == {}

    for each in (await signatures.of_file(TENANT, file.file_id))[1]:
        if each.format == "cosign":
            await signatures.remove(TENANT, file.file_id, each.signature_id, "ann")
    await signatures.revoke(TENANT, key_id_of(public(RELEASE)), "ann")
    assert await store.chosen(pool, TENANT, [file.file_id]) == {file.file_id: b"pgp"}
    with pytest.raises(SignatureNotFound):
        await signatures.remove(TENANT, file.file_id, newest.signature_id, "ann")


async def test_platform_signs_on_request(pool: asyncpg.Pool, signatures: Signatures, file: File) -> None:
    """With its key, which counts by itself; again it is the same signature."""
    signed, made = await signatures.sign(TENANT, file.file_id, "ann")
    again, made_again = await signatures.sign(TENANT, file.file_id, "bob")

    assert (made, made_again, again) == (True, False, signed)
    assert (signed.key_id, signed.signature) == (PLATFORM.key_id, PLATFORM.sign(statement_of(file.sha256)))
    assert await signatures.trusted(file, [signed]) == {signed.signature_id}
    with pytest.raises(NoSigningKey):
        await Signatures(pool, None, required=False).sign(TENANT, file.file_id, "ann")
    with pytest.raises(PackageNotFound):
        await signatures.sign(TENANT, uuid.uuid4(), "ann")
    with pytest.raises(PackageNotFound):
        await signatures.sign("x", file.file_id, "ann")


async def test_platform_signs_what_is_published(pool: asyncpg.Pool, store: S3BlobStore) -> None:
    """In the transaction that publishes; unless it was told not to, or its key is revoked here."""
    for version, options, count in (
        ("1.0.0", {"sign_published": True}, 1),
        ("1.0.1", {"sign_published": False}, 0),
    ):
        platform = Signatures(pool, PLATFORM, required=False, **options)
        uploads = Uploads(pool, store, bounds(), part_bytes=PART, on_published=platform.on_published)
        made, _ = await uploads.complete(await sent(uploads, program(), version))
        assert len((await platform.of_file(TENANT, made.file_id))[1]) == count

    revoked = Signatures(pool, PLATFORM, required=False)
    await revoked.revoke(TENANT, PLATFORM.key_id, "ann")
    uploads = Uploads(pool, store, bounds(), part_bytes=PART, on_published=revoked.on_published)
    made, _ = await uploads.complete(await sent(uploads, program(), "1.0.2"))
    assert (await revoked.of_file(TENANT, made.file_id))[1] == []
    with pytest.raises(KeyRevoked):
        await revoked.sign(TENANT, made.file_id, "ann")


async def test_revoked_key_counts_no_more_and_never_again(signatures: Signatures, file: File) -> None:
    """Its signatures stay where they are, and are believed no more."""
    good = RELEASE.sign(statement_of(file.sha256))
    kept, _ = await signatures.add(TENANT, file.file_id, form="ed25519", key_id="", signature=good, author="ann")

    revoked = await signatures.revoke(TENANT, kept.key_id, "bob")
    again = await signatures.revoke(TENANT, kept.key_id, "eve")

    assert revoked.revoked_at is not None
    assert (again.revoked_by, again.revoked_at) == ("bob", revoked.revoked_at)
    assert await signatures.trusted(file, [kept]) == set()
    with pytest.raises(KeyRevoked):
        await signatures.register(TENANT, public(RELEASE), "release", "ann")
    with pytest.raises(KeyNotFound):
        await signatures.revoke(TENANT, "0" * 32, "ann")


async def test_keys_are_listed_with_the_platforms(signatures: Signatures) -> None:
    """Nobody has to register that one; another tenant's keys are not seen."""
    keys = await signatures.keys(TENANT)

    assert [(key.name, key.origin) for key in keys] == [("release", "registered"), ("the platform", "platform")]
    assert [key.origin for key in await signatures.keys("x")] == ["platform"]
    again, made = await signatures.register(TENANT, public(RELEASE), "another name", "ann")
    assert (again.name, made) == ("release", False)


@pytest.mark.parametrize(
    ("key", "name", "wrong"),
    [(b"", "", "public_key"), (b"x" * 31, "", "public_key"), (public(STRANGER), "n" * 129, "name")],
)
async def test_what_is_no_key_is_refused(signatures: Signatures, key: bytes, name: str, wrong: str) -> None:
    """With its field."""
    with pytest.raises(InvalidPackage) as caught:
        await signatures.register(TENANT, key, name, "ann")

    assert caught.value.details[0].field == wrong


async def test_counts_are_bounded(signatures: Signatures, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many signatures of a file, so many keys of a tenant."""
    for number in range(MAX_SIGNATURES):
        await signatures.add(TENANT, file.file_id, form="other", key_id="", signature=bytes([number]), author="ann")
    with pytest.raises(QuotaExceeded):
        await signatures.sign(TENANT, file.file_id, "ann")

    monkeypatch.setattr(module, "MAX_KEYS", 1)
    with pytest.raises(QuotaExceeded):
        await signatures.register(TENANT, public(STRANGER), "one more", "ann")


async def test_start_with_signatures_required_unvets_what_has_none(
    pool: asyncpg.Pool, signatures: Signatures, file: File
) -> None:
    """From the first moment on, before the first look."""
    signed = await add(pool, "2.0.0")
    await signatures.sign(TENANT, signed.file_id, "ann")
    await pool.execute("UPDATE package_file SET vetted_at = now(), wanted_at = now()")

    await Signatures(pool, PLATFORM, required=False).start()
    assert (await store.vetting_of(pool, TENANT, file.file_id))[0] is not None
    await Signatures(pool, PLATFORM, required=True).start()

    assert await store.vetting_of(pool, TENANT, file.file_id) == (None, "unsigned")
    assert (await store.vetting_of(pool, TENANT, signed.file_id))[0] is not None


async def test_deleting_a_file_deletes_its_signatures(pool: asyncpg.Pool, signatures: Signatures, file: File) -> None:
    """Nothing of it stays."""
    await signatures.sign(TENANT, file.file_id, "ann")

    await pool.execute("DELETE FROM package_file WHERE file_id = $1", file.file_id)

    assert await pool.fetchval("SELECT count(*) FROM package_signature") == 0

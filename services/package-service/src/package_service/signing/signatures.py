"""What people do with signatures and keys, and what the platform signs by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from contracts.package_signing import KEY_BYTES, key_id_of, statement_of
from package_service import file_store, metrics, package_changes
from package_service.errors import (
    InvalidPackage,
    KeyNotFound,
    KeyRevoked,
    NoSigningKey,
    PackageNotFound,
    QuotaExceeded,
    SignatureNotFound,
)
from package_service.signing import key_store, store
from package_service.signing.store import Format
from package_service.signing.verification import is_key, signer_of, verifies
from servicekit.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    import asyncpg

    from package_service.file_store import File
    from package_service.platform_key import PlatformKey
    from package_service.signing.key_store import Key
    from package_service.signing.store import Signature
    from servicekit.postgres import Connection

log = structlog.get_logger()

MAX_SIGNATURES = 16
MAX_SIGNATURE_BYTES = 65_536
MAX_KEYS = 100
MAX_NAME = 128
PLATFORM_NAME = "the platform"


class Signatures:
    """
    Signatures and keys.

    Args:
        pool: The service's database.

        platform: The platform's own key, if it has one.

        required: Nothing is offered without a signature of a key that counts.

        sign_published: The platform signs whatever is published.
    """

    def __init__(
        self, pool: asyncpg.Pool, platform: PlatformKey | None, *, required: bool, sign_published: bool = True
    ) -> None:
        self._pool = pool
        self._platform = platform
        self._sign_published = sign_published
        self.required = required

    async def start(self) -> None:
        """Let no file be offered, from the first moment on, that this process would not offer."""
        if self.required:
            async with self._pool.acquire() as connection, connection.transaction():
                await package_changes.note(connection, await store.unvet_unsigned(connection))

    async def of_file(self, tenant_id: str, file_id: UUID) -> tuple[File, list[Signature]]:
        """List a file's signatures, the oldest first; raises PackageNotFound."""
        file = await self._file(self._pool, tenant_id, file_id)
        return file, (await store.of_files(self._pool, tenant_id, [file_id])).get(file_id, [])

    async def trusted(self, file: File, signatures: list[Signature]) -> set[UUID]:
        """Tell which of a file's signatures are of a key that counts, and over this very content."""
        keys = await key_store.trusted(self._pool, file.tenant_id)
        message = statement_of(file.sha256)
        return {
            each.signature_id
            for each in signatures
            if each.format == Format.ED25519
            and each.key_id in keys
            and verifies(keys[each.key_id], each.signature, message)
        }

    async def suffice(self, file: File) -> bool:
        """Say whether a file is signed as it has to be before agents get it."""
        return not self.required or bool(await self.signed(self._pool, file.tenant_id, {file.file_id: file.sha256}))

    async def signed(
        self, connection: Connection | asyncpg.Pool, tenant_id: str, files: Mapping[UUID, bytes]
    ) -> set[UUID]:
        """
        Tell which of these files a key that counts has signed; every signature is verified, no row is believed.

        Args:
            connection: The database.

            tenant_id: Whose.

            files: File to its SHA-256.
        """
        keys = await key_store.trusted(connection, tenant_id)
        found: set[UUID] = set()
        for file_id, several in (await store.of_files(connection, tenant_id, files)).items():
            message = statement_of(files[file_id])
            if any(
                each.format == Format.ED25519
                and each.key_id in keys
                and verifies(keys[each.key_id], each.signature, message)
                for each in several
            ):
                found.add(file_id)
            await asyncio.sleep(0)
        return found

    async def add(
        self, tenant_id: str, file_id: UUID, *, form: str, key_id: str, signature: bytes, author: str
    ) -> tuple[Signature, bool]:
        """
        Store a signature somebody made elsewhere, as it came.

        Args:
            tenant_id: Whose file.

            file_id: The file.

            form: One of Format.

            key_id: Which key; may be empty for ed25519, then it is found.

            signature: The bytes.

            author: Who says so.

        Returns:
            The signature, and whether it is new.

        Raises:
            PackageNotFound: No such file.

            InvalidPackage: It cannot be one, or it is of format ed25519 and no key that counts made it over this
                very content.

            QuotaExceeded: The file has as many as it may.
        """
        problems = _problems_of(form, key_id, signature)
        if problems:
            metrics.SIGNATURES.labels("refused").inc()
            raise InvalidPackage(problems)
        async with self._pool.acquire() as connection, connection.transaction():
            file = await self._file(connection, tenant_id, file_id)
            if form == Format.ED25519:
                await self._ensure_platform(connection, tenant_id)
                key_id = _checked_signer(signature, file, key_id, await key_store.trusted(connection, tenant_id))
            return await self._add(connection, file, form=form, key_id=key_id, signature=signature, author=author)

    async def sign(self, tenant_id: str, file_id: UUID, author: str) -> tuple[Signature, bool]:
        """
        Sign a file with the platform's key; again gives the same signature.

        Raises:
            PackageNotFound: No such file.

            NoSigningKey: The platform has none.

            KeyRevoked: It does not count here any more.

            QuotaExceeded: The file has as many signatures as it may.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            return await self._sign(connection, await self._file(connection, tenant_id, file_id), author)

    async def on_published(self, connection: Connection, file: File) -> None:
        """Sign a file that is published in this transaction, if the platform does that; never in its way."""
        if self._platform is None or not self._sign_published:
            return
        try:
            await self._sign(connection, file, PLATFORM_NAME)
        except KeyRevoked:
            log.warning("package_not_signed", name=file.name, version=file.version, reason="the key is revoked")

    async def remove(self, tenant_id: str, file_id: UUID, signature_id: UUID, author: str) -> None:
        """Remove a signature; raises SignatureNotFound, PackageNotFound."""
        async with self._pool.acquire() as connection, connection.transaction():
            file = await self._file(connection, tenant_id, file_id)
            if not await store.delete(connection, tenant_id, file_id, signature_id):
                raise SignatureNotFound
            if self.required:
                await store.unvet_unsigned(connection, tenant_id)
            await package_changes.note(connection, [(tenant_id, file.name)])
        log.info("package_signature_removed", file_id=str(file_id), author=author)

    async def keys(self, tenant_id: str) -> list[Key]:
        """List every key, the oldest first, revoked ones too; the platform's own among them."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._ensure_platform(connection, tenant_id)
            return await key_store.all_of(connection, tenant_id)

    async def trusted_keys(self, connection: Connection, tenant_id: str) -> dict[str, bytes]:
        """Return the keys that count, by id, the platform's own among them."""
        await self._ensure_platform(connection, tenant_id)
        return await key_store.trusted(connection, tenant_id)

    async def register(self, tenant_id: str, public_key: bytes, name: str, author: str) -> tuple[Key, bool]:
        """
        Let a key count; again changes nothing.

        Raises:
            InvalidPackage: It is no Ed25519 public key, or its name is too long.

            KeyRevoked: It counted once, and was revoked.

            QuotaExceeded: There are as many as there may be.
        """
        problems = []
        if len(public_key) != KEY_BYTES or not is_key(public_key):
            problems.append(Problem("public_key", "must be an Ed25519 public key"))
        if len(name) > MAX_NAME or "\x00" in name:
            problems.append(Problem("name", f"must be at most {MAX_NAME} characters, none of them NUL"))
        if problems:
            raise InvalidPackage(problems)
        key_id = key_id_of(public_key)
        async with self._pool.acquire() as connection, connection.transaction():
            made = False
            if await key_store.one(connection, tenant_id, key_id) is None:
                if await key_store.count(connection, tenant_id) >= MAX_KEYS:
                    metrics.REFUSED.labels("keys").inc()
                    raise QuotaExceeded(f"there are {MAX_KEYS} keys already")
                made = await key_store.add(
                    connection,
                    tenant_id,
                    key_id,
                    public_key,
                    name=name,
                    origin=key_store.REGISTERED,
                    author=author,
                )
            key = await self._key(connection, tenant_id, key_id)
            if key.revoked_at is not None:
                raise KeyRevoked(key_id)
        log.info("package_key_registered", key_id=key_id, author=author, new=made)
        return key, made

    async def revoke(self, tenant_id: str, key_id: str, author: str) -> Key:
        """
        Let a key not count any more, for ever; files that only it has signed are not offered from here on.

        Raises:
            KeyNotFound: There is none of that id.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await self._ensure_platform(connection, tenant_id)
            signed = await store.signed_by(connection, tenant_id, key_id)
            if await key_store.revoke(connection, tenant_id, key_id, author):
                if self.required:
                    await store.unvet_unsigned(connection, tenant_id)
                await package_changes.note(connection, [(tenant_id, name) for name in signed])
            key = await self._key(connection, tenant_id, key_id)
        log.warning("package_key_revoked", key_id=key_id, author=author, packages=len(signed))
        return key

    async def _sign(self, connection: Connection, file: File, author: str) -> tuple[Signature, bool]:
        platform = self._platform
        if platform is None:
            raise NoSigningKey
        if platform.key_id not in await self.trusted_keys(connection, file.tenant_id):
            raise KeyRevoked(platform.key_id)
        signature = platform.sign(statement_of(file.sha256))
        return await self._add(
            connection, file, form=Format.ED25519, key_id=platform.key_id, signature=signature, author=author
        )

    async def _add(
        self, connection: Connection, file: File, *, form: str, key_id: str, signature: bytes, author: str
    ) -> tuple[Signature, bool]:
        tenant_id, file_id = file.tenant_id, file.file_id
        await store.lock_file(connection, tenant_id, file_id)
        there = (await store.of_files(connection, tenant_id, [file_id])).get(file_id, [])
        same = [each for each in there if (each.format, each.key_id, each.signature) == (form, key_id, signature)]
        if same:
            return same[0], False
        if len(there) >= MAX_SIGNATURES:
            metrics.REFUSED.labels("signatures").inc()
            raise QuotaExceeded(f"the file has {MAX_SIGNATURES} signatures; delete one first")
        made = await store.add(
            connection, tenant_id, file_id, form=form, key_id=key_id, signature=signature, author=author
        )
        await store.look_again(connection, tenant_id, file_id)
        await package_changes.note(connection, [(tenant_id, file.name)])
        metrics.SIGNATURES.labels("stored").inc()
        now = (await store.of_files(connection, tenant_id, [file_id]))[file_id]
        return next(each for each in now if each.signature_id == made), True

    async def _ensure_platform(self, connection: Connection, tenant_id: str) -> None:
        if self._platform is not None:
            await key_store.add(
                connection,
                tenant_id,
                self._platform.key_id,
                self._platform.public_key,
                name=PLATFORM_NAME,
                origin=key_store.PLATFORM,
                author=PLATFORM_NAME,
            )

    @staticmethod
    async def _file(connection: Connection | asyncpg.Pool, tenant_id: str, file_id: UUID) -> File:
        file = await file_store.one(connection, tenant_id, file_id)
        if file is None:
            raise PackageNotFound
        return file

    @staticmethod
    async def _key(connection: Connection, tenant_id: str, key_id: str) -> Key:
        key = await key_store.one(connection, tenant_id, key_id)
        if key is None:
            raise KeyNotFound
        return key


def _problems_of(form: str, key_id: str, signature: bytes) -> list[Problem]:
    problems = []
    if form not in set(Format):
        problems.append(Problem("format", f"must be one of: {', '.join(Format)}"))
    if len(key_id) > MAX_NAME or "\x00" in key_id:
        problems.append(Problem("key_id", f"must be at most {MAX_NAME} characters, none of them NUL"))
    if not 0 < len(signature) <= MAX_SIGNATURE_BYTES:
        problems.append(Problem("signature", f"must have 1 to {MAX_SIGNATURE_BYTES} bytes"))
    return problems


def _checked_signer(signature: bytes, file: File, key_id: str, keys: dict[str, bytes]) -> str:
    """Find the key that made a signature, and refuse it when none that counts did, or not the one named."""
    found = signer_of(signature, file.sha256, keys)
    if found is None or key_id not in ("", found):
        metrics.SIGNATURES.labels("refused").inc()
        whose = f"the key {key_id}" if key_id else "any key that counts here"
        raise InvalidPackage([Problem("signature", f"is not one of {whose} over this file's SHA-256")])
    return found

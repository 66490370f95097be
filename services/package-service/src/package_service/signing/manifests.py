"""
Signed manifests: every file of a channel at one time, pinned by hash, under a version that only grows.

Whoever holds the newest one cannot be led to an older file, to half of a change, or be kept from news for long:
see contracts.package_signing, which verifies them for everybody.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from contracts import package_signing as terms
from contracts.package_signing import Manifest, ManifestRefusedError, Seen, Target
from package_service import metrics
from package_service.errors import InvalidPackage, KeyRevoked, ManifestNotFound, NoSigningKey, QuotaExceeded
from package_service.signing import manifest_store
from package_service.signing.manifest_store import Published
from package_service.signing.verification import checks_of
from package_service.versions import is_prerelease
from servicekit.errors import Problem, ServiceError
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import asyncpg

    from package_service.platform_key import PlatformKey
    from package_service.signing.signatures import Signatures
    from servicekit.clock import Clock
    from servicekit.postgres import Connection

log = structlog.get_logger()

STABLE = "stable"
LOOK_SECONDS = 5.0
LOOKS_PER_LIFETIME = 100
"""So often every manifest is looked at though no file has changed."""

AFTER_FAILURE = timedelta(minutes=1)
"""A manifest that could not be made is tried again so much later."""

MAX_STEP = 1000
"""A version is at most so much above the one before: whoever skips to the end would leave none for those after."""

MAX_SKEW = timedelta(minutes=5)
"""A manifest signed elsewhere ends at most so long after one made here now would."""

PLATFORM_AUTHOR = "the platform"


class Manifests:
    """
    Publishes manifests.

    Args:
        pool: The service's database.

        signatures: Knows the keys that count.

        platform: The platform's own key, if it has one.

        clock: For times and waiting.

        lifetime_seconds: How long a manifest the platform signs is valid.

        threshold: Keys that must have signed.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        signatures: Signatures,
        platform: PlatformKey | None,
        clock: Clock,
        *,
        lifetime_seconds: float,
        threshold: int,
    ) -> None:
        self._pool = pool
        self._signatures = signatures
        self._platform = platform
        self._clock = clock
        self._lifetime = timedelta(seconds=lifetime_seconds)
        self._threshold = threshold
        self._looked: dict[str, tuple[str, datetime]] = {}

    async def run(self) -> None:
        """Keep every channel's manifest current, if the platform can sign one; run it under a Leader."""
        while True:
            if self._platform is not None and self._threshold == 1:
                try:
                    await self.refresh()
                except Exception as error:
                    if not is_transient(error):
                        raise
                    log.warning("manifests_wait", error=str(error) or type(error).__name__)
            await self._clock.sleep(LOOK_SECONDS)

    async def refresh(self) -> None:
        """
        Publish a manifest wherever files have changed, or half of the newest one's time is over.

        What one channel of one tenant fails at is said and counted, and stops nobody else.
        """
        for tenant_id in await manifest_store.tenants(self._pool):
            fingerprint = await manifest_store.fingerprint(self._pool, tenant_id)
            looked, until = self._looked.get(tenant_id, ("", self._clock.now()))
            if looked == fingerprint and self._clock.now() < until:
                continue
            well = [await self._refreshed(tenant_id, channel) for channel in terms.CHANNELS]
            pause = self._lifetime / LOOKS_PER_LIFETIME if all(well) else AFTER_FAILURE
            self._looked[tenant_id] = fingerprint, self._clock.now() + pause

    async def newest(self, tenant_id: str, channel: str) -> Published:
        """Return the newest manifest of a channel, expired or not; raises InvalidPackage, ManifestNotFound."""
        _check_channel(channel)
        found = await manifest_store.newest(self._pool, tenant_id, channel)
        if found is None:
            raise ManifestNotFound(channel)
        return found

    async def draft(self, tenant_id: str, channel: str) -> bytes:
        """Write what a new manifest would say, for signers elsewhere; raises InvalidPackage."""
        _check_channel(channel)
        before = await manifest_store.newest(self._pool, tenant_id, channel)
        targets = _of_channel(channel, await self._targets(self._pool, tenant_id))
        return terms.payload_of(self._manifest(tenant_id, channel, before, targets))

    async def publish(self, tenant_id: str, channel: str, author: str) -> tuple[Published, bool]:
        """
        Sign what there is now with the platform's key; nothing new when nothing has changed.

        Raises:
            InvalidPackage: No such channel.

            NoSigningKey: The platform has none, or more keys than its own must sign.

            KeyRevoked: It does not count here any more.

            QuotaExceeded: There are too many files for one manifest.
        """
        _check_channel(channel)
        return await self._publish(tenant_id, channel, author, renew=True)

    async def accept(self, tenant_id: str, channel: str, envelope: bytes, author: str) -> tuple[Published, bool]:
        """
        Publish a manifest signed elsewhere; the same one again changes nothing.

        Raises:
            InvalidPackage: It would not be believed (wrong key, changed, older, expired, another channel), it is
                valid for longer or of a much higher version than any made here, or it names a file that may not be
                offered so.
        """
        _check_channel(channel)
        async with self._pool.acquire() as connection, connection.transaction():
            await manifest_store.lock(connection, tenant_id, channel)
            before = await manifest_store.newest(connection, tenant_id, channel)
            keys = checks_of(await self._signatures.trusted_keys(connection, tenant_id))
            try:
                manifest, seen = terms.check_manifest(
                    envelope,
                    keys,
                    tenant_id=tenant_id,
                    channel=channel,
                    now=self._clock.now(),
                    threshold=self._threshold,
                    seen=_seen(before),
                )
            except ManifestRefusedError as error:
                raise _refused(str(error)) from error
            if before is not None and seen.version == before.version:
                return before, False
            self._check_bounds(manifest, before)
            await self._check_content(connection, tenant_id, manifest)
            made = self._published(manifest, envelope, author)
            await manifest_store.add(connection, made)
        metrics.MANIFESTS.labels("published").inc()
        log.info("manifest_published", channel=channel, version=made.version, files=len(manifest.targets))
        return made, True

    async def _refreshed(self, tenant_id: str, channel: str) -> bool:
        try:
            await self._refresh(tenant_id, channel)
        except ServiceError as error:
            log.warning("manifest_not_published", tenant_id=tenant_id, channel=channel, error=error.public)
        except Exception as error:
            # Whatever a tenant has brought about, say by what it has signed: all the others need their manifests.
            if is_transient(error):
                raise
            log.exception("manifest_not_published", tenant_id=tenant_id, channel=channel)
        else:
            return True
        metrics.MANIFESTS.labels("failed").inc()
        return False

    async def _refresh(self, tenant_id: str, channel: str) -> None:
        before = await manifest_store.newest(self._pool, tenant_id, channel)
        if before is None and not _of_channel(channel, await self._targets(self._pool, tenant_id)):
            return
        await self._publish(tenant_id, channel, PLATFORM_AUTHOR, renew=False)

    async def _publish(self, tenant_id: str, channel: str, author: str, *, renew: bool) -> tuple[Published, bool]:
        platform = self._platform
        if platform is None or self._threshold > 1:
            raise NoSigningKey
        async with self._pool.acquire() as connection, connection.transaction():
            await manifest_store.lock(connection, tenant_id, channel)
            if platform.key_id not in await self._signatures.trusted_keys(connection, tenant_id):
                raise KeyRevoked(platform.key_id)
            before = await manifest_store.newest(connection, tenant_id, channel)
            targets = _of_channel(channel, await self._targets(connection, tenant_id))
            if before is not None and not self._is_due(before, targets, renew=renew):
                return before, False
            manifest = self._manifest(tenant_id, channel, before, targets)
            payload = terms.payload_of(manifest)
            envelope = terms.envelope_of(payload, [(platform.key_id, platform.sign(terms.pae(payload)))])
            if len(envelope) > terms.MAX_ENVELOPE_BYTES:
                metrics.REFUSED.labels("manifest").inc()
                raise QuotaExceeded(f"channel {channel} has too many files for one manifest; delete old ones first")
            made = self._published(manifest, envelope, author)
            await manifest_store.add(connection, made)
        metrics.MANIFESTS.labels("published").inc()
        log.info("manifest_published", channel=channel, version=made.version, files=len(targets))
        return made, True

    def _is_due(self, before: Published, targets: Iterable[Target], *, renew: bool) -> bool:
        if before.content != _content_of(targets):
            return True
        # Whoever asks gets a fresh one unless the newest is young; by itself it is renewed at half of its time.
        share = 0.9 if renew else 0.5
        return before.expires_at - self._clock.now() < self._lifetime * share

    def _manifest(
        self, tenant_id: str, channel: str, before: Published | None, targets: tuple[Target, ...]
    ) -> Manifest:
        now = self._clock.now().replace(microsecond=0)
        version = before.version + 1 if before is not None else 1
        return Manifest(tenant_id, channel, version, now, now + self._lifetime, targets)

    def _published(self, manifest: Manifest, envelope: bytes, author: str) -> Published:
        return Published(
            tenant_id=manifest.tenant_id,
            channel=manifest.channel,
            version=manifest.version,
            content=_content_of(manifest.targets),
            expires_at=manifest.expires_at,
            envelope=envelope,
            created_by=author,
            created_at=self._clock.now(),
        )

    async def _targets(self, connection: Connection | asyncpg.Pool, tenant_id: str) -> list[Target]:
        """
        List what may be offered.

        Bytes not read yet, or missing in the store, take nothing off: the hash is that of what was published, and a
        store that is away must not empty a manifest.
        """
        found = await manifest_store.targets(connection, tenant_id)
        if not self._signatures.required:
            return list(found.values())
        hashes = {file_id: bytes.fromhex(target.sha256) for file_id, target in found.items()}
        signed = await self._signatures.signed(connection, tenant_id, hashes)
        return [target for file_id, target in found.items() if file_id in signed]

    def _check_bounds(self, manifest: Manifest, before: Published | None) -> None:
        last = before.version if before is not None else 0
        if manifest.version > last + MAX_STEP:
            raise _refused(f"its version is {manifest.version}; after {last} at most {last + MAX_STEP} may come")
        if manifest.expires_at > self._clock.now() + self._lifetime + MAX_SKEW:
            raise _refused(f"it expires later than {int(self._lifetime.total_seconds())} seconds from now")

    async def _check_content(self, connection: Connection, tenant_id: str, manifest: Manifest) -> None:
        published = set(_of_channel(manifest.channel, await self._targets(connection, tenant_id)))
        strange = [target for target in manifest.targets if target not in published]
        if strange:
            what = f"{strange[0].name} {strange[0].version}"
            raise _refused(f"{what} is not published in this channel with that content, or may not be offered")


def _of_channel(channel: str, targets: Iterable[Target]) -> tuple[Target, ...]:
    """Choose a channel's files: stable has releases only, beta everything."""
    return tuple(sorted(each for each in targets if channel != STABLE or not is_prerelease(each.version)))


def _content_of(targets: Iterable[Target]) -> bytes:
    said = "\n".join(" ".join(map(str, vars(target).values())) for target in sorted(targets))
    return hashlib.sha256(said.encode()).digest()


def _seen(before: Published | None) -> Seen | None:
    if before is None:
        return None
    payload = terms.payload_in(before.envelope)
    return Seen(before.version, terms.digest_of(payload))


def _check_channel(channel: str) -> None:
    if channel not in terms.CHANNELS:
        raise InvalidPackage([Problem("channel", f"must be one of: {', '.join(terms.CHANNELS)}")])


def _refused(why: str) -> InvalidPackage:
    metrics.MANIFESTS.labels("refused").inc()
    return InvalidPackage([Problem("envelope", f"is not believed: {why}")])

"""Manifests: versions that only grow, made here or elsewhere, and every one that is not believed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import package_signing as terms
from package_service import metrics
from package_service.errors import InvalidPackage, KeyRevoked, ManifestNotFound, NoSigningKey, QuotaExceeded
from package_service.platform_key import PlatformKey
from package_service.signing import manifest_store
from package_service.signing.manifests import AFTER_FAILURE, MAX_SKEW, MAX_STEP, Manifests
from package_service.signing.signatures import Signatures
from package_service.signing.verification import checks_of
from servicekit.clock import FakeClock

from .conftest import TENANT
from .test_file_store import add

if TYPE_CHECKING:
    import asyncpg

RELEASE, SECOND, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (1, 2, 4))
PLATFORM = PlatformKey(Ed25519PrivateKey.from_private_bytes(b"\x03" * 32))
TRUSTED = checks_of({PLATFORM.key_id: PLATFORM.public_key})
WEEK = 7 * 24 * 3600.0


def manifests(
    pool: asyncpg.Pool, clock: FakeClock | None = None, *, platform: PlatformKey | None = PLATFORM, threshold: int = 1
) -> Manifests:
    """Make what publishes manifests."""
    signatures = Signatures(pool, platform, required=False)
    return Manifests(pool, signatures, platform, clock or FakeClock(), lifetime_seconds=WEEK, threshold=threshold)


def enveloped(payload: bytes, *keys: Ed25519PrivateKey) -> bytes:
    """Sign a payload as somebody elsewhere does."""
    signed = [(terms.key_id_of(key.public_key().public_bytes_raw()), key.sign(terms.pae(payload))) for key in keys]
    return terms.envelope_of(payload, signed)


async def registered(pool: asyncpg.Pool, *keys: Ed25519PrivateKey) -> None:
    """Let keys count."""
    for key in keys:
        await Signatures(pool, None, required=False).register(TENANT, key.public_key().public_bytes_raw(), "k", "ann")


def read(envelope: bytes, clock: FakeClock, channel: str = "stable") -> terms.Manifest:
    """Verify as a client does."""
    return terms.check_manifest(envelope, TRUSTED, tenant_id=TENANT, channel=channel, now=clock.now())[0]


async def test_platform_pins_every_file_of_a_channel(pool: asyncpg.Pool) -> None:
    """Stable has releases only, beta everything; what agents do not get is in neither."""
    clock = FakeClock()
    release, early, off, broken = [await add(pool, version) for version in ("1.0.0", "1.1.0-rc.1", "0.9.0", "0.8.0")]
    await pool.execute("UPDATE package_file SET active = false WHERE file_id = $1", off.file_id)
    await pool.execute("UPDATE package_file SET damaged_at = now() WHERE file_id = $1", broken.file_id)
    made = manifests(pool, clock)

    stable, _ = await made.publish(TENANT, "stable", "ann")
    beta, _ = await made.publish(TENANT, "beta", "ann")

    assert [target.version for target in read(stable.envelope, clock).targets] == ["1.0.0"]
    assert [target.version for target in read(beta.envelope, clock, "beta").targets] == ["1.0.0", "1.1.0-rc.1"]
    assert read(stable.envelope, clock).targets[0].sha256 == release.sha256.hex()
    assert read(beta.envelope, clock, "beta").targets[1].sha256 == early.sha256.hex()
    assert (await made.newest(TENANT, "stable")) == stable


async def test_version_grows_with_every_change_and_with_time(pool: asyncpg.Pool) -> None:
    """Nothing changed: no new version, until half of its time is over; published by itself."""
    clock = FakeClock()
    made = manifests(pool, clock)
    await made.refresh()
    with pytest.raises(ManifestNotFound):
        await made.newest(TENANT, "stable")
    await add(pool, "1.0.0")

    versions = []
    for seconds in (0, 60, WEEK / 2, 60):
        await clock.advance(seconds)
        await made.refresh()
        versions.append((await made.newest(TENANT, "stable")).version)
    file = await add(pool, "1.0.1")
    await made.refresh()
    versions.append((await made.newest(TENANT, "stable")).version)
    await pool.execute("DELETE FROM package_file WHERE file_id = $1", file.file_id)
    await made.refresh()
    versions.append((await made.newest(TENANT, "stable")).version)

    assert versions == [1, 1, 2, 2, 3, 4]
    assert await pool.fetchval("SELECT count(*) FROM package_manifest WHERE channel = 'stable'") == 4


async def test_old_manifests_are_forgotten_and_the_newest_is_not(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version goes on from there."""
    monkeypatch.setattr(manifest_store, "KEEP", 2)
    made = manifests(pool)
    for number in range(5):
        await add(pool, f"1.0.{number}")
        await made.publish(TENANT, "stable", "ann")

    rows = await pool.fetch("SELECT version FROM package_manifest ORDER BY version")
    assert [row["version"] for row in rows] == [4, 5]


async def test_manifest_signed_elsewhere_is_published(pool: asyncpg.Pool) -> None:
    """Drafted here, signed where the key is; the same one again changes nothing."""
    await add(pool, "1.0.0")
    await registered(pool, RELEASE)
    made = manifests(pool, platform=None)
    envelope = enveloped(await made.draft(TENANT, "stable"), RELEASE)

    published, new = await made.accept(TENANT, "stable", envelope, "ann")
    again, new_again = await made.accept(TENANT, "stable", envelope, "ann")

    assert (new, new_again, again) == (True, False, published)
    assert (published.version, published.envelope, published.created_by) == (1, envelope, "ann")
    assert json.loads(await made.draft(TENANT, "stable"))["version"] == 2


async def test_lies_are_refused(pool: asyncpg.Pool) -> None:
    """Wrong key, changed, older, expired, another channel, another tenant, files nobody published."""
    clock = FakeClock()
    await add(pool, "1.0.0")
    await registered(pool, RELEASE)
    made = manifests(pool, clock, platform=None)
    payload = await made.draft(TENANT, "stable")
    manifest = terms.read_payload(payload)
    for version in (1, 2):
        said = terms.payload_of(replace(manifest, version=version))
        await made.accept(TENANT, "stable", enveloped(said, RELEASE), "ann")

    def changed(**fields: Any) -> bytes:
        return enveloped(terms.payload_of(replace(manifest, **{"version": 9, **fields})), RELEASE)

    target = manifest.targets[0]
    lies = {
        "wrong key": enveloped(terms.payload_of(replace(manifest, version=9)), STRANGER),
        "changed": changed().replace(b'"payload":"ey', b'"payload":"fy'),
        "older": enveloped(payload, RELEASE),
        "same version, other content": changed(version=2, targets=()),
        "expired": changed(expires_at=clock.now()),
        "another channel": changed(channel="beta"),
        "another tenant": changed(tenant_id="x"),
        "other bytes": changed(targets=(replace(target, sha256="00" * 32),)),
        "unknown file": changed(targets=(replace(target, version="3.0.0"),)),
        "no envelope": b"{}",
        "a version nobody comes after": changed(version=2**63 - 1),
        "a version no database holds": changed(version=2**63),
        "a version far away": changed(version=3 + MAX_STEP),
        "good for ever": changed(expires_at=datetime(9999, 12, 31, tzinfo=UTC)),
        "good for too long": changed(expires_at=clock.now() + timedelta(seconds=WEEK) + 2 * MAX_SKEW),
    }
    for name, envelope in lies.items():
        with pytest.raises(InvalidPackage) as caught:
            await made.accept(TENANT, "stable", envelope, "mallory")
        assert caught.value.details[0].field == "envelope", name
    assert (await made.newest(TENANT, "stable")).version == 2
    assert (await made.accept(TENANT, "stable", changed(version=2 + MAX_STEP), "ann"))[1]


async def test_one_channel_that_fails_stops_no_other(pool: asyncpg.Pool) -> None:
    """Whatever is wrong with it: it is counted and tried again later, and every other one is published."""
    clock = FakeClock()
    made = manifests(pool, clock)
    for tenant_id in ("a", TENANT, "z"):
        await add(pool, "1.0.0", tenant_id=tenant_id)
    last = 2**63 - 1
    await pool.execute(
        "INSERT INTO package_manifest (tenant_id, channel, version, content, expires_at, envelope, created_by) "
        "VALUES ('a', 'stable', $1, $2, $3, '{}', 'mallory')",
        last,
        bytes(32),
        clock.now(),
    )
    failed = metrics.MANIFESTS.labels("failed")
    before = failed._value.get()

    await made.refresh()
    await made.refresh()

    assert failed._value.get() == before + 1
    assert (await made.newest("a", "stable")).version == last
    for tenant_id, channel in (("a", "beta"), (TENANT, "stable"), (TENANT, "beta"), ("z", "stable")):
        assert (await made.newest(tenant_id, channel)).version == 1
    await clock.advance(AFTER_FAILURE.total_seconds())
    await made.refresh()
    assert failed._value.get() == before + 2


async def test_unsigned_files_are_in_no_manifest_where_signatures_are_required(pool: asyncpg.Pool) -> None:
    """Nor those whose key was revoked; by itself, and from whoever signs elsewhere."""
    clock = FakeClock()
    first, second, _ = [await add(pool, version) for version in ("1.0.0", "1.1.0", "1.2.0")]
    await registered(pool, RELEASE, SECOND)
    signatures = Signatures(pool, PLATFORM, required=True)
    for file, key in ((first, RELEASE), (second, SECOND)):
        good = key.sign(terms.statement_of(file.sha256))
        await signatures.add(TENANT, file.file_id, form="ed25519", key_id="", signature=good, author="ann")
    made = Manifests(pool, signatures, PLATFORM, clock, lifetime_seconds=WEEK, threshold=1)

    async def listed() -> list[str]:
        await made.refresh()
        return [target.version for target in read((await made.newest(TENANT, "stable")).envelope, clock).targets]

    assert await listed() == ["1.0.0", "1.1.0"]
    payload = await made.draft(TENANT, "stable")
    await signatures.revoke(TENANT, terms.key_id_of(RELEASE.public_key().public_bytes_raw()), "ann")

    assert await listed() == ["1.1.0"]
    later = terms.payload_of(replace(terms.read_payload(payload), version=9))
    with pytest.raises(InvalidPackage, match="may not be offered"):
        await made.accept(TENANT, "stable", enveloped(later, SECOND), "mallory")
    (signature,) = (await signatures.of_file(TENANT, second.file_id))[1]
    await signatures.remove(TENANT, second.file_id, signature.signature_id, "ann")
    assert await listed() == []


async def test_threshold_needs_several_keys(pool: asyncpg.Pool) -> None:
    """And then the platform alone signs none."""
    await add(pool, "1.0.0")
    await registered(pool, RELEASE, SECOND)
    made = manifests(pool, threshold=2)
    payload = await made.draft(TENANT, "stable")

    with pytest.raises(NoSigningKey):
        await made.publish(TENANT, "stable", "ann")
    with pytest.raises(InvalidPackage):
        await made.accept(TENANT, "stable", enveloped(payload, RELEASE, RELEASE), "ann")
    assert (await made.accept(TENANT, "stable", enveloped(payload, RELEASE, SECOND), "ann"))[1]


async def test_what_cannot_be_signed_is_said(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, a revoked key, no such channel, too many files; looking by itself goes on."""
    await add(pool, "1.0.0")
    with pytest.raises(NoSigningKey):
        await manifests(pool, platform=None).publish(TENANT, "stable", "ann")
    with pytest.raises(InvalidPackage):
        await manifests(pool).publish(TENANT, "nightly", "ann")
    monkeypatch.setattr(terms, "MAX_ENVELOPE_BYTES", 100)
    with pytest.raises(QuotaExceeded):
        await manifests(pool).publish(TENANT, "stable", "ann")
    await manifests(pool).refresh()
    monkeypatch.undo()
    await Signatures(pool, PLATFORM, required=False).revoke(TENANT, PLATFORM.key_id, "ann")
    with pytest.raises(KeyRevoked):
        await manifests(pool).publish(TENANT, "stable", "ann")
    await manifests(pool).refresh()

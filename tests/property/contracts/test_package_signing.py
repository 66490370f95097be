"""Whatever bytes come as a manifest: it is believed only unchanged, and refused only in one way."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from contracts import package_signing as terms
from contracts.package_signing import Manifest, ManifestRefusedError, Target

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
KEY_ID = terms.key_id_of(KEY.public_key().public_bytes_raw())

words = st.text(min_size=1, max_size=20)
targets = st.builds(
    Target,
    name=words,
    version=words,
    platform=words,
    arch=words,
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    size=st.integers(1, 2**62),
)
manifests = st.builds(
    Manifest,
    tenant_id=st.just("default"),
    channel=st.sampled_from(terms.CHANNELS),
    version=st.integers(1, 2**62),
    issued_at=st.just(NOW),
    expires_at=st.integers(1, 10**8).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    targets=st.lists(
        targets, max_size=5, unique_by=lambda each: (each.name, each.version, each.platform, each.arch)
    ).map(lambda several: tuple(sorted(several))),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


def verify(signature: bytes, message: bytes) -> bool:
    """Check signatures of the key."""
    try:
        KEY.public_key().verify(signature, message)
    except InvalidSignature:
        return False
    return True


def signed(payload: bytes) -> bytes:
    """Sign a payload."""
    return terms.envelope_of(payload, [(KEY_ID, KEY.sign(terms.pae(payload)))])


def checked(envelope: bytes, channel: str = "stable") -> Manifest:
    """Believe it or not."""
    return terms.check_manifest(envelope, {KEY_ID: verify}, tenant_id="default", channel=channel, now=NOW)[0]


@given(manifests)
def test_what_was_signed_is_what_is_read(manifest: Manifest) -> None:
    """Whatever names and numbers are in it."""
    assert checked(signed(terms.payload_of(manifest)), manifest.channel) == manifest


@given(st.binary(max_size=300) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_in_one_way(raw: bytes) -> None:
    """As an envelope, or signed as its content."""
    for envelope in (raw, signed(raw)):
        with pytest.raises(ManifestRefusedError):
            checked(envelope)


@given(st.sampled_from(["payloadType", "payload", "signatures"]), values)
def test_any_field_may_be_anything(field: str, value: Any) -> None:
    """Of the envelope; nothing but a refusal comes of it."""
    said = {**json.loads(signed(b"{}")), field: value}

    with pytest.raises(ManifestRefusedError):
        checked(json.dumps(said).encode())


@given(
    st.sampled_from(["format", "tenant", "channel", "version", "issued", "expires", "targets"]),
    values,
)
def test_any_signed_field_may_be_anything(field: str, value: Any) -> None:
    """It is read, or refused; nothing else."""
    target = Target("collector", "1.0.0", "linux", "amd64", "ab" * 32, 1)
    said = json.loads(terms.payload_of(Manifest("default", "stable", 1, NOW, NOW + timedelta(days=1), (target,))))

    with suppress(ManifestRefusedError):
        checked(signed(json.dumps({**said, field: value}).encode()))


@given(manifests, st.data())
def test_one_changed_byte_is_one_too_many(manifest: Manifest, data: st.DataObject) -> None:
    """Of the payload, or of the signature."""
    said = json.loads(signed(terms.payload_of(manifest)))
    payload, signature = (base64.b64decode(text) for text in (said["payload"], said["signatures"][0]["sig"]))
    place = data.draw(st.integers(0, len(payload) + len(signature) - 1))
    both = bytearray(payload + signature)
    both[place] ^= data.draw(st.integers(1, 255))

    envelope = terms.envelope_of(bytes(both[: len(payload)]), [(KEY_ID, bytes(both[len(payload) :]))])

    with pytest.raises(ManifestRefusedError) as caught:
        checked(envelope, manifest.channel)
    assert caught.value.reason == "unsigned"

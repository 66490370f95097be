"""What signers and verifiers of packages agree on, and every way a manifest must not be believed."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import package_signing as terms
from contracts.package_signing import Manifest, ManifestRefusedError, Seen, Target

if TYPE_CHECKING:
    from contracts.package_signing import Verify

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEY, SECOND, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (1, 2, 3))
TARGET = Target("collector", "1.10.0", "linux", "amd64", "ab" * 32, 1000)
MANIFEST = Manifest("default", "stable", 7, NOW, NOW + timedelta(days=7), (TARGET,))


def id_of(key: Ed25519PrivateKey) -> str:
    """Name a key."""
    return terms.key_id_of(key.public_key().public_bytes_raw())


def check_of(key: Ed25519PrivateKey) -> Verify:
    """Check signatures of a key."""

    def verify(signature: bytes, message: bytes) -> bool:
        try:
            key.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return verify


TRUSTED = {id_of(KEY): check_of(KEY), id_of(SECOND): check_of(SECOND)}


def signed(manifest: Manifest = MANIFEST, *keys: Ed25519PrivateKey) -> bytes:
    """Sign a manifest."""
    payload = terms.payload_of(manifest)
    return terms.envelope_of(payload, [(id_of(key), key.sign(terms.pae(payload))) for key in keys or (KEY,)])


def checked(envelope: bytes, **more: Any) -> tuple[Manifest, Seen]:
    """Believe it or not."""
    return terms.check_manifest(envelope, TRUSTED, **{"tenant_id": "default", "channel": "stable", "now": NOW, **more})


def refused(envelope: bytes, **more: Any) -> str:
    """Tell why it is not believed."""
    with pytest.raises(ManifestRefusedError) as caught:
        checked(envelope, **more)
    assert str(caught.value)
    return caught.value.reason


def test_encoding_is_that_of_dsse() -> None:
    """The example of DSSE's own specification."""
    assert terms.pae(b"hello world", "http://example.com/HelloWorld") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_statement_is_the_hash_and_no_manifest_can_pass_for_one() -> None:
    """A signature over a file is over 32 bytes; over a manifest, over more."""
    digest = hashlib.sha256(b"a file").digest()

    assert terms.statement_of(digest) == digest
    assert len(terms.pae(b"")) > len(digest)
    with pytest.raises(ValueError, match="32 bytes"):
        terms.statement_of(b"short")


def test_manifest_is_believed_and_read_back() -> None:
    """Byte by byte what was signed."""
    manifest, seen = checked(signed())

    assert manifest == MANIFEST
    assert seen == Seen(7, hashlib.sha256(terms.payload_of(MANIFEST)).hexdigest())


def test_equal_manifests_are_equal_bytes() -> None:
    """In whatever order the files were found."""
    other = replace(TARGET, version="1.9.0")

    forth = terms.payload_of(replace(MANIFEST, targets=(TARGET, other)))
    back = terms.payload_of(replace(MANIFEST, targets=(other, TARGET)))

    assert forth == back


def test_wrong_key_is_refused() -> None:
    """Neither a stranger's signature, nor a stranger's under the name of a trusted key, counts."""
    payload = terms.payload_of(MANIFEST)
    forged = terms.envelope_of(payload, [(id_of(KEY), STRANGER.sign(terms.pae(payload)))])

    assert refused(signed(MANIFEST, STRANGER)) == "unsigned"
    assert refused(forged) == "unsigned"
    assert refused(terms.envelope_of(payload, [])) == "unsigned"


def test_tampered_payload_is_refused() -> None:
    """One bit of what was signed."""
    said = json.loads(signed())
    payload = json.loads(base64.b64decode(said["payload"]))
    payload["targets"][0]["sha256"] = "cd" * 32
    said["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()

    assert refused(json.dumps(said).encode()) == "unsigned"


def test_signature_over_the_bare_payload_is_refused() -> None:
    """Only the encoding that names the type is signed."""
    payload = terms.payload_of(MANIFEST)

    assert refused(terms.envelope_of(payload, [(id_of(KEY), KEY.sign(payload))])) == "unsigned"


def test_older_version_is_refused() -> None:
    """Whoever has seen version 8 is not led back to 7; the same one again is no news, another 7 is a lie."""
    _, seen = checked(signed())

    assert checked(signed(), seen=seen)[1] == seen
    assert checked(signed(replace(MANIFEST, version=8)), seen=seen)[1].version == 8
    assert refused(signed(), seen=Seen(8, "")) == "older"
    assert refused(signed(replace(MANIFEST, targets=())), seen=seen) == "replaced"


def test_expired_manifest_is_refused() -> None:
    """Whoever is kept from newer ones notices."""
    assert checked(signed(), now=NOW + timedelta(days=6))
    assert refused(signed(), now=NOW + timedelta(days=7)) == "expired"


def test_manifest_of_another_channel_is_refused() -> None:
    """A beta manifest never stands in for the stable one."""
    assert refused(signed(replace(MANIFEST, channel="beta"))) == "channel"


def test_manifest_of_another_tenant_is_refused() -> None:
    """The platform has one key for all of them."""
    assert refused(signed(replace(MANIFEST, tenant_id="other"))) == "tenant"


def test_threshold_counts_keys_not_signatures() -> None:
    """Two signatures of one key are one; two keys are two, whoever else has signed beside them."""
    assert refused(signed(MANIFEST, KEY, KEY), threshold=2) == "unsigned"
    assert refused(signed(MANIFEST, KEY, STRANGER), threshold=2) == "unsigned"
    assert checked(signed(MANIFEST, STRANGER, KEY, SECOND), threshold=2)
    assert refused(signed(MANIFEST, STRANGER), threshold=0) == "unsigned"


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"{}",
        b'{"payloadType":"x","payload":"","signatures":[]}',
        b'{"payloadType":"application/vnd.opamp-platform.package-manifest+json","payload":"!","signatures":[]}',
        b'{"payloadType":"application/vnd.opamp-platform.package-manifest+json","payload":"","signatures":{}}',
        b'{"payloadType":"application/vnd.opamp-platform.package-manifest+json","payload":"","signatures":[1]}',
        b"[" * 100_000,
        b" " * (terms.MAX_ENVELOPE_BYTES + 1),
        terms.envelope_of(b"{}", [("k", b"s")] * (terms.MAX_SIGNATURES + 1)),
    ],
)
def test_what_is_no_envelope_is_refused(envelope: bytes) -> None:
    """Whatever the bytes."""
    assert refused(envelope) == "malformed"


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"version": 0},
        {"version": True},
        {"version": "7"},
        {"expires": "tomorrow"},
        {"expires": None},
        {"tenant": 1},
        {"targets": [{"name": "collector"}]},
        {"targets": [{**vars(TARGET), "sha256": "AB" * 32}]},
        {"targets": [{**vars(TARGET), "size": -1}]},
        {"targets": [vars(TARGET), {**vars(TARGET), "sha256": "cd" * 32}]},
        {"targets": 5},
    ],
)
def test_signed_nonsense_is_refused(change: dict[str, Any]) -> None:
    """A signature makes nothing readable that is not."""
    said = {**json.loads(terms.payload_of(MANIFEST)), **change}
    payload = json.dumps(said).encode()
    envelope = terms.envelope_of(payload, [(id_of(KEY), KEY.sign(terms.pae(payload)))])

    assert refused(envelope) == "malformed"


def test_url_safe_base64_is_read() -> None:
    """DSSE leaves the alphabet to the signer."""
    said = json.loads(signed())
    for holder, field in ((said, "payload"), (said["signatures"][0], "sig")):
        holder[field] = holder[field].translate(str.maketrans("+/", "-_"))

    assert checked(json.dumps(said).encode())[0] == MANIFEST

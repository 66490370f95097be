"""Signing and verifying on the command line: with and without a server, and everything that must be refused."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contracts import package_signing as terms
from contracts.package_signing import Manifest, Target
from opampctl import signing
from opampctl.exits import Exit

from .test_packages import PACKAGE

if TYPE_CHECKING:
    from pathlib import Path

    from rest_double import RestDouble, Run

CONTENT = b"\x7fELF the program"
NOW = datetime.now(UTC).replace(microsecond=0)


class Desk:
    """A folder with a key, a stranger's key, and a file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "otelcol"
        self.file.write_bytes(CONTENT)
        self.key, self.stranger = folder / "release.pem", folder / "stranger.pem"
        self.public, self.key_id = signing.generate_key(self.key)
        self.stranger_public, _ = signing.generate_key(self.stranger)
        self.sha256 = signing.digest_of_file(self.file)
        target = Target("collector", "1.10.0", "linux", "amd64", self.sha256.hex(), len(CONTENT))
        self.manifest = Manifest("default", "stable", 7, NOW, NOW + timedelta(days=7), (target,))

    def signature(self, key: Path | None = None, sha256: bytes | None = None) -> bytes:
        """Sign the file, or another one."""
        return signing.read_private_key(key or self.key).sign(terms.statement_of(sha256 or self.sha256))

    def envelope(self, manifest: Manifest | None = None, key: Path | None = None) -> dict[str, Any]:
        """Sign a manifest."""
        private = signing.read_private_key(key or self.key)
        payload = terms.payload_of(manifest or self.manifest)
        key_id = terms.key_id_of(private.public_key().public_bytes_raw())
        said: dict[str, Any] = json.loads(terms.envelope_of(payload, [(key_id, private.sign(terms.pae(payload)))]))
        return said


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give a folder to work in."""
    return Desk(tmp_path)


def test_file_is_signed_and_verified_without_a_server(anonymous: Run, desk: Desk) -> None:
    """By a key made here; another key, another file or another signature does not pass."""
    made = anonymous("packages", "keys", "generate", str(desk.file.parent / "new.pem"))
    assert made.exit_code == 0, made.output
    signed = anonymous("packages", "sign", str(desk.file), "--key", str(desk.key))
    assert signed.exit_code == 0, signed.output
    assert (desk.file.parent / "otelcol.sig").read_bytes() == desk.signature()

    good = anonymous("packages", "verify", str(desk.file), "--public-key", str(desk.public))
    assert (good.exit_code, desk.key_id in good.stderr) == (0, True)

    stranger = anonymous("packages", "verify", str(desk.file), "--public-key", str(desk.stranger_public))
    assert stranger.exit_code == Exit.FAILED
    desk.file.write_bytes(CONTENT + b"!")
    tampered = anonymous("packages", "verify", str(desk.file), "--public-key", str(desk.public))
    assert tampered.exit_code == Exit.FAILED
    assert "None of these keys" in tampered.stderr


def test_keys_must_be_named(anonymous: Run, desk: Desk) -> None:
    """Trust comes from somewhere else than the server."""
    anonymous("packages", "sign", str(desk.file), "--key", str(desk.key))

    result = anonymous("packages", "verify", str(desk.file))

    assert result.exit_code == Exit.USAGE
    assert "--public-key" in result.stderr


def test_what_signs_what_must_be_said(anonymous: Run, desk: Desk) -> None:
    """Neither nothing nor everything at once."""
    sign = ("packages", "sign")

    for words in ((), (str(desk.file),), ("--key", str(desk.key)), ("--key", str(desk.key), "--package", "f1")):
        assert anonymous(*sign, *words).exit_code == Exit.USAGE


def test_signature_is_added_to_the_published_file(opampctl: Run, api: RestDouble, desk: Desk) -> None:
    """Of this very content only; made elsewhere, or by the platform."""
    answer = {"key_id": desk.key_id, "format": "ed25519"}
    api.answers = {
        "GET /packages/f1": {**PACKAGE, "checksum": desk.sha256.hex()},
        "GET /packages/f2": PACKAGE,
        "POST /packages/f1/signatures": answer,
        "POST /packages/f1/sign": answer,
    }
    bundle = desk.file.parent / "bundle"
    bundle.write_bytes(b"\x00bundle")

    here = opampctl("packages", "sign", str(desk.file), "--key", str(desk.key), "--package", "f1")
    sent = api.calls[-1].body
    there = opampctl("packages", "sign", "--package", "f1")
    elsewhere = opampctl("packages", "sign", "--package", "f1", "--signature", str(bundle), "--format", "cosign")
    other = opampctl("packages", "sign", str(desk.file), "--key", str(desk.key), "--package", "f2")

    assert here.exit_code == there.exit_code == elsewhere.exit_code == 0, here.output
    assert base64.b64decode(sent["signature"]) == desk.signature()
    assert not (desk.file.parent / "otelcol.sig").exists()
    posted = [call for call in api.calls if call.method == "POST" and call.path.endswith("/signatures")]
    assert posted[-1].body == {"format": "cosign", "key_id": "", "signature": base64.b64encode(b"\x00bundle").decode()}
    assert other.exit_code == Exit.CONFLICT


def test_signatures_of_the_platform_are_verified_with_keys_of_ours(opampctl: Run, api: RestDouble, desk: Desk) -> None:
    """Whatever else is there; of formats we cannot check nothing is believed."""

    def said(form: str, signature: bytes) -> dict[str, str]:
        return {"format": form, "signature": base64.b64encode(signature).decode()}

    words = ("packages", "verify", str(desk.file), "--public-key", str(desk.public), "--package", "f1")
    lies = [
        said("ed25519", desk.signature(desk.stranger)),
        said("ed25519", desk.signature(sha256=bytes(32))),
        said("cosign", desk.signature()),
    ]
    api.answers = {"GET /packages/f1/signatures": {"signatures": lies}}
    assert opampctl(*words).exit_code == Exit.FAILED

    api.answers = {"GET /packages/f1/signatures": {"signatures": [*lies, said("ed25519", desk.signature())]}}
    assert opampctl(*words).exit_code == 0


def test_keys_are_listed_added_and_revoked(opampctl: Run, api: RestDouble, desk: Desk) -> None:
    """Revoking asks first."""
    key = {
        "id": desk.key_id,
        "name": "release",
        "origin": "registered",
        "created_at": "2026-11-20T10:00:00Z",
        "revoked_at": None,
    }
    revoked = {**key, "id": "b" * 32, "revoked_at": "2026-11-20T10:00:00Z"}
    api.answers = {
        "GET /package-keys": {"keys": [key, revoked], "signature_required": False},
        "POST /package-keys": key,
        f"DELETE /package-keys/{desk.key_id}": key,
    }

    listed = opampctl("packages", "keys", "list")
    data = opampctl("packages", "keys", "list", "-o", "json")
    added = opampctl("packages", "keys", "add", str(desk.public), "--name", "release")
    body = api.calls[-1].body

    assert all(word in listed.stdout for word in (desk.key_id, "good", "revoked"))
    assert len(json.loads(data.stdout)["keys"]) == 2
    assert added.exit_code == 0, added.output
    assert base64.b64decode(body["public_key"]) == signing.read_public_key(desk.public)
    assert opampctl("packages", "keys", "revoke", desk.key_id, stdin="n\n").exit_code != 0
    assert api.paths("DELETE") == []
    assert opampctl("packages", "keys", "revoke", desk.key_id, "--yes").exit_code == 0


def test_manifest_is_shown_and_believed(opampctl: Run, api: RestDouble, desk: Desk) -> None:
    """With a key of ours; the file at hand is in it, another is not."""
    api.answers = {"GET /package-manifests/stable": desk.envelope()}
    verify = ("packages", "manifest", "verify", "stable", "--public-key", str(desk.public))

    shown = opampctl("packages", "manifest", "show", "stable")
    data = opampctl("packages", "manifest", "show", "stable", "-o", "json")
    good = opampctl(*verify, str(desk.file), "--package", "collector")

    assert all(word in shown.stdout for word in ("collector", "1.10.0", desk.sha256.hex(), "not verified"))
    assert json.loads(data.stdout) == desk.envelope()
    assert (good.exit_code, "Version 7" in good.stderr) == (0, True), good.output
    assert opampctl(*verify, str(desk.public)).exit_code == Exit.FAILED


def test_file_must_be_what_it_is_taken_for(opampctl: Run, api: RestDouble, desk: Desk, tmp_path: Path) -> None:
    """An older version is refused unless it is named, another package always; without --package the name decides."""
    (old,) = desk.manifest.targets
    newer = replace(old, version="1.11.0", sha256="0" * 64)
    api.answers = {"GET /package-manifests/stable": desk.envelope(replace(desk.manifest, targets=(old, newer)))}
    verify = ("packages", "manifest", "verify", "stable", "--public-key", str(desk.public))
    downloaded = tmp_path / "collector-1.10.0-linux-amd64"
    downloaded.write_bytes(CONTENT)

    stale = opampctl(*verify, str(desk.file), "--package", "collector")
    named = opampctl(*verify, str(desk.file), "--package", "collector@1.10.0")
    labelled = opampctl(*verify, str(downloaded))

    assert (stale.exit_code, "1.11.0" in stale.stderr) == (Exit.FAILED, True), stale.output
    assert (named.exit_code, "collector 1.10.0 linux/amd64" in named.stderr) == (0, True), named.output
    assert labelled.exit_code == 0, labelled.output
    for words in (("--package", "other"), ("--package", "collector@1.11.0"), ()):
        assert opampctl(*verify, str(desk.file), *words).exit_code == Exit.FAILED
    assert opampctl(*verify, "--package", "collector").exit_code == Exit.USAGE


def test_tenants_of_one_server_are_no_rollback_of_each_other(opampctl: Run, api: RestDouble, desk: Desk) -> None:
    """What was believed of one tenant's channel says nothing of another's."""
    verify = ("packages", "manifest", "verify", "stable", "--public-key", str(desk.public))
    api.answers = {"GET /package-manifests/stable": desk.envelope()}
    assert opampctl(*verify).exit_code == 0

    api.answers = {"GET /package-manifests/stable": desk.envelope(replace(desk.manifest, tenant_id="b", version=1))}

    assert opampctl(*verify, "--tenant", "b").exit_code == 0


def test_manifests_that_lie_are_refused(opampctl: Run, api: RestDouble, desk: Desk) -> None:
    """Wrong key, changed, older, same version with other content, expired, another channel: each with its reason."""
    verify = ("packages", "manifest", "verify", "stable", "--public-key", str(desk.public))
    api.answers = {"GET /package-manifests/stable": desk.envelope(replace(desk.manifest, version=8))}
    assert opampctl(*verify).exit_code == 0

    changed = desk.envelope(replace(desk.manifest, version=9))
    changed["payload"] = desk.envelope(replace(desk.manifest, version=10))["payload"]
    lies: dict[str, list[dict[str, Any]]] = {
        "unsigned": [desk.envelope(replace(desk.manifest, version=9), desk.stranger), changed],
        "older": [desk.envelope()],
        "replaced": [desk.envelope(replace(desk.manifest, version=8, targets=()))],
        "expired": [desk.envelope(replace(desk.manifest, version=9, expires_at=NOW - timedelta(days=1)))],
        "tenant": [desk.envelope(replace(desk.manifest, version=9, tenant_id="other"))],
        "channel": [desk.envelope(replace(desk.manifest, version=9, channel="beta"))],
        "malformed": [{}],
    }
    for reason, envelopes in lies.items():
        for envelope in envelopes:
            api.answers = {"GET /package-manifests/stable": envelope}
            refused = opampctl(*verify)
            assert (refused.exit_code, f"reason: {reason}" in refused.stderr) == (Exit.FAILED, True), refused.stderr

    api.answers = {"GET /package-manifests/stable": desk.envelope(replace(desk.manifest, version=8))}
    assert opampctl(*verify).exit_code == 0


def test_threshold_of_keys(anonymous: Run, desk: Desk, tmp_path: Path) -> None:
    """Signed by one, then by another beside it, from files alone."""
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(json.dumps(desk.envelope()))
    verify = ("packages", "manifest", "verify", "stable", "--threshold", "2")
    trust = ("--public-key", str(desk.public), "--public-key", str(desk.stranger_public))

    signed = anonymous("packages", "manifest", "sign", "stable", "--key", str(desk.stranger), "--file", str(one))
    two.write_text(signed.stdout)

    assert signed.exit_code == 0, signed.output
    assert anonymous(*verify, *trust, "--file", str(one)).exit_code == Exit.FAILED
    assert anonymous(*verify, *trust, "--file", str(two)).exit_code == 0


def test_manifest_is_signed_where_the_key_is_and_published(
    opampctl: Run, api: RestDouble, desk: Desk, tmp_path: Path
) -> None:
    """Drafted by the platform, signed here, published there; of the wrong channel nothing is signed."""
    payload = base64.b64encode(terms.payload_of(desk.manifest)).decode()
    api.answers = {
        "GET /package-manifests/stable/draft": {"payloadType": terms.PAYLOAD_TYPE, "payload": payload},
        "GET /package-manifests/beta/draft": {"payloadType": terms.PAYLOAD_TYPE, "payload": payload},
        "POST /package-manifests/stable": desk.envelope(),
    }
    path = tmp_path / "stable.json"

    signed = opampctl("packages", "manifest", "sign", "stable", "--key", str(desk.key))
    path.write_text(signed.stdout)
    published = opampctl("packages", "manifest", "publish", "stable", "--file", str(path))
    sent = api.calls[-1].body
    by_platform = opampctl("packages", "manifest", "publish", "stable")

    assert signed.exit_code == published.exit_code == by_platform.exit_code == 0, published.output
    assert sent == desk.envelope()
    assert not api.calls[-1].body
    assert opampctl("packages", "manifest", "sign", "beta", "--key", str(desk.key)).exit_code == Exit.USAGE
    path.write_text("nonsense")
    assert opampctl("packages", "manifest", "publish", "stable", "--file", str(path)).exit_code == Exit.USAGE

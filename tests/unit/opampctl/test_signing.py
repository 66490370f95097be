"""Keys, signatures and the memory of manifests on this machine."""

from __future__ import annotations

import base64
import stat
from typing import TYPE_CHECKING

import pytest

from contracts.package_signing import Seen, key_id_of, statement_of
from opampctl import signing
from opampctl.exits import CommandError

if TYPE_CHECKING:
    from pathlib import Path


def test_key_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    """Its private half readable by nobody else; an existing file is never overwritten."""
    path = tmp_path / "key.pem"

    public_path, key_id = signing.generate_key(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    public = signing.read_public_key(public_path)
    assert public == signing.read_private_key(path).public_key().public_bytes_raw()
    assert key_id == key_id_of(public)
    before = path.read_bytes()
    with pytest.raises(CommandError, match="exists"):
        signing.generate_key(path)
    assert path.read_bytes() == before


def test_public_key_may_be_base64(tmp_path: Path) -> None:
    """As the API shows it."""
    public_path, _ = signing.generate_key(tmp_path / "key.pem")
    raw = signing.read_public_key(public_path)
    (tmp_path / "plain").write_text(base64.b64encode(raw).decode() + "\n")

    assert signing.read_public_key(tmp_path / "plain") == raw


def test_what_is_no_key_is_said(tmp_path: Path) -> None:
    """Nonsense, the other half, nothing."""
    public_path, _ = signing.generate_key(tmp_path / "key.pem")
    (tmp_path / "nonsense").write_text("nonsense")

    for path in (tmp_path / "nonsense", public_path, tmp_path / "missing"):
        with pytest.raises(CommandError):
            signing.read_private_key(path)
    for path in (tmp_path / "nonsense", tmp_path / "key.pem", tmp_path / "missing"):
        with pytest.raises(CommandError):
            signing.read_public_key(path)


def test_signer_is_found_among_the_trusted(tmp_path: Path) -> None:
    """Over this file, by one of these keys."""
    public_path, key_id = signing.generate_key(tmp_path / "key.pem")
    stranger_path, _ = signing.generate_key(tmp_path / "stranger.pem")
    (tmp_path / "file").write_bytes(b"content")
    digest = signing.digest_of_file(tmp_path / "file")
    signature = signing.read_private_key(tmp_path / "key.pem").sign(statement_of(digest))
    mine, stranger = signing.read_public_key(public_path), signing.read_public_key(stranger_path)

    assert signing.signer_of(signature, digest, [stranger, mine]) == key_id
    assert signing.signer_of(signature, digest, [stranger]) is None
    assert signing.signer_of(signature, bytes(32), [mine]) is None
    assert signing.signer_of(b"short", digest, [mine]) is None
    assert signing.checks_of([mine])[key_id](signature, digest)
    with pytest.raises(CommandError):
        signing.digest_of_file(tmp_path / "missing")


def test_memory_is_by_server_tenant_and_channel(tmp_path: Path) -> None:
    """What was believed of one says nothing of the other; it survives the process."""
    path = tmp_path / "home" / "manifests.json"
    memory = signing.Memory(path)
    assert memory.seen("http://a", "one", "stable") is None

    memory.remember("http://a", "one", "stable", Seen(7, "d"))
    memory.remember("http://a", "one", "beta", Seen(9, "e"))

    again = signing.Memory(path)
    assert again.seen("http://a", "one", "stable") == Seen(7, "d")
    assert again.seen("http://a", "one", "beta") == Seen(9, "e")
    assert again.seen("http://b", "one", "stable") is None
    assert again.seen("http://a", "two", "stable") is None


@pytest.mark.parametrize("text", ["{", "[]", '{"http://a one stable": {}}', '{"http://a one stable": 5}'])
def test_damaged_memory_is_no_clean_slate(tmp_path: Path, text: str) -> None:
    """Whoever could empty it could lead us back."""
    path = tmp_path / "manifests.json"
    path.write_text(text)

    with pytest.raises(CommandError, match="damaged"):
        signing.Memory(path).seen("http://a", "one", "stable")

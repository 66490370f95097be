from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from devstack.authority import load_or_make_authority

if TYPE_CHECKING:
    from pathlib import Path


def test_keys_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    """A second start finds those of the first: agents' credentials hang on them."""
    first = load_or_make_authority(tmp_path)
    files = sorted(tmp_path.iterdir())
    before = [file.read_bytes() for file in files]

    assert load_or_make_authority(tmp_path) == first
    assert [file.read_bytes() for file in files] == before
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert len(first.credential_key.read_text().strip()) >= 32


def test_the_authority_signs_leaves_and_nothing_else(tmp_path: Path) -> None:
    """Its certificate belongs to its key, and allows no further authority beneath it."""
    files = load_or_make_authority(tmp_path)
    certificate = x509.load_pem_x509_certificate(files.ca_certificate.read_bytes())
    key = load_pem_private_key(files.ca_key.read_bytes(), None)

    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(certificate)


def test_half_an_authority_is_made_anew(tmp_path: Path) -> None:
    """A crash between key and certificate leaves nothing that does not fit."""
    files = load_or_make_authority(tmp_path)
    files.ca_certificate.unlink()

    load_or_make_authority(tmp_path)

    certificate = x509.load_pem_x509_certificate(files.ca_certificate.read_bytes())
    assert certificate.public_key() == load_pem_private_key(files.ca_key.read_bytes(), None).public_key()

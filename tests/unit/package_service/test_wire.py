"""Ids and hashes as people write them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from package_service import wire
from package_service.errors import InvalidPackage, PackageNotFound, UploadNotFound
from package_service.file_store import File
from package_service.upload_store import Upload

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILE = File(
    tenant_id="t",
    file_id=uuid.UUID(int=1),
    name="a",
    version="1.0.0",
    platform="linux",
    arch="any",
    type="addon",
    sha256=bytes(32),
    size=5,
    description="",
    active=True,
    created_by="ann",
    created_at=NOW,
    updated_at=NOW,
    downloads=2,
    damaged_at=None,
)


def test_file_message_keeps_everything() -> None:
    """And says nothing of damage where there is none."""
    message = wire.file_message(FILE)

    assert (message.id, message.type, message.size, message.downloads) == (str(FILE.file_id), "addon", 5, 2)
    assert not message.HasField("damaged_at")
    assert wire.file_view(FILE)["sha256"] == "00" * 32


def test_upload_ends_a_while_after_its_last_byte() -> None:
    """Not after its beginning."""
    later = NOW + timedelta(hours=1)
    upload = Upload("t", uuid.UUID(int=2), None, 10, None, 5, 5, 1, "m", None, "ann", NOW, later)

    message = wire.upload_message(upload, timedelta(hours=2))

    assert message.offset == 5
    assert message.expires_at.ToDatetime(UTC) == NOW + timedelta(hours=3)


def test_ids_that_cannot_be_name_nothing() -> None:
    """404, not 500."""
    with pytest.raises(PackageNotFound):
        wire.file_id_of("../x")
    with pytest.raises(UploadNotFound):
        wire.upload_id_of("")


def test_hashes_are_read_or_refused() -> None:
    """Empty is none; anything but 32 bytes is told with its field."""
    assert wire.digest_of_text("") is None
    assert wire.digest_of_text("ab" * 32) == b"\xab" * 32
    for text in ("ab", "x" * 64, "\u0661" * 64):
        with pytest.raises(InvalidPackage) as caught:
            wire.digest_of_text(text)
        assert caught.value.details[0].field == "sha256"

"""Settings."""

from __future__ import annotations

import pytest

from package_service.settings import PackageServiceSettings
from servicekit.settings import SettingsError, read

GOOD = {"PACKAGE_SERVICE_POSTGRES_URL": "postgresql://x"}


def test_defaults_stand_on_their_own() -> None:
    """Only the database must be named."""
    settings = read(PackageServiceSettings, GOOD)

    assert (settings.port, settings.s3_bucket, settings.downloads) == (8090, "agent-packages", "proxy")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("S3_ENDPOINT", "minio:9000"),
        ("PART_BYTES", "1000"),
        ("MAX_FILE_BYTES", str(6 * 1024**3)),
        ("DOWNLOADS", "torrent"),
        ("PRESIGNED_SECONDS", "86400"),
        ("S3_BUCKET", "x"),
        ("SIGNING_KEY", "hunter2"),
        ("MANIFEST_THRESHOLD", "0"),
        ("PUBLIC_URL", "files.example.org"),
        ("LEVEL_INTERVAL_SECONDS", "61"),
        ("INLINE_CONTENT_BYTES", "65537"),
    ],
)
def test_what_cannot_work_is_refused_at_start(variable: str, value: str) -> None:
    """Parts smaller than S3 takes, files longer than it copies, addresses for a day or without a scheme."""
    with pytest.raises(SettingsError, match=variable):
        read(PackageServiceSettings, {**GOOD, f"PACKAGE_SERVICE_{variable}": value})


def test_secrets_are_masked() -> None:
    """Nobody prints the key of the store."""
    settings = read(PackageServiceSettings, {**GOOD, "PACKAGE_SERVICE_S3_SECRET_KEY": "hidden"})

    assert "hidden" not in repr(settings)

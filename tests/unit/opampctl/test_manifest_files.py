"""What a file is by a manifest: neither an older version nor another package passes for it."""

from __future__ import annotations

import pytest

from contracts.package_signing import Target
from opampctl.manifest_files import NotThatFileError, described, identify


def target(name: str, version: str, sha256: str, platform: str = "linux") -> Target:
    """Make an entry."""
    return Target(name, version, platform, "amd64", sha256, 7)


TARGETS = (
    target("otelcol", "1.9.0", "old"),
    target("otelcol", "1.10.0", "new"),
    target("otelcol", "2.0.0", "win", "windows"),
    target("agent", "3.0.0", "agent"),
    target("edge", "1.0.0-rc.2", "rc2"),
    target("edge", "1.0.0-rc.10", "rc10"),
    target("final", "1.0.0-rc.1", "early"),
    target("final", "1.0.0", "late"),
    target("twice", "1.0.0", "same"),
    target("twice", "1.1.0", "same"),
)


@pytest.mark.parametrize(
    ("name", "sha256", "package", "version"),
    [
        ("otelcol", "new", "", ""),
        ("otelcol.tar.gz", "new", "", ""),
        ("otelcol.exe", "win", "", ""),
        ("otelcol-1.9.0-linux-amd64", "old", "", ""),
        ("any", "new", "otelcol", ""),
        ("any", "old", "otelcol", "1.9.0"),
        ("edge", "rc10", "", ""),
        ("final", "late", "", ""),
        ("twice", "same", "", ""),
    ],
)
def test_what_it_is_taken_for(name: str, sha256: str, package: str, version: str) -> None:
    """By its own name or by what is said; the newest for its platform, or the version named."""
    assert identify(name, sha256, TARGETS, package, version).sha256 == sha256


@pytest.mark.parametrize(
    ("name", "sha256", "package", "version", "why"),
    [
        ("otelcol", "unknown", "", "", "not in it"),
        ("otelcol", "old", "", "", "otelcol 1.9.0 linux/amd64, and there is a newer one: 1.10.0"),
        ("otelcol", "agent", "", "", "is agent 3.0.0 linux/amd64, not what its name says"),
        ("otelcol-1.10.0-linux-amd64", "old", "", "", "not what its name says"),
        ("otelcol-contrib", "new", "", "", "not what its name says"),
        ("agent", "agent", "otelcol", "", "not otelcol"),
        ("any", "old", "otelcol", "", "a newer one: 1.10.0"),
        ("any", "old", "otelcol", "1.10.0", "not otelcol 1.10.0"),
        ("edge", "rc2", "", "", "a newer one: 1.0.0-rc.10"),
        ("final", "early", "", "", "a newer one: 1.0.0"),
    ],
)
def test_what_it_is_not(name: str, sha256: str, package: str, version: str, why: str) -> None:
    """An older version, another package, other bytes; the sentence says what it is."""
    with pytest.raises(NotThatFileError, match=why):
        identify(name, sha256, TARGETS, package, version)


def test_described_for_people() -> None:
    """Name, version and machine."""
    assert described(TARGETS[0]) == "otelcol 1.9.0 linux/amd64"

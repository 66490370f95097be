"""Hashes and lists, as the specification asks."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from uuid import UUID

import pytest

from opamp.v1 import opamp_pb2 as opamp
from package_service.offering import packages
from package_service.offering.packages import Entry

URL = "https://files.example"
ONE = Entry("collector", "top_level", "1.0.0", UUID(int=1), b"c" * 32)
TWO = Entry("plugin", "addon", "2.0.0", UUID(int=2), b"d" * 32, b"signed")


@pytest.mark.parametrize(
    "other",
    [
        replace(ONE, name="collectors"),
        replace(ONE, type="addon"),
        replace(ONE, version="1.0.1"),
        replace(ONE, file_id=UUID(int=3)),
        replace(ONE, content_hash=b"e" * 32),
        replace(ONE, signature=b"s"),
    ],
)
def test_package_hash_covers_every_field(other: Entry) -> None:
    """Name, type, version, address, content and signature: a change of any changes it."""
    assert packages.package_hash(other, URL) != packages.package_hash(ONE, URL)
    assert packages.package_hash(ONE, "https://elsewhere") != packages.package_hash(ONE, URL)


def test_package_hash_is_what_is_written_down() -> None:
    """SHA-256 over the fields, each led by its length; anybody can reckon it again."""
    fields = [b"collector", b"top_level", b"1.0.0", f"{URL}/v1/files/{UUID(int=1)}".encode(), b"c" * 32, b""]
    text = b"".join(len(part).to_bytes(8, "big") + part for part in fields)

    assert packages.package_hash(ONE, URL) == hashlib.sha256(text).digest()


def test_fields_do_not_run_into_each_other() -> None:
    """Moving a letter from one field to the next is another package."""
    shifted = replace(ONE, name="collectort", type="op_level")

    assert packages.package_hash(shifted, URL) != packages.package_hash(ONE, URL)


def test_all_packages_hash_depends_on_what_is_in_it_not_on_its_order() -> None:
    """Adding, removing, renaming and changing a package changes it; the order of the map does not."""
    hashes = {"a": b"1" * 32, "b": b"2" * 32}
    whole = packages.all_packages_hash(hashes)

    assert packages.all_packages_hash(dict(reversed(hashes.items()))) == whole
    others = [
        {"a": b"1" * 32},
        {**hashes, "c": b"3" * 32},
        {"a": b"1" * 32, "z": b"2" * 32},
        {**hashes, "b": b"4" * 32},
    ]
    assert whole not in [packages.all_packages_hash(other) for other in others]


def test_empty_list_has_a_hash() -> None:
    """An agent that accepts packages always gets one."""
    assert packages.available([], URL).all_packages_hash == hashlib.sha256(b"").digest()


def test_list_names_every_package_once_and_whole() -> None:
    """Type, version, file and hash of each, keyed by name."""
    message = packages.available([ONE, TWO], URL)

    assert sorted(message.packages) == ["collector", "plugin"]
    plugin = message.packages["plugin"]
    assert (plugin.type, plugin.version) == (opamp.PackageType_Addon, "2.0.0")
    assert plugin.file.download_url == f"{URL}/v1/files/{UUID(int=2)}"
    assert (plugin.file.content_hash, plugin.file.signature) == (b"d" * 32, b"signed")
    assert plugin.hash == packages.package_hash(TWO, URL)
    assert message.packages["collector"].type == opamp.PackageType_TopLevel
    assert packages.file_id_text(plugin.file.download_url) == str(UUID(int=2))


def test_fresh_ticket_is_the_same_list() -> None:
    """Headers are in neither hash; equal tickets make equal bytes."""
    body = packages.available([ONE, TWO], URL).SerializeToString(deterministic=True)
    monday, again, tuesday = (
        packages.with_headers(body, lambda file_id, day=day: f"Bearer {day} {file_id}")  # type: ignore[misc]
        for day in ("monday", "monday", "tuesday")
    )
    read = [opamp.PackagesAvailable.FromString(content) for content in (monday, tuesday)]

    assert monday == again != tuesday
    assert read[0].all_packages_hash == read[1].all_packages_hash
    assert read[0].packages["plugin"].hash == read[1].packages["plugin"].hash
    header = read[1].packages["plugin"].file.headers.headers[0]
    assert (header.key, header.value) == ("Authorization", f"Bearer tuesday {UUID(int=2)}")

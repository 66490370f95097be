"""
What an agent is sent: PackagesAvailable, and the two hashes that stand for it. Pure.

package hash      SHA-256 over name, type, version, download URL, content hash and signature, each led by its
                  length in eight bytes. Headers do not enter: a fresh ticket is the same package.
all_packages_hash SHA-256 over name and package hash of every package in order of name, led by lengths alike. So it
                  changes when a package comes, goes, changes its name or its content, and with nothing else; the
                  order of the map and what an agent installed on its own do not matter.

The empty list has a hash too: that of nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from opamp.v1 import opamp_pb2 as opamp
from package_service.package import PackageType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_TYPES = {
    PackageType.TOP_LEVEL: opamp.PackageType_TopLevel,
    PackageType.ADDON: opamp.PackageType_Addon,
}
_LENGTH_BYTES = 8
_FILES = "/v1/files/"


@dataclass(frozen=True, slots=True)
class Entry:
    """One package of a list."""

    name: str
    type: str
    version: str
    file_id: UUID
    content_hash: bytes
    signature: bytes = b""
    """Verbatim; empty = none."""


def url_of(public_url: str, file_id: UUID) -> str:
    """Write where a file is fetched."""
    return f"{public_url}{_FILES}{file_id}"


def file_id_text(url: str) -> str:
    """Read the id of a file, as text, from where it is fetched."""
    return url.rpartition("/")[2]


def package_hash(entry: Entry, public_url: str) -> bytes:
    """Hash everything an agent is told of a package, but for headers."""
    return _digest(
        [
            entry.name.encode(),
            entry.type.encode(),
            entry.version.encode(),
            url_of(public_url, entry.file_id).encode(),
            entry.content_hash,
            entry.signature,
        ]
    )


def all_packages_hash(hashes: Mapping[str, bytes]) -> bytes:
    """Hash a whole list; *hashes* is name to package hash."""
    return _digest(part for name in sorted(hashes) for part in (name.encode(), hashes[name]))


def available(entries: Iterable[Entry], public_url: str) -> opamp.PackagesAvailable:
    """Write a list without headers."""
    message = opamp.PackagesAvailable()
    hashes: dict[str, bytes] = {}
    for entry in entries:
        hashes[entry.name] = package_hash(entry, public_url)
        message.packages[entry.name].CopyFrom(
            opamp.PackageAvailable(
                type=_TYPES[PackageType(entry.type)],
                version=entry.version,
                file=opamp.DownloadableFile(
                    download_url=url_of(public_url, entry.file_id),
                    content_hash=entry.content_hash,
                    signature=entry.signature,
                ),
                hash=hashes[entry.name],
            )
        )
    message.all_packages_hash = all_packages_hash(hashes)
    return message


def file_ids(body: bytes) -> set[UUID]:
    """Name the files of a serialised list."""
    listed = opamp.PackagesAvailable.FromString(body).packages.values()
    return {UUID(file_id_text(package.file.download_url)) for package in listed}


def with_headers(body: bytes, header_of: Callable[[str], str]) -> bytes:
    """
    Write what is sent.

    Args:
        body: A serialised list without headers.

        header_of: Id of a file, as text, to the value of the header Authorization that fetches it.

    Returns:
        The serialised PackagesAvailable; equal input makes equal bytes.
    """
    message = opamp.PackagesAvailable.FromString(body)
    for package in message.packages.values():
        del package.file.headers.headers[:]
        package.file.headers.headers.add(key="Authorization", value=header_of(file_id_text(package.file.download_url)))
    return message.SerializeToString(deterministic=True)


def _digest(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(_LENGTH_BYTES, "big") + part)
    return digest.digest()

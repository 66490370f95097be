"""
The packages of one agent: what it has, what it was offered, how far it is with it. Pure.

Hashes of packages are kept and compared, never made (OpAMP "Calculating Hashes"). What was never offered is the
agent's own: no offer removes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from collections.abc import Mapping

INSTALLED = opamp.PackageStatusEnum_Installed
PENDING = opamp.PackageStatusEnum_InstallPending
INSTALLING = opamp.PackageStatusEnum_Installing
FAILED = opamp.PackageStatusEnum_InstallFailed
DOWNLOADING = opamp.PackageStatusEnum_Downloading

REPORT_PERCENT = 25.0
"""A download tells how far it is in steps of so much."""


@dataclass(slots=True)
class Package:
    """One package as the agent sees it."""

    version: str = ""
    """What it has; empty = nothing."""

    hash: bytes = b""
    content_hash: bytes = b""
    offered: opamp.PackageAvailable | None = None
    """What it was offered last; None = the package is its own."""

    status: opamp.PackageStatusEnum = PENDING
    error: str = ""
    percent: float = 0.0
    bytes_per_second: float = 0.0

    @property
    def is_done(self) -> bool:
        """What was offered is what is there."""
        return self.offered is None or (self.status == INSTALLED and self.hash == self.offered.hash)

    @property
    def has_file(self) -> bool:
        """The offered file is at hand: nothing needs to be downloaded."""
        return bool(self.version) and self.offered is not None and self.content_hash == self.offered.file.content_hash


class Packages:
    """
    All packages of one agent.

    Attributes:
        all_hash: all_packages_hash of the last offer.

        offers: How many offers came.

        removed: How many packages were removed because they were offered no more.

        of: Package by name.
    """

    __slots__ = ("all_hash", "of", "offers", "removed")

    def __init__(self, local: Mapping[str, str] | None = None) -> None:
        self.all_hash = b""
        self.offers = 0
        self.removed = 0
        self.of = {
            name: Package(version, b"local " + version.encode(), status=INSTALLED)
            for name, version in (local or {}).items()
        }

    @property
    def versions(self) -> dict[str, str]:
        """What the agent has."""
        return {name: each.version for name, each in self.of.items() if each.version}

    def remember(self, statuses: opamp.PackageStatuses) -> None:
        """Take up where the report of an earlier process ended; what was under way then is to be begun anew."""
        self.all_hash = statuses.server_provided_all_packages_hash
        for name, told in statuses.packages.items():
            one = self.of[name] = Package(told.agent_has_version, told.agent_has_hash, error=told.error_message)
            if told.server_offered_hash:
                one.offered = opamp.PackageAvailable(version=told.server_offered_version, hash=told.server_offered_hash)
            one.status = INSTALLED if one.offered is None or one.hash == one.offered.hash else FAILED

    def take(self, offer: opamp.PackagesAvailable) -> bool:
        """
        Take an offer: the whole list of what the agent should have.

        What failed is tried again when it is offered again; the server decides whether it is.

        Returns:
            Whether there is something to do or to say.
        """
        self.offers += 1
        known = offer.all_packages_hash == self.all_hash
        if known and not any(each.status == FAILED for each in self.of.values()):
            return False
        self.all_hash = offer.all_packages_hash
        for name in [name for name, each in self.of.items() if each.offered and name not in offer.packages]:
            self.removed += bool(self.of.pop(name).version)
        for name, wanted in offer.packages.items():
            one = self.of.setdefault(name, Package())
            one.offered, one.error, one.percent, one.bytes_per_second = wanted, "", 0.0, 0.0
            one.status = INSTALLED if one.version and one.hash == wanted.hash else PENDING
        return True

    def due(self) -> str | None:
        """Name the next package to work on; None = all is done, well or badly."""
        return next((name for name, each in self.of.items() if not each.is_done and each.status != FAILED), None)

    def download(self, name: str, percent: float, bytes_per_second: float) -> bool:
        """
        Note how far a download is.

        Returns:
            Whether to report it.
        """
        one = self.of[name]
        news = one.status != DOWNLOADING or percent - one.percent >= REPORT_PERCENT
        if news:
            one.status, one.percent, one.bytes_per_second = DOWNLOADING, percent, bytes_per_second
        return news

    def install(self, name: str) -> None:
        """Begin to install what is at hand."""
        self.of[name].status = INSTALLING

    def installed(self, name: str) -> None:
        """End the installation: what was offered takes the place of what was there."""
        one = self.of[name]
        if one.offered is not None:
            one.version, one.hash, one.content_hash = (
                one.offered.version,
                one.offered.hash,
                one.offered.file.content_hash,
            )
        one.status = INSTALLED

    def failed(self, name: str, error: str) -> None:
        """Give up; the agent keeps what it had."""
        one = self.of[name]
        one.status, one.error = FAILED, error

    def report(self) -> opamp.PackageStatuses:
        """Write the whole list."""
        statuses = opamp.PackageStatuses(server_provided_all_packages_hash=self.all_hash)
        for name, each in self.of.items():
            status = statuses.packages[name]
            status.name, status.status, status.error_message = name, each.status, each.error
            status.agent_has_version, status.agent_has_hash = each.version, each.hash
            if each.offered is not None:
                status.server_offered_version = each.offered.version
                status.server_offered_hash = each.offered.hash
            if each.status == DOWNLOADING:
                status.download_details.download_percent = each.percent
                status.download_details.download_bytes_per_second = each.bytes_per_second
        return statuses

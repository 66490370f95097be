"""What must hold of every package status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from opampctl.conformance.as_server.said import Said

_NONE = "no package status was reported"
_INSTALLED = opamp.PackageStatusEnum_Installed
_INSTALLING = opamp.PackageStatusEnum_Installing
_FAILED = opamp.PackageStatusEnum_InstallFailed
_PENDING = opamp.PackageStatusEnum_InstallPending
_DOWNLOADING = opamp.PackageStatusEnum_Downloading


def _each(
    said: Said, about: Callable[[opamp.PackageStatus], bool], good: Callable[[opamp.PackageStatus], object]
) -> bool | None:
    found = [each for each in said.message.package_statuses.packages.values() if about(each)]
    return all(good(each) for each in found) if found else None


@rule("C-138", broken="", unseen=_NONE)
def progress_is_told_in_package_statuses(said: Said) -> bool | None:
    """Package statuses were seen."""
    return True if said.message.package_statuses.packages else None


@rule("C-142", broken="a status without name, or with another than its key", unseen=_NONE)
def names_are_their_keys(said: Said) -> bool | None:
    """The name is the key."""
    found = said.message.package_statuses.packages
    return all(each.name == key for key, each in found.items()) if found else None


@rule("C-143", broken="an installed package without agent_has_version", unseen="no package was installed")
def installed_packages_have_a_version(said: Said) -> bool | None:
    """Installed means there is a version."""
    return _each(said, lambda each: each.status == _INSTALLED, lambda each: each.agent_has_version)


@rule("C-145", broken="an installed package without agent_has_hash", unseen="no package was installed")
def installed_packages_have_a_hash(said: Said) -> bool | None:
    """Installed means there is a hash."""
    return _each(said, lambda each: each.status == _INSTALLED, lambda each: each.agent_has_hash)


@rule("C-151", broken="an installed package with an error", unseen="no package was installed")
def installed_packages_have_no_error(said: Said) -> bool | None:
    """Installed means there is no error."""
    return _each(said, lambda each: each.status == _INSTALLED, lambda each: not each.error_message)


@rule("C-152", broken="Installing without the offered hash", unseen="no package was being installed")
def installing_tells_the_offer(said: Said) -> bool | None:
    """Installing names what is installed."""
    return _each(said, lambda each: each.status == _INSTALLING, lambda each: each.server_offered_hash)


@rule("C-153", broken="Installing with an error", unseen="no package was being installed")
def installing_has_no_error(said: Said) -> bool | None:
    """Installing means there is no error."""
    return _each(said, lambda each: each.status == _INSTALLING, lambda each: not each.error_message)


@rule("C-154", broken="InstallFailed without the offered hash", unseen="no package failed")
def failures_tell_the_offer(said: Said) -> bool | None:
    """InstallFailed names what failed."""
    return _each(said, lambda each: each.status == _FAILED, lambda each: each.server_offered_hash)


@rule("C-155", broken="", unseen="no failure was explained")
def failures_may_say_why(said: Said) -> bool | None:
    """An explained failure was seen."""
    return _each(said, lambda each: each.status == _FAILED and bool(each.error_message), lambda _each: True)


@rule("C-156", broken="Downloading without the offered hash, or with an error", unseen="no package was being fetched")
def downloading_tells_the_offer(said: Said) -> bool | None:
    """Downloading names what is fetched."""
    return _each(
        said,
        lambda each: each.status == _DOWNLOADING,
        lambda each: each.server_offered_hash and not each.error_message,
    )


@rule("C-157", broken="InstallPending of what is installed already", unseen="no package was pending")
def pending_means_not_begun(said: Said) -> bool | None:
    """Pending is not what is at hand already."""
    return _each(
        said, lambda each: each.status == _PENDING, lambda each: each.agent_has_hash != each.server_offered_hash
    )


@rule("C-158", broken="download details although nothing is fetched", unseen="no download details came")
def details_only_while_downloading(said: Said) -> bool | None:
    """Details come with Downloading."""
    return _each(said, lambda each: each.HasField("download_details"), lambda each: each.status == _DOWNLOADING)


@rule("C-160", broken="an overall error although single packages failed", unseen="no overall error was reported")
def overall_error_is_for_no_single_package(said: Said) -> bool | None:
    """The overall error does not repeat that of a package."""
    statuses = said.message.package_statuses
    if not statuses.error_message:
        return None
    return all(each.error_message != statuses.error_message for each in statuses.packages.values())

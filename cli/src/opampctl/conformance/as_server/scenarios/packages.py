"""Packages: what is fetched, what is left alone, and what is told about it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import scenario
from opampctl.conformance.as_server.door import FILES
from opampctl.conformance.as_server.scene import Halt

if TYPE_CHECKING:
    from opampctl.conformance.as_server.said import Fetch, Said
    from opampctl.conformance.as_server.scene import Scene

_ACCEPTS = opamp.AgentCapabilities_AcceptsPackages
_REPORTS = opamp.AgentCapabilities_ReportsPackageStatuses
_INSTALLED, _FAILED = opamp.PackageStatusEnum_Installed, opamp.PackageStatusEnum_InstallFailed
_HASH_BYTES = 32
HEADER, VALUE = "X-Conformance", "package"


@dataclass
class Package:
    """A package as it is offered."""

    name: str
    content: bytes
    hash: bytes
    there: bool = True
    """Its file can be fetched."""

    version: str = "1.0.0"

    @property
    def path(self) -> str:
        """Where its file is."""
        return f"{FILES}{self.name}-{hashlib.sha256(self.content).hexdigest()[:8]}"


def package(name: str, *, there: bool = True) -> Package:
    """Make one nobody knows."""
    return Package(name, secrets.token_bytes(64), secrets.token_bytes(_HASH_BYTES), there)


def offer(scene: Scene, *packages: Package) -> opamp.PackagesAvailable:
    """Offer packages; their files are where they are said to be."""
    root = scene.setting.urls.http.replace("/v1/opamp", "")
    offered = opamp.PackagesAvailable(all_packages_hash=secrets.token_bytes(_HASH_BYTES))
    for each in packages:
        one = offered.packages[each.name]
        one.version, one.hash = each.version, each.hash
        one.file.download_url = root + each.path
        one.file.content_hash = hashlib.sha256(each.content).digest()
        one.file.headers.headers.add(key=HEADER, value=VALUE)
        if each.there:
            scene.door.files[each.path] = each.content
    return offered


@scenario(
    "C-052 C-118 C-121 C-122 C-123 C-124 C-125 C-126 C-127 C-128 C-129 C-134 C-136 C-137 C-139 C-140 C-147 C-149 C-159"
)
async def packages_are_synced(scene: Scene) -> None:
    """What is missing is fetched, what is known is not, what is offered no more goes."""
    await scene.meet()
    scene.need(_ACCEPTS)
    alpha, beta = package("alpha"), package("beta")
    offered = offer(scene, alpha)
    begun, mark = len(scene.log.fetches), await scene.tell(opamp.ServerToAgent(packages_available=offered))
    fetched = await scene.log.until(lambda: _fetches(scene, alpha, begun), scene.patience.effect)
    scene.judge("C-118 C-122 C-125", fetched, "an offered package is not fetched")
    if not fetched:
        raise Halt("the agent fetches nothing")
    scene.judge("C-127", fetched[0].method == "GET", f"the file is fetched by {fetched[0].method}")
    scene.judge("C-128", fetched[0].headers.get(HEADER.lower()) == VALUE, "the offered header is not sent")
    if scene.has(_REPORTS):
        said = await _settled(scene, "C-137 C-139", offered, mark)
        one = said.message.package_statuses.packages["alpha"]
        scene.judge("C-147", one.server_offered_version == alpha.version, "the offered version is not told")
        scene.judge("C-149", one.server_offered_hash == alpha.hash, "the offered hash is not told")
        told = said.message.package_statuses.server_provided_all_packages_hash
        scene.judge("C-159", told == offered.all_packages_hash, "the hash of all packages is not given back")
    await scene.full_report()

    begun, mark = len(scene.log.fetches), await scene.tell(opamp.ServerToAgent(packages_available=offered))
    news = await scene.quiet(mark)
    scene.judge("C-121 C-129", len(scene.log.fetches) == begun, "a known offer is fetched again")
    scene.judge("C-052", not news, "the same packages again cause a report")

    begun, more = len(scene.log.fetches), offer(scene, alpha, beta)
    mark = await scene.tell(opamp.ServerToAgent(packages_available=more))
    if not await scene.log.until(lambda: _fetches(scene, beta, begun), scene.patience.effect):
        scene.judge("C-122", condition=False, sentence="a second package is not fetched")
        raise Halt("the agent fetches no second package")
    if scene.has(_REPORTS):
        said = await _settled(scene, "C-139", more, mark)
        listed = {name for each in scene.log.since(mark) for name in each.message.package_statuses.packages}
        whole = all(
            "alpha" in each.message.package_statuses.packages
            for each in scene.log.since(mark)
            if "package_statuses" in each.parts
        )
        scene.judge("C-140", whole and listed >= {"alpha", "beta"}, "statuses list only what changed")
    scene.judge("C-123 C-134", not _fetches(scene, alpha, begun), "a package that stayed is fetched again")

    alpha.hash = secrets.token_bytes(_HASH_BYTES)
    begun, other = len(scene.log.fetches), offer(scene, alpha)
    mark = await scene.tell(opamp.ServerToAgent(packages_available=other))
    if scene.has(_REPORTS):
        said = await _settled(scene, "C-139", other, mark)
        gone = "beta" not in said.message.package_statuses.packages
        scene.judge("C-124", gone, "a package that is offered no more is still there")
    else:
        await scene.quiet(mark)
    scene.judge("C-126", not _fetches(scene, alpha, begun), "a file that is at hand is fetched again")


@scenario("C-139 C-144 C-146 C-159")
async def package_cannot_be_fetched(scene: Scene) -> None:
    """A package whose file is not there has failed, and is not at hand."""
    await scene.meet()
    scene.need(_ACCEPTS)
    scene.need(_REPORTS)
    gone = package("gamma", there=False)
    offered = offer(scene, gone)
    mark = await scene.tell(opamp.ServerToAgent(packages_available=offered))
    said = await _settled(scene, "C-139", offered, mark)
    one = said.message.package_statuses.packages["gamma"]
    scene.judge("C-144", not one.agent_has_version, "a version is told of a package that is not at hand")
    scene.judge("C-146", not one.agent_has_hash, "a hash is told of a package that is not at hand")
    told = said.message.package_statuses.server_provided_all_packages_hash
    scene.judge("C-159", told == offered.all_packages_hash, "the hash is not given back after a failure")


@scenario("C-141 C-148 C-150")
async def local_packages(scene: Scene) -> None:
    """Packages nobody offered have neither offered version nor offered hash."""
    await scene.meet()
    scene.need(_REPORTS)
    said = await scene.full_report()
    local = said.message.package_statuses.packages
    if not local:
        raise Halt("the agent has no packages of its own")
    scene.judge("C-141", condition=True, sentence="")
    scene.judge("C-148", not any(each.server_offered_version for each in local.values()), "an offered version is told")
    scene.judge("C-150", not any(each.server_offered_hash for each in local.values()), "an offered hash is told")


def _fetches(scene: Scene, one: Package, since: int) -> list[Fetch]:
    return [each for each in scene.log.fetches[since:] if each.path == one.path]


async def _settled(scene: Scene, rows: str, offered: opamp.PackagesAvailable, mark: int) -> Said:
    """Wait until every package that is listed is installed or has failed."""

    def fits(said: Said) -> bool:
        told = said.message.package_statuses.packages
        listed = {name: one for name, one in offered.packages.items() if name in told}
        return bool(listed) and all(
            told[name].status in (_INSTALLED, _FAILED) and told[name].server_offered_hash in (b"", one.hash)
            for name, one in listed.items()
        )

    found = await scene.hear(fits, mark, scene.patience.effect)
    scene.judge(rows, found is not None, "it is not told how the packages ended")
    if found is None:
        raise Halt("it is not told how the packages ended")
    await scene.full_report()
    last = [each for each in scene.log.since(mark) if fits(each)]
    return last[-1]

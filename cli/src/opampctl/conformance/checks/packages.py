"""S-093 to S-114: packages and their statuses."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from typing import TYPE_CHECKING, Any

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, invariant, untestable
from opampctl.conformance.checks.acting import attempt, hear_field, known, nothing_with, unused
from opampctl.conformance.connection import Gone
from opampctl.conformance.persona import REPORTS_STATUS
from opampctl.conformance.post import open_poster
from opampctl.conformance.target import Target
from opampctl.conformance.verdict import Failed, NotApplicable, require
from opampctl.conformance.wire import values

if TYPE_CHECKING:
    from opampctl.conformance.heard import Heard
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.persona import Persona
    from opampctl.conformance.probe import Probe, SocketLine

_TAKES_STATUS = int(opamp.ServerCapabilities_AcceptsPackagesStatus)
_CAPABILITIES = REPORTS_STATUS | int(
    opamp.AgentCapabilities_AcceptsPackages | opamp.AgentCapabilities_ReportsPackageStatuses
)
_MACHINE = {"host.arch": "amd64"}
_NONE_OFFERED = "no package was offered in this run"
_SHA256_BYTES = 32
_OK, _PARTIAL = 200, 206
_STRONG_BYTES = 16

A, B = "conformance-a", "conformance-b"
"""Names no package of the server's own is likely to have."""

untestable(
    {
        "S-102": "a hash does not show what went into it",
        "S-110": "a signature is a choice, of which a run without signed packages shows nothing",
    }
)


@check("S-093")
async def no_package_without_the_capability(probe: Probe) -> None:
    """A package set for an agent that does not accept one stays unsent."""
    agent = probe.persona(labels=_MACHINE)
    line = await probe.websocket()
    await line.ask(agent.full())
    await known(probe, agent)
    await attempt(probe, "offer_packages", agent, packages=_packages((A, b"1")))
    await nothing_with(probe, agent, line, lambda said: said.HasField("packages_available"), "a package")


@check("S-094")
async def package_is_offered(probe: Probe) -> None:
    """A package set for an agent comes to it."""
    agent, line = await _met(probe)
    await _offered(probe, agent, line, _packages((A, b"1")))


@invariant("S-095", broken="two packages of one name", unseen=_NONE_OFFERED)
def package_names_are_unique(record: Record) -> bool | None:
    """No name is twice among the entries as they stand in the bytes."""
    names = [tuple(values(entry, 1)) for entry in values(record.heard.data, 5, 1)]
    return len(set(names)) == len(names) if names else None


@check("S-096")
async def only_package_may_be_nameless(probe: Probe) -> None:
    """The only top-level package has an empty name."""
    agent, line = await _met(probe)
    if "" not in (await _offered(probe, agent, line, _packages((A, b"1")))).packages:
        raise unused("leave the name of the only package empty")


@invariant("S-097", broken="a package without its file", unseen=_NONE_OFFERED)
def package_is_one_file(record: Record) -> bool | None:
    """Each package has a file with a URL."""
    packages = record.heard.message.packages_available.packages
    return all(each.file.download_url for each in packages.values()) if packages else None


@invariant("S-098", broken="packages without their aggregate hash", unseen=_NONE_OFFERED)
def packages_have_an_aggregate_hash(record: Record) -> bool | None:
    """all_packages_hash is never empty."""
    message = record.heard.message
    return bool(message.packages_available.all_packages_hash) if message.HasField("packages_available") else None


@check("S-099")
async def aggregate_hash_is_compared(probe: Probe) -> None:
    """An agent that reports another aggregate hash is sent the packages."""
    await _compared(probe)


@check("S-100")
async def packages_come_only_if_hashes_differ(probe: Probe) -> None:
    """Another hash brings the packages, the same hash does not."""
    agent, line, wanted = await _compared(probe)
    await line.ask(agent.message(package_statuses=_statuses(wanted)))
    await nothing_with(
        probe,
        agent,
        line,
        lambda said: said.HasField("packages_available"),
        "packages whose hash the agent had reported",
    )


@check("S-101")
async def package_hashes_are_strong(probe: Probe) -> None:
    """Hashes are long, and differ where packages do."""
    agent, line = await _met(probe)
    offer = await _offered(probe, agent, line, _packages((A, b"1"), (B, b"2")))
    hashes = [each.hash for each in offer.packages.values()]
    require(all(len(each) >= _STRONG_BYTES for each in hashes), "a package hash has less than 16 bytes")
    require(len(set(hashes)) == len(hashes), "two different packages have one hash")


@check("S-103")
async def package_hash_follows_the_content(probe: Probe) -> None:
    """Another content, and another name, give another hash."""
    agent, line = await _met(probe)
    old = (await _offered(probe, agent, line, _packages((A, b"1")))).packages[A].hash
    new = await _offered(probe, agent, line, _packages((A, b"2"), (B, b"1")))
    require(new.packages[A].hash != old, "another content has the same hash")
    require(new.packages[B].hash != old, "another name has the same hash")


@check("S-104")
async def package_hash_follows_other_fields(probe: Probe) -> None:
    """Another version of the same content gives another hash."""
    agent, line = await _met(probe)
    old = (await _offered(probe, agent, line, _packages((A, b"1")))).packages[A].hash
    newer = _packages((A, b"1"))
    newer[0]["version"] = "1.0.1"
    new = (await _offered(probe, agent, line, newer)).packages[A].hash
    require(new != old, "another version has the same hash")


@check("S-105")
async def aggregate_hash_follows_the_packages(probe: Probe) -> None:
    """Adding, changing and removing a package each give another aggregate hash."""
    agent, line = await _met(probe)
    sets = (
        _packages((A, b"1")),
        _packages((A, b"1"), (B, b"2")),
        _packages((A, b"1"), (B, b"3")),
        _packages((B, b"3")),
    )
    found = [(await _offered(probe, agent, line, each)).all_packages_hash for each in sets]
    require(len(set(found)) == len(found), "two different sets of packages have one aggregate hash")


@check("S-106")
async def local_packages_do_not_count(probe: Probe) -> None:
    """An agent with packages of its own is offered the same aggregate hash as before."""
    agent, line = await _met(probe)
    wanted = (await _offered(probe, agent, line, _packages((A, b"1")))).all_packages_hash
    statuses = _statuses(os.urandom(_SHA256_BYTES))
    statuses.packages["local"].CopyFrom(opamp.PackageStatus(name="local", agent_has_version="9"))
    line.say(agent.message(package_statuses=statuses))
    offer = (await hear_field(probe, line, "packages_available")).message.packages_available
    require(offer.all_packages_hash == wanted, "local packages changed the aggregate hash")


@check("S-107")
async def content_hash_is_that_of_the_download(probe: Probe) -> None:
    """content_hash is the SHA-256 of the bytes at download_url."""
    file = await _file(probe)
    got = await _download(probe, file)
    require(file.content_hash == hashlib.sha256(got.raw).digest(), "content_hash is not the SHA-256 of the download")


@check("S-108")
async def download_is_a_plain_get(probe: Probe) -> None:
    """GET at download_url is answered 200."""
    got = await _download(probe, await _file(probe))
    require(got.status == _OK, f"HTTP {got.status}")


@check("S-109")
async def download_resumes(probe: Probe) -> None:
    """GET with Range is answered 206 with that part."""
    file = await _file(probe)
    whole = (await _download(probe, file)).raw
    got = await _download(probe, file, Range="bytes=2-")
    require(got.status == _PARTIAL, f"HTTP {got.status}")
    require(got.raw == whole[2:], "the part is not the end of the whole")


@check("S-111")
async def headers_come_along(probe: Probe) -> None:
    """The offer has headers for its download."""
    if not (await _file(probe)).headers.headers:
        raise unused("ask for headers on downloads")


@check("S-112")
async def downgrade_is_offered(probe: Probe) -> None:
    """A lower version is offered after a higher one."""
    agent, line = await _met(probe)
    high, low = _packages((A, b"2")), _packages((A, b"1"))
    high[0]["version"], low[0]["version"] = "2.0.0", "1.0.0"
    await _offered(probe, agent, line, high)
    require((await _offered(probe, agent, line, low)).packages[A].version == "1.0.0", "the lower version did not come")


@check("S-113")
async def package_statuses_are_taken(probe: Probe) -> None:
    """Every status, of packages never offered, is taken, and shown where there is something to look at."""
    agent, line = await _reporter(probe)
    names = ("installed", "pending", "installing", "failed", "downloading")
    statuses = opamp.PackageStatuses(
        packages={
            name: opamp.PackageStatus(name=name, agent_has_version="1.0", status=opamp.PackageStatusEnum.Name(number))
            for number, name in enumerate(names)
        }
    )
    answer = await line.ask(agent.message(package_statuses=statuses))
    require(not answer.refused, f"refused: {answer.message.error_response.error_message}")
    with contextlib.suppress(NotApplicable):
        view = await probe.look(agent, lambda view: len(view.get("package_statuses") or {}) == len(names))
        require(set(view.get("package_statuses") or {}) == set(names), "not every package is shown")


@check("S-114")
async def versions_may_differ(probe: Probe) -> None:
    """Installed and offered version that differ are no error, with and without a failure."""
    agent, line = await _reporter(probe)
    for word, error in (
        (opamp.PackageStatusEnum_InstallFailed, "no room"),
        (opamp.PackageStatusEnum_InstallPending, ""),
    ):
        package = opamp.PackageStatus(
            name="p",
            agent_has_version="1.0",
            agent_has_hash=b"old",
            server_offered_version="2.0",
            server_offered_hash=b"new",
            status=word,
            error_message=error,
        )
        answer = await line.ask(agent.message(package_statuses=opamp.PackageStatuses(packages={"p": package})))
        require(not answer.refused, "a failed or pending upgrade was refused")


async def _met(probe: Probe) -> tuple[Persona, SocketLine]:
    agent = probe.persona(_CAPABILITIES, labels=_MACHINE)
    line = await probe.websocket()
    await line.ask(agent.full())
    await known(probe, agent)
    return agent, line


async def _reporter(probe: Probe) -> tuple[Persona, SocketLine]:
    agent = probe.persona(_CAPABILITIES, labels=_MACHINE)
    line = await probe.websocket()
    if not (await line.ask(agent.full())).message.capabilities & _TAKES_STATUS:
        raise NotApplicable("the server does not announce AcceptsPackagesStatus")
    return agent, line


async def _offered(
    probe: Probe, agent: Persona, line: SocketLine, packages: list[dict[str, Any]]
) -> opamp.PackagesAvailable:
    """Set packages and wait until they are offered; a server may set one after the other, and offer in between."""
    await probe.do("offer_packages", instance_uid=agent.text, packages=packages)
    wanted = {each["name"]: each["version"] for each in packages}
    alone = {"": packages[0]["version"]} if len(packages) == 1 else wanted  # see S-096
    while True:
        offer = (await hear_field(probe, line, "packages_available")).message.packages_available
        await line.ask(agent.message(package_statuses=_statuses(offer.all_packages_hash)))
        if {name: each.version for name, each in offer.packages.items()} in (wanted, alone):
            return offer


async def _compared(probe: Probe) -> tuple[Persona, SocketLine, bytes]:
    """Offer packages, report another hash than theirs, and be offered them again."""
    agent, line = await _met(probe)
    wanted = (await _offered(probe, agent, line, _packages((A, b"1")))).all_packages_hash
    line.say(agent.message(package_statuses=_statuses(os.urandom(_SHA256_BYTES))))
    again = (await hear_field(probe, line, "packages_available")).message.packages_available
    require(again.all_packages_hash == wanted, "what came again has another hash")
    return agent, line, wanted


async def _file(probe: Probe) -> opamp.DownloadableFile:
    agent, line = await _met(probe)
    return (await _offered(probe, agent, line, _packages((A, b"downloaded content")))).packages[A].file


async def _download(probe: Probe, file: opamp.DownloadableFile, **headers: str) -> Heard:
    target = Target.parse(file.download_url, verify_tls=probe.target.verify_tls, ca_file=probe.target.ca_file)
    sent = {header.key: header.value for header in file.headers.headers}
    try:
        poster = await open_poster(target, probe.trace, probe.patience.answer)
        try:
            return await poster.post(b"", {**sent, **headers}, probe.patience.large, method="GET")
        finally:
            poster.drop()
    except Gone as error:
        raise Failed(f"{file.download_url}: {error}") from error


def _packages(*contents: tuple[str, bytes]) -> list[dict[str, Any]]:
    """Describe packages; what has another content has another version, for to publish a version is to do so once."""
    return [
        {
            "name": name,
            "version": f"1.0.{100 + int.from_bytes(hashlib.sha256(content).digest()[:2])}",
            "type": "addon",
            "content": base64.b64encode(content).decode(),
        }
        for name, content in contents
    ]


def _statuses(aggregate: bytes) -> opamp.PackageStatuses:
    return opamp.PackageStatuses(server_provided_all_packages_hash=aggregate)

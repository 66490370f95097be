"""The packages of one agent: which offers make work, what is reported on the way, what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate.agent import CAPABILITIES, Reaction, SimulatedAgent
from opampctl.simulate.options import FleetOptions
from opampctl.simulate.package_options import PackageOptions
from opampctl.simulate.packages import DOWNLOADING, FAILED, INSTALLED, INSTALLING, PENDING, Packages
from opampctl.simulate.statistics import Statistics

if TYPE_CHECKING:
    from pathlib import Path


def offer(all_hash: bytes, **versions: str) -> opamp.PackagesAvailable:
    """Offer packages; hashes follow from name and version."""
    made = opamp.PackagesAvailable(all_packages_hash=all_hash)
    for name, version in versions.items():
        one = made.packages[name]
        one.version, one.hash = version, f"{name} {version}".encode()
        one.file.content_hash = version.encode()
    return made


def install_all(packages: Packages) -> None:
    """Do what is due."""
    while (name := packages.due()) is not None:
        packages.install(name)
        packages.installed(name)


def make_agent(**changes: object) -> SimulatedAgent:
    """Make an agent that has just connected."""
    options = FleetOptions(**changes)  # type: ignore[arg-type]  # the tests choose well
    agent = SimulatedAgent(options, 0, statistics=Statistics(), shared_configs={}, started_unix_nano=1)
    agent.established(monotonic=0.0)
    agent.begin()
    return agent


def said(agent: SimulatedAgent) -> opamp.AgentToServer:
    """Return the agent's next message."""
    return opamp.AgentToServer.FromString(agent.next_message(now_unix_nano=2))


def hear(agent: SimulatedAgent, message: opamp.ServerToAgent) -> Reaction | None:
    """Let the agent hear a message addressed to it."""
    message.instance_uid = agent.uid
    return agent.receive(message.SerializeToString(), at=1.0, monotonic=2.0)


def test_offered_packages_are_installed_and_told() -> None:
    """Pending, then with the offered version and hash; the aggregate hash is given back."""
    packages = Packages()

    assert packages.take(offer(b"all", alpha="1.0.0"))
    before = packages.report().packages["alpha"]
    install_all(packages)
    statuses = packages.report()

    after = statuses.packages["alpha"]
    assert (before.status, before.agent_has_version, before.server_offered_version) == (PENDING, "", "1.0.0")
    assert (after.name, after.status, after.agent_has_version) == ("alpha", INSTALLED, "1.0.0")
    assert after.agent_has_hash == after.server_offered_hash == b"alpha 1.0.0"
    assert statuses.server_provided_all_packages_hash == b"all"


def test_known_offer_makes_no_work() -> None:
    """The same aggregate hash again is nothing new, whether the work is done or under way."""
    packages = Packages()
    packages.take(offer(b"all", alpha="1.0.0"))

    assert not packages.take(offer(b"all", alpha="1.0.0"))
    install_all(packages)
    assert not packages.take(offer(b"all", alpha="1.0.0"))
    assert packages.offers == 3


def test_failed_package_is_tried_again_when_offered_again() -> None:
    """What it had stays, and the failure is told until then."""
    packages = Packages()
    packages.take(offer(b"one", alpha="1.0.0"))
    install_all(packages)
    packages.take(offer(b"two", alpha="2.0.0"))

    packages.failed("alpha", "no room")

    told = packages.report().packages["alpha"]
    assert (told.status, told.error_message) == (FAILED, "no room")
    assert (told.agent_has_version, told.server_offered_version) == ("1.0.0", "2.0.0")
    assert packages.due() is None
    assert packages.take(offer(b"two", alpha="2.0.0"))
    assert packages.due() == "alpha"


def test_what_stayed_is_left_alone_and_what_is_missing_goes() -> None:
    """Only the package whose hash is another is due; one that is offered no more is removed."""
    packages = Packages()
    packages.take(offer(b"one", alpha="1.0.0", beta="1.0.0", gamma="1.0.0"))
    install_all(packages)

    packages.take(offer(b"two", alpha="1.0.0", beta="2.0.0"))

    assert packages.due() == "beta"
    assert set(packages.of) == {"alpha", "beta"}
    assert packages.removed == 1


def test_own_packages_stay() -> None:
    """What was never offered is listed without an offered version, and no offer removes it."""
    packages = Packages({"own": "9"})

    packages.take(offer(b"none"))

    own = packages.report().packages["own"]
    assert (own.agent_has_version, own.server_offered_version, own.server_offered_hash) == ("9", "", b"")
    assert packages.versions == {"own": "9"}


def test_file_at_hand_is_known_by_its_content_hash() -> None:
    """Another package hash over the same file needs no download."""
    packages = Packages()
    packages.take(offer(b"one", alpha="1.0.0"))
    assert not packages.of["alpha"].has_file
    install_all(packages)
    again = offer(b"two", alpha="1.0.0")
    again.packages["alpha"].hash = b"other"

    packages.take(again)

    assert packages.due() == "alpha"
    assert packages.of["alpha"].has_file


def test_downloads_tell_how_far_they_are_in_steps() -> None:
    """Details come while it downloads, and only then; small steps are no news."""
    packages = Packages()
    packages.take(offer(b"all", alpha="1.0.0"))

    news = [packages.download("alpha", percent, 1000.0) for percent in (0.0, 10.0, 30.0, 40.0, 100.0)]

    downloading = packages.report().packages["alpha"]
    packages.install("alpha")
    installing = packages.report().packages["alpha"]
    assert news == [True, False, True, False, True]
    assert (downloading.status, downloading.download_details.download_percent) == (DOWNLOADING, 100.0)
    assert installing.status == INSTALLING
    assert not installing.HasField("download_details")


def test_agent_without_packages_passes_offers_over() -> None:
    """No bit, no status, no reaction."""
    agent = make_agent()

    first = said(agent)

    assert first.capabilities == CAPABILITIES
    assert not first.HasField("package_statuses")
    assert hear(agent, opamp.ServerToAgent(packages_available=offer(b"all", alpha="1.0.0"))) is None


def test_agent_with_packages_reports_them_with_the_full_state() -> None:
    """Also when it has none; an offer is work, and its status is news."""
    agent = make_agent(packages=PackageOptions())
    first = said(agent)

    reaction = hear(agent, opamp.ServerToAgent(packages_available=offer(b"all", alpha="1.0.0")))

    assert first.capabilities & opamp.AgentCapabilities_AcceptsPackages
    assert first.capabilities & opamp.AgentCapabilities_ReportsPackageStatuses
    assert first.HasField("package_statuses")
    assert reaction == Reaction(sync=True)
    assert said(agent).package_statuses.packages["alpha"].status == PENDING
    assert not said(agent).HasField("package_statuses")


def test_statuses_stay_with_a_server_that_takes_none() -> None:
    """C-083: once the server's bits are known, statuses are sent only to one that takes them."""
    agent = make_agent(packages=PackageOptions())
    said(agent)
    hear(agent, opamp.ServerToAgent(capabilities=opamp.ServerCapabilities_AcceptsStatus))

    agent.report()

    assert not said(agent).HasField("package_statuses")


@pytest.mark.parametrize("again", [False, True], ids=["stays-sick", "recovers"])
def test_agent_is_sick_until_it_has_another_version(*, again: bool) -> None:
    """Its health tells what made it sick; another package does not heal it."""
    agent = make_agent(packages=PackageOptions())

    agent.run_package("alpha", sick_with="it crashed")
    agent.run_package("alpha" if again else "beta", sick_with="")

    assert agent.healthy is again
    assert said(agent).health.last_error == ("" if again else "it crashed")


def test_packages_are_found_again_by_the_next_process(tmp_path: Path) -> None:
    """What was installed and what failed; the same list again makes no work but for what failed."""
    remembering = {"packages": PackageOptions(), "uid_seed": "x", "state_folder": str(tmp_path)}
    agent = make_agent(**remembering)
    assert agent.packages is not None
    agent.packages.take(offer(b"all", alpha="1.0.0", beta="1.0.0"))
    agent.packages.installed("alpha")
    agent.packages.failed("beta", "no room")
    agent.keep()

    reborn = make_agent(**remembering).packages

    assert reborn is not None
    assert reborn.report() == agent.packages.report()
    assert reborn.take(offer(b"all", alpha="1.0.0", beta="1.0.0"))
    assert reborn.due() == "beta"
    reborn.take(offer(b"none"))
    assert reborn.of == {}

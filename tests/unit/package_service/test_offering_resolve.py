"""The complete list an agent should have."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from opamp.v1 import opamp_pb2 as opamp
from package_service.offering import packages
from package_service.offering.assignment import Rule, Wish
from package_service.offering.machine import Machine
from package_service.offering.packages import Entry
from package_service.offering.resolve import MAX_LAID_BY, NO_WISHES, AgentWishes, Findings, Index, Item, resolved
from package_service.offering.standing import State
from package_service.offering.target import ACCEPTS_PACKAGES, Target

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 11, 20, tzinfo=UTC)
URL = "https://files.example"
LINUX = Machine("linux", "amd64")
AGENT = Target("default", bytes(16), capabilities=ACCEPTS_PACKAGES, labels={"env": "prod"}, machine=LINUX, dirty=True)


def item(version: str, number: int, *, name: str = "collector", vetted: bool = True, **fields: str) -> Item:
    """Make a file for linux/amd64."""
    entry = Entry(name, "top_level", version, UUID(int=number), bytes([number]) * 32)
    told = {"platform": "linux", "arch": "amd64", **fields}
    return Item(
        entry, told["platform"], told["arch"], vetted, told.get("refusal", ""), packages.package_hash(entry, URL)
    )


def rule(version: str = "latest", *, package: str = "collector", channel: str = "stable", number: int = 1) -> Rule:
    """Make a rule for everybody in prod."""
    wish = Wish(behind=int(version[7:] or 0)) if version.startswith("latest") else Wish(exact=version)
    return Rule(UUID(int=number), package, channel, wish, {"env": "prod"}, frozenset(), 0, number)


def index(*items: Item, rules: Iterable[Rule] = (), url: str = URL) -> Index:
    """Make an index; with one rule for the newest unless said otherwise."""
    return Index(list(rules) or [rule()], items, url)


def resolve(target: Target, found: Index, wishes: AgentWishes = NO_WISHES) -> tuple[Target, dict[str, str], set[int]]:
    """Return the agent, its list as name to version, and the numbers of files to be vetted."""
    findings = Findings()
    after = resolved(replace(target, dirty=True), found, wishes, NOW, findings)
    body = findings.lists.get(after.desired_hash, b"")
    listed = opamp.PackagesAvailable.FromString(body).packages
    versions = {name: package.version for name, package in listed.items()}
    return after, versions, {file_id.int for file_id in findings.unvetted}


def installed(target: Target, *has: Item) -> Target:
    """Have the agent installed these, told so, and known its list."""
    return replace(
        target,
        offered_hash=target.desired_hash,
        reported_hash=target.desired_hash,
        reported={one.entry.name: (one.entry.version, one.package_hash.hex()) for one in has},
        packages={name: replace(known, state=State.INSTALLED) for name, known in target.packages.items()},
    )


@pytest.mark.parametrize(
    ("version", "channel", "wanted"),
    [
        ("latest", "stable", "1.10.0"),
        ("latest-1", "stable", "1.9.0"),
        ("latest-2", "stable", None),
        ("latest", "beta", "2.0.0-rc.1"),
        ("latest-1", "beta", "1.10.0"),
        ("1.9.0", "stable", "1.9.0"),
        ("2.0.0-rc.1", "beta", "2.0.0-rc.1"),
        ("3.0.0", "stable", None),
    ],
)
def test_version_is_found_by_meaning(version: str, channel: str, wanted: str | None) -> None:
    """1.10 after 1.9; versions before a release only where the channel has them; N counts versions."""
    files = [item("1.9.0", 1), item("1.10.0", 2), item("2.0.0-rc.1", 3)]
    choice = index(*files).choose("collector", LINUX, channel, rule(version).wish)

    assert (choice.item.entry.version if choice.item else None) == wanted
    assert bool(choice.reason)


def test_file_fits_the_machine() -> None:
    """The platform must be the same; made for this processor wins over one for any, which fits an unknown one too."""
    files = [item("1.0.0", 1, arch="any"), item("1.0.0", 2), item("1.0.0", 3, platform="windows")]
    found = index(*files)

    def chosen(platform: str, arch: str) -> int:
        choice = found.choose("collector", Machine(platform, arch), "stable", Wish())
        return choice.item.entry.file_id.int if choice.item else 0

    assert chosen("linux", "amd64") == 2
    assert chosen("linux", "arm64") == 1
    assert chosen("linux", "") == 1
    assert chosen("windows", "amd64") == 3
    assert chosen("darwin", "arm64") == 0
    assert chosen("", "amd64") == 0


def test_list_is_complete_and_one_for_equal_agents() -> None:
    """Every package assigned, one version each; the same list has the same hash, and nothing is marked any more."""
    found = index(item("1.0.0", 1), item("3.0.0", 2, name="plugin"), rules=[rule(), rule(package="plugin", number=2)])
    one, versions, _ = resolve(AGENT, found)
    other, _, _ = resolve(replace(AGENT, uid=b"o" * 16), found)

    assert versions == {"collector": "1.0.0", "plugin": "3.0.0"}
    assert one.desired_hash == other.desired_hash
    assert not one.dirty
    assert {known.state for known in one.packages.values()} == {State.PENDING}


def test_unvetted_files_are_wanted_before_they_are_offered() -> None:
    """The former version serves until then; where there is none, people read why."""
    newer, versions, wanted = resolve(AGENT, index(item("1.0.0", 1), item("2.0.0", 2, vetted=False)))
    assert (versions, wanted) == ({"collector": "1.0.0"}, {2})
    assert newer.packages["collector"].version == "1.0.0"
    alone, versions, wanted = resolve(AGENT, index(item("2.0.0", 2, vetted=False)))
    assert (versions, wanted, alone.desired_hash) == ({}, {2}, b"")
    standing = alone.packages["collector"]
    assert (standing.state, standing.version) == (State.PENDING, "2.0.0")
    assert standing.error == "collector 2.0.0 is being checked before it is offered"


def test_refused_files_are_not_waited_for() -> None:
    """Damaged or without the signatures needed: an older version serves, and nobody vets them."""
    refused = item("2.0.0", 2, vetted=False, refusal="it has no signature that counts")
    _, versions, wanted = resolve(AGENT, index(item("1.0.0", 1), refused))
    assert (versions, wanted) == ({"collector": "1.0.0"}, set())
    alone, _, _ = resolve(AGENT, index(refused, rules=[rule("2.0.0")]))
    assert alone.packages["collector"].error == "it has no signature that counts"


def test_what_an_agent_has_is_not_taken_back_while_it_is_vetted_anew() -> None:
    """Nor when its bytes in the store are damaged: its list is held as it is. Others get the former version."""
    old, new = item("1.0.0", 1), item("2.0.0", 2)
    has = installed(resolve(AGENT, index(old, new))[0], new)
    for away in (replace(new, vetted=False), replace(new, vetted=False, refusal="the stored file is damaged")):
        held, _, _ = resolve(has, index(old, away))
        assert held.desired_hash == has.desired_hash
        assert held.held.startswith("collector: ")
        assert held.packages["collector"].state is State.INSTALLED
        back, _, _ = resolve(held, index(old, new))
        assert (back.held, back.desired_hash) == ("", has.desired_hash)
        assert resolve(AGENT, index(old, away))[1] == {"collector": "1.0.0"}


def test_pinned_elsewhere_it_goes() -> None:
    """Held is only what is still the right thing."""
    old, new = item("1.0.0", 1), item("2.0.0", 2)
    has = installed(resolve(AGENT, index(old, new))[0], new)

    assert resolve(has, index(old, replace(new, vetted=False), rules=[rule("1.0.0")]))[1] == {"collector": "1.0.0"}


def test_choice_for_one_agent_wins_over_the_assignment() -> None:
    """That is how campaigns move agents one after another."""
    found = index(item("1.0.0", 1), item("2.0.0", 2), rules=[rule("1.0.0")])
    chosen = AgentWishes(choices={UUID(int=1): "2.0.0"})

    assert resolve(AGENT, found, chosen)[1] == {"collector": "2.0.0"}
    assert resolve(AGENT, found, AgentWishes(choices={UUID(int=8): "2.0.0"}))[1] == {"collector": "1.0.0"}
    missing, _, _ = resolve(AGENT, found, AgentWishes(choices={UUID(int=1): "9.0.0"}))
    assert (missing.packages["collector"].version, missing.desired_hash) == ("9.0.0", b"")
    assert missing.packages["collector"].error == "there is no collector 9.0.0 for linux/amd64"


def test_what_failed_is_replaced_by_what_the_agent_has() -> None:
    """The others go on; without anything to put in its place it is left out, or the list is held."""
    old, new, plugin = item("1.0.0", 1), item("2.0.0", 2), item("1.0.0", 3, name="plugin")
    rules = [rule(), rule(package="plugin", number=2)]
    wants, _, _ = resolve(AGENT, index(old, new, plugin, rules=rules))
    failed = replace(
        wants,
        offered_hash=wants.desired_hash,
        packages={
            **wants.packages,
            "collector": replace(
                wants.packages["collector"], state=State.FAILED, failed_hashes=(new.entry.content_hash,), error="no"
            ),
        },
    )

    had = replace(failed, reported={"collector": ("1.0.0", old.package_hash.hex())})
    after, versions, _ = resolve(had, index(old, new, plugin, rules=rules))
    assert versions == {"collector": "1.0.0", "plugin": "1.0.0"}
    standing = after.packages["collector"]
    assert (standing.state, standing.version, standing.error) == (State.FAILED, "2.0.0", "no")
    assert standing.listed_file_id == UUID(int=1)
    assert resolve(failed, index(old, new, plugin, rules=rules))[1] == {"plugin": "1.0.0"}
    gone = replace(failed, reported={"collector": ("0.5.0", "ab" * 32)})
    held, _, _ = resolve(gone, index(old, new, plugin, rules=rules))
    assert (held.held, held.desired_hash) == (
        "collector: what the agent has cannot be offered any more",
        wants.desired_hash,
    )


def test_another_content_is_another_chance() -> None:
    """A failed hash stays failed when it comes back; a newer version is offered."""
    new, newest = item("2.0.0", 2), item("3.0.0", 3)
    wants, _, _ = resolve(AGENT, index(new))
    known = replace(
        wants.packages["collector"], state=State.FAILED, failed_hashes=(new.entry.content_hash,), attempt_id=5
    )
    failed = replace(wants, packages={"collector": known})

    better, versions, _ = resolve(failed, index(new, newest))
    assert versions == {"collector": "3.0.0"}
    standing = better.packages["collector"]
    assert (standing.state, standing.attempt_id) == (State.PENDING, None)
    worse, versions, _ = resolve(better, index(new))
    assert (worse.packages["collector"].state, versions) == (State.FAILED, {})


def with_failed(target: Target, failed: Item) -> Target:
    """Have this file, which is wanted, failed on the agent."""
    known = replace(
        target.packages["collector"], state=State.FAILED, failed_hashes=(failed.entry.content_hash,), error="no"
    )
    return replace(target, packages={"collector": known})


def test_same_bytes_are_no_other_chance() -> None:
    """Signed anew, fetched elsewhere, or called another version: what failed is the content."""
    new = item("2.0.0", 2)
    failed = with_failed(resolve(AGENT, index(new))[0], new)
    signed = replace(new, entry=replace(new.entry, signature=b"s" * 64), package_hash=b"p" * 32)
    after, versions, _ = resolve(failed, index(signed))
    assert (after.packages["collector"].state, after.packages["collector"].error, versions) == (State.FAILED, "no", {})
    assert after.packages["collector"].package_hash == signed.package_hash

    renamed = item("2.0.1", 3)
    renamed = replace(renamed, entry=replace(renamed.entry, content_hash=new.entry.content_hash))
    after, versions, _ = resolve(failed, index(new, renamed))
    assert (after.packages["collector"].state, after.packages["collector"].version) == (State.FAILED, "2.0.1")
    assert versions == {}


def test_what_somebody_asked_for_again_is_wanted_again() -> None:
    """Once the failure is forgotten, though nothing else has changed."""
    new = item("2.0.0", 2)
    failed = with_failed(resolve(AGENT, index(new))[0], new)
    known = failed.packages["collector"]
    asked = replace(failed, packages={"collector": replace(known, failed_hashes=())})

    assert resolve(failed, index(new))[1] == {}
    after, versions, _ = resolve(asked, index(new))
    assert (after.packages["collector"].state, versions) == (State.PENDING, {"collector": "2.0.0"})


@pytest.mark.parametrize("gone", [{"labels": {"env": "test"}}, {"capabilities": 0}])
def test_what_failed_is_remembered_while_the_agent_should_not_have_it(gone: dict[str, Any]) -> None:
    """A label or a capability that goes and comes back is no other chance; installed after all, it is forgotten."""
    new = item("2.0.0", 2)
    failed = with_failed(resolve(AGENT, index(new))[0], new)
    away = resolve(replace(failed, **gone), index(new))[0]
    assert (away.packages, away.failed) == ({}, {"collector": (new.entry.content_hash,)})
    assert resolve(away, index(new))[0].failed == away.failed

    back, versions, _ = resolve(replace(away, labels=AGENT.labels, capabilities=AGENT.capabilities), index(new))
    assert (back.packages["collector"].state, versions, back.failed) == (State.FAILED, {}, {})
    has = replace(away, reported={"collector": ("2.0.0", new.package_hash.hex())})
    after = resolve(replace(has, labels=AGENT.labels, capabilities=AGENT.capabilities), index(new))[0]
    assert (after.packages["collector"].state, after.packages["collector"].failed_hashes) == (State.INSTALLED, ())


def test_memory_of_failures_is_bounded() -> None:
    """What failed last is kept."""
    new = item("2.0.0", 2)
    failed = with_failed(resolve(AGENT, index(new))[0], new)
    many = replace(failed, labels={}, failed={f"p{number}": (b"f" * 32,) for number in range(99)})
    after = resolve(many, index(new))[0]

    assert len(after.failed) == MAX_LAID_BY
    assert "collector" in after.failed


def test_what_it_has_already_is_installed() -> None:
    """Nothing need be sent for an agent to have it, but for the list."""
    one = item("1.0.0", 1)
    after, versions, _ = resolve(replace(AGENT, reported={"collector": ("1.0.0", one.package_hash.hex())}), index(one))

    assert after.packages["collector"].state is State.INSTALLED
    assert versions == {"collector": "1.0.0"}


def test_nothing_applies_any_more() -> None:
    """The empty list for whoever was sent one, none for others; no capability, no list."""
    one = item("1.0.0", 1)
    wants, _, _ = resolve(AGENT, index(one))
    elsewhere = {"env": "test"}

    sent, versions, _ = resolve(replace(wants, labels=elsewhere, offered_hash=wants.desired_hash), index(one))
    assert (sent.desired_hash, versions, sent.packages) == (packages.all_packages_hash({}), {}, {})
    assert resolve(replace(wants, labels=elsewhere), index(one))[0].desired_hash == b""
    assert resolve(replace(wants, capabilities=0), index(one))[0].desired_hash == b""


def test_package_of_its_own_is_not_removed_by_accident() -> None:
    """An agent that has a package we should offer and cannot: its list waits."""
    after, _, _ = resolve(
        replace(AGENT, reported={"collector": ("0.1.0", "")}, offered_hash=b"x" * 32, desired_hash=b"x" * 32),
        index(item("1.0.0", 1, vetted=False)),
    )

    assert after.desired_hash == b"x" * 32
    assert after.held == "collector: collector 1.0.0 is being checked before it is offered"


def test_without_an_address_nothing_is_offered() -> None:
    """And whoever looks reads why."""
    after, _, _ = resolve(AGENT, index(item("1.0.0", 1), url=""))

    assert after.desired_hash == b""
    assert after.packages["collector"].error == "no address is set at which agents could fetch files"

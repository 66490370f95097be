"""
The complete list an agent should have, found from rules, files and what the agent said. Pure.

A file is offerable when it is active, undamaged and vetted. `latest` counts versions that have an offerable file for
the agent's machine; a newer one nobody has vetted yet is named, so that somebody does.

An agent removes what its list is without. So a list is sent only when nothing would go missing by accident: while a
package the agent has, or was sent before, cannot be offered (its file is being vetted anew, say), the former list
stays, and `held` says why. What failed on an agent is given up there: its list holds the version the agent has, so
that its other packages go on.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from package_service.offering import packages
from package_service.offering.assignment import winners, wish_of
from package_service.offering.packages import Entry
from package_service.offering.reconcile import desire
from package_service.offering.standing import GIVEN_UP, UNDER_WAY, Standing, State, without
from package_service.package import Arch
from package_service.versions import is_prerelease, newest_first
from servicekit.records import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from package_service.offering.assignment import Rule, Wish
    from package_service.offering.machine import Machine
    from package_service.offering.target import Target

NO_ADDRESS = "no address is set at which agents could fetch files"
STABLE = "stable"
GONE = "what the agent has cannot be offered any more"
MAX_LAID_BY = 64
"""Packages an agent should not have now of which it is remembered what failed."""

FAILED_BEFORE = "this content failed on this agent before; ask for another try"


@dataclass(frozen=True)
class Item:
    """One active file."""

    entry: Entry
    platform: str
    arch: str
    vetted: bool
    refusal: str = ""
    """Why it is not going to be vetted: it is damaged, or signatures are wanting."""

    package_hash: bytes = b""


class Choice(NamedTuple):
    """What a wish comes to on a machine."""

    item: Item | None
    """To offer."""

    unvetted: tuple[Item, ...] = ()
    """To be vetted: they may be better."""

    reason: str = ""
    """Why there is nothing (better) to offer."""

    ideal: UUID | None = None
    """The file it would be if every active one could be offered."""

    version: str = ""
    """Of what would be offered if it could be; empty = not known."""


@dataclass(frozen=True, slots=True)
class AgentWishes:
    """What the database says of one agent alone."""

    listed: frozenset[UUID] = frozenset()
    """Assignments that name it."""

    choices: Mapping[UUID, str] = field(default_factory=dict)
    """Assignment to another version than the assignment's."""


NO_WISHES = AgentWishes()


@dataclass
class Findings:
    """What was found out for a batch of agents, beside the agents."""

    lists: dict[bytes, bytes] = field(default_factory=dict)
    """all_packages_hash to serialised list."""

    unvetted: set[UUID] = field(default_factory=set)
    """Files to be vetted."""


class Index:
    """
    Rules and files of one tenant.

    Args:
        rules: Enabled assignments.

        items: Every active file of their packages, with the hash its package has when offered.

        public_url: Where agents fetch files; empty = nothing can be offered.
    """

    def __init__(self, rules: Sequence[Rule], items: Iterable[Item], public_url: str) -> None:
        self.rules = rules
        self._public_url = public_url
        self._by_machine: dict[tuple[str, str], list[Item]] = defaultdict(list)
        self._by_hash: dict[tuple[str, bytes], Item] = {}
        self._chosen: dict[tuple[str, Machine, str, Wish], Choice] = {}
        self._lists: dict[tuple[bytes, ...], tuple[bytes, bytes]] = {}
        for item in newest_first(items, lambda item: item.entry.version):
            self._by_machine[item.entry.name, item.platform].append(item)
            if item.vetted:
                self._by_hash[item.entry.name, item.package_hash] = item

    def choose(self, package: str, machine: Machine, channel: str, wish: Wish) -> Choice:
        """Find the file for a wish on a machine."""
        key = (package, machine, channel, wish)
        known = self._chosen.get(key)
        if known is None:
            known = self._chosen[key] = self._choose(*key)
        return known

    def held_by(self, package: str, machine: Machine, version: str, package_hash: bytes) -> Item | None:
        """Find the offerable file of what an agent has; None = there is none (any more)."""
        known = self._by_hash.get((package, package_hash))
        if known is not None or not version:
            return known
        wish = wish_of(version)
        # Not remembered: what agents call versions may be anything.
        return self._choose(package, machine, "", wish).item if wish is not None and wish.exact else None

    def list_of(self, items: Sequence[Item]) -> tuple[bytes, bytes]:
        """Return all_packages_hash and the serialised list of these packages."""
        key = tuple(item.package_hash for item in items)
        known = self._lists.get(key)
        if known is None:
            message = packages.available([item.entry for item in items], self._public_url)
            known = self._lists[key] = message.all_packages_hash, message.SerializeToString(deterministic=True)
        return known

    def _choose(self, package: str, machine: Machine, channel: str, wish: Wish) -> Choice:
        if not self._public_url:
            return Choice(None, reason=NO_ADDRESS, version=wish.exact)
        fitting = [
            item
            for item in self._by_machine.get((package, machine.platform), ())
            if item.arch in {machine.arch, Arch.ANY} and (not wish.exact or item.entry.version == wish.exact)
        ]
        if channel == STABLE and not wish.exact:
            fitting = [item for item in fitting if not is_prerelease(item.entry.version)]
        if not fitting:
            what = f"{package} {wish.exact}" if wish.exact else f"version of {package}"
            return Choice(None, reason=f"there is no {what} for {machine.label}", version=wish.exact)
        ready = _picks([item for item in fitting if item.vetted], machine)
        hoped = _picks([item for item in fitting if item.vetted or not item.refusal], machine)[: wish.behind + 1]
        ideal = _picks(fitting, machine)
        unvetted = tuple(item for item in hoped if not item.vetted)
        reason = next((item.refusal for item in fitting if item.refusal and not item.vetted), "")
        if unvetted:
            reason = f"{package} {unvetted[-1].entry.version} is being checked before it is offered"
        return Choice(
            ready[wish.behind] if wish.behind < len(ready) else None,
            unvetted,
            reason or f"there are no {wish.behind + 1} versions of {package} for {machine.label}",
            ideal[wish.behind].entry.file_id if wish.behind < len(ideal) else None,
            unvetted[-1].entry.version if unvetted else wish.exact,
        )


def resolved(target: Target, index: Index, wishes: AgentWishes, now: datetime, findings: Findings) -> Target:
    """
    Return the agent with what it should have by these rules and files.

    Args:
        target: As it is; one that takes no packages should have none.

        index: Rules and files of its tenant.

        wishes: What is said of this agent alone.

        now: Database time.

        findings: Takes the list, and files to be vetted.
    """
    if not target.accepts:
        return replace(_standing_with(target, {}), held="", dirty=False, desired_hash=b"")
    standings: dict[str, Standing] = {}
    items: list[Item] = []
    held = ""
    for package, rule in sorted(winners(index.rules, target.labels, target.group, wishes.listed).items()):
        chosen = wishes.choices.get(rule.assignment_id, "")
        wish = (wish_of(chosen) if chosen else None) or rule.wish
        choice = index.choose(package, target.machine, rule.channel, wish)
        findings.unvetted.update(item.entry.file_id for item in choice.unvetted)
        before = target.packages.get(package)
        if before is not None and _is_away(before, choice):
            held = held or f"{package}: {choice.reason}"
            standings[package] = replace(before, assignment_id=rule.assignment_id)
            continue
        standing = _wanted(target, package, rule, choice, now)
        listed = choice.item
        if listed is None or standing.is_quarantined:
            version, digest = target.reported.get(package, ("", ""))
            listed = index.held_by(package, target.machine, version, bytes.fromhex(digest))
            if listed is choice.item:
                listed = None
            sent = standing.listed_file_id is not None and not standing.is_quarantined
            if listed is None and (version or digest or sent):
                held = held or f"{package}: {choice.reason if choice.item is None else GONE}"
                standings[package] = standing
                continue
        standings[package] = replace(standing, listed_file_id=listed.entry.file_id if listed else None)
        if listed is not None:
            items.append(listed)
    if held:
        return desire(_standing_with(target, _kept(standings, target)), target.desired_hash, held)
    target = _standing_with(target, standings)
    if not items and not target.offered_hash:
        return desire(target, b"", "")
    list_hash, body = index.list_of(items)
    findings.lists[list_hash] = body
    return desire(target, list_hash, "")


def _wanted(target: Target, package: str, rule: Rule, choice: Choice, now: datetime) -> Standing:
    """Set what an agent should have of one package; the same as before goes on as it stood."""
    before = target.packages.get(package)
    item = choice.item
    if item is None:
        version, file_id, package_hash, content_hash, reason = choice.version, None, b"", b"", choice.reason
    else:
        version, file_id, package_hash, reason = item.entry.version, item.entry.file_id, item.package_hash, ""
        content_hash = item.entry.content_hash
    if before is None:
        failed = target.failed.get(package, ())
        before = Standing(package, rule.assignment_id, since=now, moved_at=now, failed_hashes=failed)
    elif before.package_hash == package_hash and (before.error == reason if item is None else not before.is_forgiven):
        return replace(before, assignment_id=rule.assignment_id, version=version, file_id=file_id)
    has_it = bool(package_hash) and target.reported.get(package, ("", ""))[1] == package_hash.hex()
    quarantined = content_hash in before.failed_hashes
    if quarantined and not has_it and content_hash == before.content_hash and before.state in GIVEN_UP:
        # Signed anew, or fetched elsewhere: the very bytes that failed.
        return replace(
            before, assignment_id=rule.assignment_id, version=version, file_id=file_id, package_hash=package_hash
        )
    state = State.INSTALLED if has_it else State.FAILED if quarantined else State.PENDING
    return replace(
        before,
        assignment_id=rule.assignment_id,
        version=version,
        file_id=file_id,
        package_hash=package_hash,
        content_hash=content_hash,
        failed_hashes=without(before.failed_hashes, content_hash) if has_it else before.failed_hashes,
        state=state,
        percent=0.0,
        error=FAILED_BEFORE if state is State.FAILED else reason,
        attempt_id=None,
        requested_by="",
        since=now,
        moved_at=now,
    )


def _standing_with(target: Target, standings: Mapping[str, Standing]) -> Target:
    """Set where the agent stands; what failed of a package it should not have now is laid by."""
    failed = {
        name: item.failed_hashes
        for name, item in target.packages.items()
        if item.failed_hashes and name not in standings
    }
    for name, hashes in target.failed.items():
        if name not in standings and name not in failed and len(failed) < MAX_LAID_BY:
            failed[name] = hashes
    return replace(target, packages=standings, failed=failed)


def _kept(standings: Mapping[str, Standing], target: Target) -> dict[str, Standing]:
    """Have every package listed as it was: the former list stays."""
    return {
        name: replace(item, listed_file_id=target.packages[name].listed_file_id if name in target.packages else None)
        for name, item in standings.items()
    }


def _is_away(before: Standing, choice: Choice) -> bool:
    """
    Say whether what an agent has, or is about to have, is still the right thing and only not to be offered now.

    It would otherwise be sent back a version whenever a file is vetted anew, or its bytes are damaged in the store.
    """
    if before.file_id is None or before.file_id != choice.ideal:
        return False
    offered = choice.item is not None and choice.item.entry.file_id == choice.ideal
    return not offered and (before.state in UNDER_WAY or before.state is State.INSTALLED)


def _picks(items: Sequence[Item], machine: Machine) -> list[Item]:
    """Pick a file of each version: made for this very processor before one for any. *items* come newest first."""
    picked: dict[str, Item] = {}
    for item in items:
        version = item.entry.version
        if version not in picked or item.arch == machine.arch:
            picked[version] = item
    return list(picked.values())

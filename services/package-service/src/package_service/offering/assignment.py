"""
Package assignments: which agents should have which package, in which version. Pure.

An agent is meant when it is listed, belongs to a group, or holds every pair of the selector; an empty selector means
nobody, as it does for configurations. At most one assignment decides about a package on an agent: the one of
highest priority, then the more specific (a list over a group over a selector), then the older one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from contracts.ids import UID_LENGTH
from contracts.labels import MAX_KEY_CHARACTERS, MAX_VALUE_CHARACTERS
from package_service.errors import InvalidPackage
from package_service.package import problem_of_name
from package_service.versions import is_prerelease, problem_of_version
from servicekit.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

CHANNELS = ("stable", "beta")
GROUP = "group"
"""The label an enrolment stamps its group as."""

MAX_PAIRS = 64
MAX_GROUPS = 100
MAX_AGENTS = 10_000
MAX_PRIORITY = 1_000_000

LISTED, GROUPED, SELECTED = 3, 2, 1
"""How an agent is meant; the greater is the more specific."""

_LATEST = re.compile(r"latest(?:-([1-9]))?")


class Wish(NamedTuple):
    """What `version` of an assignment says."""

    exact: str = ""
    behind: int = 0
    """How many versions before the newest; counts when `exact` is empty."""


@dataclass(frozen=True)
class Terms:
    """What a person may write of an assignment."""

    package: str = ""
    channel: str = "stable"
    version: str = "latest"
    selector: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    agents: tuple[bytes, ...] = ()
    priority: int = 0
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Assignment:
    """One assignment as it is stored."""

    tenant_id: str
    assignment_id: UUID
    name: str
    terms: Terms
    revision: int
    created_by: str
    created_at: datetime
    updated_by: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """The part of an assignment that matching needs; the agents it lists are looked up per agent."""

    assignment_id: UUID
    package: str
    channel: str
    wish: Wish
    selector: Mapping[str, str]
    groups: frozenset[str]
    priority: int
    age: int
    """Position by age, the oldest first."""


def wish_of(text: str) -> Wish | None:
    """Read a version, latest or latest-N; None when it is none of these."""
    latest = _LATEST.fullmatch(text)
    if latest is not None:
        return Wish(behind=int(latest[1] or 0))
    return None if problem_of_version(text) else Wish(exact=text)


def specificity(rule: Rule, labels: Mapping[str, str], group: str, listed: frozenset[UUID]) -> int:
    """
    Say how a rule means an agent; 0 = not at all.

    Args:
        rule: An enabled assignment.

        labels: Of the agent, stamped ones included.

        group: The one its enrolment stamped; empty = none.

        listed: Assignments that list the agent.
    """
    if rule.assignment_id in listed:
        return LISTED
    if group and group in rule.groups:
        return GROUPED
    if rule.selector and all(labels.get(key) == value for key, value in rule.selector.items()):
        return SELECTED
    return 0


def winners(rules: Iterable[Rule], labels: Mapping[str, str], group: str, listed: frozenset[UUID]) -> dict[str, Rule]:
    """Find the rule that decides about each package on an agent; packages nobody assigns are left out."""
    best: dict[str, tuple[tuple[int, int, int], Rule]] = {}
    for rule in rules:
        how = specificity(rule, labels, group, listed)
        if how:
            rank = (rule.priority, how, -rule.age)
            if rule.package not in best or rank > best[rule.package][0]:
                best[rule.package] = (rank, rule)
    return {package: rule for package, (_, rule) in best.items()}


def check(name: str, terms: Terms) -> None:
    """Refuse an assignment that cannot be; raises InvalidPackage with every fault."""
    problems = list(_problems(name, terms))
    if problems:
        raise InvalidPackage(problems)


def _problems(name: str, terms: Terms) -> Iterator[Problem]:
    for part, value in (("name", name), ("package", terms.package)):
        if message := problem_of_name(value):
            yield Problem(part, message)
    if terms.channel not in CHANNELS:
        yield Problem("channel", f"must be one of: {', '.join(CHANNELS)}")
    if message := _problem_of_wish(terms):
        yield Problem("version", message)
    if abs(terms.priority) > MAX_PRIORITY:
        yield Problem("priority", f"must be between -{MAX_PRIORITY} and {MAX_PRIORITY}")
    yield from _problems_of_selector(terms.selector)
    if len(terms.groups) > MAX_GROUPS:
        yield Problem("groups", f"must be at most {MAX_GROUPS}")
    elif any(not _is_text(group, MAX_VALUE_CHARACTERS) for group in terms.groups):
        yield Problem("groups", f"must each be 1 to {MAX_VALUE_CHARACTERS} characters, none of them NUL")
    if len(terms.agents) > MAX_AGENTS:
        yield Problem("agents", f"must be at most {MAX_AGENTS}")
    elif any(len(uid) != UID_LENGTH for uid in terms.agents):
        yield Problem("agents", f"must each be {UID_LENGTH} bytes")


def _problem_of_wish(terms: Terms) -> str:
    wish = wish_of(terms.version)
    if wish is None:
        return "must be a semantic version like 1.10.0, latest, or latest-1 to latest-9"
    before = wish.exact and terms.channel == "stable" and is_prerelease(wish.exact)
    return "is one before a release: that needs channel beta" if before else ""


def _problems_of_selector(selector: Mapping[str, str]) -> Iterator[Problem]:
    if len(selector) > MAX_PAIRS:
        yield Problem("selector", f"must be at most {MAX_PAIRS} labels")
        return
    for key, value in selector.items():
        if not _is_text(key, MAX_KEY_CHARACTERS):
            yield Problem("selector", f"keys must be 1 to {MAX_KEY_CHARACTERS} characters, none of them NUL")
        elif len(value) > MAX_VALUE_CHARACTERS or "\x00" in value:
            yield Problem("selector", f"{key} must be at most {MAX_VALUE_CHARACTERS} characters, none of them NUL")


def _is_text(text: str, limit: int) -> bool:
    return 0 < len(text) <= limit and "\x00" not in text

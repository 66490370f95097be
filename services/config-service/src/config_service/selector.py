"""
Which configuration an agent should run, and why.

Pure. An explicit assignment wins; else the matching selector with the highest priority; else the fallback
when one is named; else nothing is sent and the agent keeps what it has. Two selectors of equal priority
that could meet on one agent are refused when written, so the order below never has to break a tie.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Reason(StrEnum):
    """Why an agent gets what it gets."""

    ASSIGNMENT = "assignment"
    SELECTOR = "selector"
    KEEP_LAST = "keep_last"
    """Nothing matches any more: nothing is sent, the agent keeps what it last received."""

    FALLBACK = "fallback"
    NONE = "none"
    """Nothing matches and nothing ever did."""


@dataclass(frozen=True)
class Candidate:
    """The part of a current configuration that matching needs."""

    name: str
    version: int
    config_hash: bytes
    selector: Mapping[str, str]
    priority: int


@dataclass(frozen=True)
class Resolution:
    """What an agent should run. `winner` is None when nothing matches."""

    winner: Candidate | None
    reason: Reason


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Say whether every pair of the selector stands among the labels; an empty selector matches nobody."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def can_meet(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Say whether some agent could match both selectors: they contradict each other on no shared key."""
    if not one or not other:
        return False
    return all(other.get(key, value) == value for key, value in one.items())


def conflicts(written: Candidate, others: Iterable[Candidate]) -> list[Candidate]:
    """List the other configurations of equal priority that could meet *written* on one agent, by name."""
    return sorted(
        (
            other
            for other in others
            if other.name != written.name
            and other.priority == written.priority
            and can_meet(written.selector, other.selector)
        ),
        key=lambda other: other.name,
    )


class CandidateIndex:
    """
    Current configurations of one tenant, found by labels without trying each.

    Every selector hangs under its rarest pair, so an agent's labels lead to few of them.
    """

    def __init__(self, candidates: Iterable[Candidate], *, fallback: str = "") -> None:
        self._by_name = {candidate.name: candidate for candidate in candidates}
        self._fallback = fallback
        frequency = Counter(pair for candidate in self._by_name.values() for pair in candidate.selector.items())
        self._by_anchor: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
        for candidate in self._by_name.values():
            if candidate.selector:
                anchor = min(candidate.selector.items(), key=lambda pair: (frequency[pair], pair))
                self._by_anchor[anchor].append(candidate)
        self._anchor_keys = {key for key, _ in self._by_anchor}

    def get(self, name: str) -> Candidate | None:
        """Return the current configuration of that name."""
        return self._by_name.get(name)

    def all(self) -> list[Candidate]:
        """Return every current configuration."""
        return list(self._by_name.values())

    def matching(self, labels: Mapping[str, str]) -> list[Candidate]:
        """List every configuration whose selector matches, in order of precedence."""
        if len(self._anchor_keys) <= len(labels):
            pairs = [(key, labels[key]) for key in self._anchor_keys if key in labels]
        else:
            pairs = list(labels.items())
        found = [
            candidate
            for pair in pairs
            for candidate in self._by_anchor.get(pair, ())
            if len(candidate.selector) == 1 or matches(candidate.selector, labels)
        ]
        if len(found) > 1:
            found.sort(key=lambda candidate: (-candidate.priority, candidate.name))
        return found

    def resolve(self, labels: Mapping[str, str], assigned: str = "") -> Resolution:
        """
        Decide what an agent with these labels should run.

        Args:
            labels: All attributes of the agent as text.

            assigned: Name set by explicit assignment; empty or no longer existing = none.
        """
        explicit = self._by_name.get(assigned)
        if explicit is not None:
            return Resolution(explicit, Reason.ASSIGNMENT)
        matching = self.matching(labels)
        if matching:
            return Resolution(matching[0], Reason.SELECTOR)
        fallback = self._by_name.get(self._fallback)
        if fallback is not None:
            return Resolution(fallback, Reason.FALLBACK)
        return Resolution(None, Reason.NONE)

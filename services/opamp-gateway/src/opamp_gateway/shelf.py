"""Verdicts on a shelf: the newest so many, found by proof, by credential and by agent. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from opamp_gateway.credentials import Credential

NEVER = float("-inf")

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What agent-state says of one proof."""

    credential: Credential | None = None
    """None = not let in."""

    refusal: str = ""
    """The sentence for whoever is not let in."""

    cache_seconds: float = 0.0
    """How long it may be used; 0 = once."""


@dataclass(slots=True)
class Held:
    """A verdict, and until when it needs no new question."""

    verdict: Verdict
    until: float


class Shelf(Generic[K]):
    """
    Keeps verdicts under keys.

    What has changed is found without going over all of it: with fifty thousand agents' own credentials here, a
    change of one must not hold up everybody else.

    Args:
        most: How many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[K, Held] = OrderedDict()
        self._named: dict[str | bytes, set[K]] = {}
        self._names: dict[K, tuple[str | bytes, ...]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: K) -> Held | None:
        """Return what is held under *key*."""
        return self._held.get(key)

    def put(self, key: K, held: Held, names: tuple[str | bytes, ...] = ()) -> None:
        """Hold a verdict; *names* are the credentials (text) and agents (bytes) it is about."""
        self.drop(key)
        self._held[key] = held
        self._names[key] = names = tuple({name for name in names if name})
        for name in names:
            self._named.setdefault(name, set()).add(key)
        while len(self._held) > self._most:
            self.drop(next(iter(self._held)))

    def drop(self, key: K) -> None:
        """Hold nothing under *key*."""
        if self._held.pop(key, None) is None:
            return
        for name in self._names.pop(key):
            keys = self._named[name]
            keys.discard(key)
            if not keys:
                del self._named[name]

    def about(self, names: Collection[str | bytes]) -> list[K]:
        """List the keys of verdicts about any of these credentials and agents."""
        found: set[K] = set()
        for name in names:
            found |= self._named.get(name, set())
        return list(found)

    def all(self) -> Iterator[Held]:
        """Go over everything."""
        return iter(self._held.values())

    def clear(self) -> None:
        """Hold nothing."""
        self._held.clear()
        self._named.clear()
        self._names.clear()

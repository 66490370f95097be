"""
Ask for component lists nobody told yet: one agent of all that named the hash, a few times, ever more patiently.

A hint comes with every message that holds a hash alone; what is already known costs a look into memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import structlog

from agent_state import metrics
from agent_state.component_store import key_of
from agent_state.offers import Target
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    import asyncpg

    from agent_state.component_store import ComponentStore, Mention, Missing
    from agent_state.folding import Key
    from agent_state.offers import Offers
    from servicekit.clock import Clock

log = structlog.get_logger()

LOOK_SECONDS = 1.0
SWEEP_SECONDS = 30.0
COLLECT_SECONDS = 3600.0
MAX_TRIES = 5
FIRST_PAUSE_SECONDS = 10.0
AT_ONCE = 500
"""Lists asked for in one look."""

REMEMBERED = 50_000

V = TypeVar("V")


class ComponentDesk:
    """Asks for what is missing."""

    def __init__(self, pool: asyncpg.Pool, store: ComponentStore, offers: Offers, clock: Clock) -> None:
        self._pool = pool
        self._store = store
        self._offers = offers
        self._clock = clock
        self._wake = asyncio.Event()
        self._hints: dict[Key, Mention] = {}
        self._known: OrderedDict[Key, None] = OrderedDict()
        self._asked: OrderedDict[Key, tuple[int, float]] = OrderedDict()

    def hint(self, mentions: Iterable[Mention]) -> None:
        """Look soon whether these lists are known."""
        for mention in mentions:
            key = (mention.tenant_id, mention.components_hash)
            if key not in self._known and len(self._hints) < AT_ONCE:
                self._hints[key] = mention
        if self._hints:
            self._wake.set()

    async def run(self) -> None:
        """Follow hints for ever; one that is lost is found by the sweep."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.follow_hints()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("components_wait", error=str(error) or type(error).__name__)
            await self._clock.sleep(LOOK_SECONDS)

    async def follow_hints(self) -> int:
        """Ask for the lists hinted at that are not known; return how many."""
        hints, self._hints = self._hints, {}
        missing = await self._store.missing(self._pool, hints.values())
        for key in hints.keys() - {key_of(one) for one in missing}:
            _remember(self._known, key, None)
        return await self._ask(missing)

    async def sweep(self) -> None:
        """Make certain for ever; one replica at a time."""
        next_collection = self._clock.monotonic() + COLLECT_SECONDS
        while True:
            await self._ask(await self._store.any_missing(self._pool, AT_ONCE))
            if self._clock.monotonic() >= next_collection:
                await self._store.collect_garbage(self._pool)
                next_collection = self._clock.monotonic() + COLLECT_SECONDS
            await self._clock.sleep(SWEEP_SECONDS)

    async def _ask(self, missing: Sequence[Missing]) -> int:
        now = self._clock.monotonic()
        targets = []
        for one in missing:
            tries, not_before = self._asked.get(key_of(one), (0, 0.0))
            if tries < MAX_TRIES and now >= not_before:
                _remember(self._asked, key_of(one), (tries + 1, now + FIRST_PAUSE_SECONDS * 2**tries))
                targets.append(Target(one.mention.tenant_id, one.mention.uid, one.epoch, one.gateway_id))
        if targets:
            metrics.COMPONENTS_ASKED.inc(len(targets))
            log.info("components_asked", lists=len(targets))
            await self._offers.ask_components(targets)
        return len(targets)


def _remember(memory: OrderedDict[Key, V], key: Key, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)

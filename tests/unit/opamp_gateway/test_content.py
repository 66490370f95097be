"""Contents are fetched once at a time and kept within a bound."""

from __future__ import annotations

import asyncio

from opamp_gateway.content import ContentShelf
from servicekit.errors import Unavailable


class Store:
    """An object store that answers when told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.found: bytes | None = b"content"
        self.away = False

    async def fetch(self, _: bytes) -> bytes | None:
        """Answer once open."""
        self.asked += 1
        await self.open.wait()
        if self.away:
            raise Unavailable("away")
        return self.found


async def test_content_is_fetched_once_for_all_who_ask() -> None:
    """A config for ten thousand agents is one request."""
    store = Store()
    shelf = ContentShelf(store.fetch, max_bytes=100)
    asking = [asyncio.ensure_future(shelf.get(b"h")) for _ in range(5)]
    await asyncio.sleep(0)
    store.open.set()

    assert await asyncio.gather(*asking) == [b"content"] * 5
    assert await shelf.get(b"h") == b"content"
    assert store.asked == 1


async def test_store_that_is_away_gives_nothing_and_is_asked_again() -> None:
    """A failure is not remembered."""
    store = Store()
    store.open.set()
    store.away = True
    shelf = ContentShelf(store.fetch, max_bytes=100)

    assert await shelf.get(b"h") is None
    store.away = False
    assert await shelf.get(b"h") == b"content"


async def test_slow_store_gives_nothing() -> None:
    """One fetch has a deadline."""
    shelf = ContentShelf(Store().fetch, max_bytes=100, timeout_seconds=0.01)

    assert await shelf.get(b"h") is None


async def test_waiters_are_answered_when_the_one_who_fetches_is_cancelled() -> None:
    """Nobody waits for ever for somebody else's request."""
    store = Store()
    shelf = ContentShelf(store.fetch, max_bytes=100)
    first = asyncio.ensure_future(shelf.get(b"h"))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(shelf.get(b"h"))
    await asyncio.sleep(0)
    first.cancel()

    assert await second is None


async def test_contents_unused_longest_make_room() -> None:
    """The shelf has a size in bytes; what is larger than all of it is not kept."""
    shelf = ContentShelf(Store().fetch, max_bytes=10)
    shelf.keep(b"a", b"12345")
    shelf.keep(b"b", b"12345")
    shelf.have(b"a")
    shelf.keep(b"c", b"1")
    shelf.keep(b"d", b"12345678901")

    assert [shelf.have(name) is not None for name in (b"a", b"b", b"c", b"d")] == [True, False, True, False]

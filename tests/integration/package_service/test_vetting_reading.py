"""Reading a content whole: what is damage, and what is not."""

from __future__ import annotations

import tracemalloc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from package_service.errors import BlobDoubted, StoreAway
from package_service.vetting.reading import Finding, Reading, read

from .conftest import sha256

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DATA = b"the published bytes"
HASH = sha256(DATA)


class Shelf:
    """A store with one object; each reading may give something else."""

    def __init__(self, *contents: bytes | Exception, marks: tuple[str | None, ...] = ("m",)) -> None:
        self._contents = list(contents)
        self._marks = list(marks)
        self.read = 0

    async def mark(self, _key: str) -> str | None:
        """Give the next mark; the last one for ever."""
        return self._marks.pop(0) if len(self._marks) > 1 else self._marks[0]

    @asynccontextmanager
    async def get(self, _key: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the next content; the last one for ever."""
        content = self._contents.pop(0) if len(self._contents) > 1 else self._contents[0]
        self.read += 1
        if isinstance(content, Exception):
            raise content

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(content), 4):
                yield content[start : start + 4]

        yield chunks()


async def found(shelf: Any) -> Reading:
    """Read what must be DATA."""
    return await read(shelf, HASH, len(DATA))


async def test_right_bytes_are_right() -> None:
    """Read once, and with the mark they were read under."""
    shelf = Shelf(DATA)

    assert await found(shelf) == Reading(Finding.RIGHT, "m")
    assert shelf.read == 1


async def test_long_content_is_never_held() -> None:
    """It goes by chunk by chunk."""
    chunk, count = bytes(256 * 1024), 256

    class Stream(Shelf):
        @asynccontextmanager
        async def get(self, _key: str) -> AsyncIterator[AsyncIterator[bytes]]:
            async def chunks() -> AsyncIterator[bytes]:
                for _ in range(count):
                    yield bytes(bytearray(chunk))

            yield chunks()

    digest = sha256(chunk * count)
    tracemalloc.start()
    try:
        reading = await read(Stream(b""), digest, len(chunk) * count)  # type: ignore[arg-type] # as much of a store as is asked
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert reading.finding is Finding.RIGHT
    assert peak < 8 * len(chunk)


@pytest.mark.parametrize("content", [DATA[:-1], DATA + b"x", b"X" + DATA[1:], b"", DATA * 1000])
async def test_other_bytes_are_damage_when_read_twice(content: bytes) -> None:
    """Shorter, longer, or changed."""
    shelf = Shelf(content)

    assert await found(shelf) == Reading(Finding.DAMAGED, "m")
    assert shelf.read == 2


async def test_once_misread_is_no_damage() -> None:
    """A line that garbled them once has not harmed what is stored."""
    assert await found(Shelf(b"garbled", DATA)) == Reading(Finding.RIGHT, "m")


async def test_written_meanwhile_is_no_finding() -> None:
    """Whatever was read, it may be half of each."""
    assert await found(Shelf(b"half", marks=("one", "two"))) == Reading(Finding.UNSETTLED)
    assert await found(Shelf(DATA, marks=("one", "two"))) == Reading(Finding.UNSETTLED)


async def test_missing_is_no_damage() -> None:
    """Before reading, or gone while we read."""
    assert await found(Shelf(DATA, marks=(None,))) == Reading(Finding.MISSING)
    assert await found(Shelf(BlobDoubted(), marks=("one", None))) == Reading(Finding.UNSETTLED)


async def test_store_away_is_no_finding() -> None:
    """It is said as it is."""
    with pytest.raises(StoreAway):
        await found(Shelf(StoreAway()))

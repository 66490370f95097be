"""Files of packages over HTTP: what is checked, what is asked for again, what is refused."""

from __future__ import annotations

import hashlib
import random
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from opamp_double import OpampDouble, opamp_double

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate import fetching
from opampctl.simulate.fetching import Fetcher, FetchError, open_file_session
from opampctl.simulate.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY = Ed25519PrivateKey.generate()
CONTENT = b"program" * 200_000


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(fetching, "delay_seconds", lambda *_: 0.0)


@asynccontextmanager
async def fetcher(*, key: Ed25519PublicKey | None = None) -> AsyncIterator[tuple[Fetcher, Statistics]]:
    """Give a fetcher and what it counts."""
    statistics = Statistics()
    async with open_file_session(ssl.create_default_context()) as session:
        yield Fetcher(session, statistics, random.Random(1), key=key), statistics  # noqa: S311 - a test


async def test_whole_file_is_checked_and_counted() -> None:
    """Progress grows to a hundred per cent; the bytes are counted once, for the second agent has them by then."""
    async with opamp_double() as server, fetcher() as (agents, statistics):
        file, seen = server.package("1.0.0", CONTENT).file, list[float]()

        await agents.fetch(file, lambda percent, _: seen.append(percent))
        await agents.fetch(file, lambda percent, _: seen.append(percent))

        assert seen == sorted(seen)
        assert seen[-1] == 100.0
        assert (statistics.package_downloads, statistics.package_bytes) == (1, len(CONTENT))


@pytest.mark.parametrize(
    ("refusals", "fetches"), [([503, 429], 3), ([404], 1)], ids=["busy-is-asked-again", "missing-is-not"]
)
async def test_what_is_asked_for_again(refusals: list[int], fetches: int) -> None:
    """A server that is busy; never one that says no."""
    async with opamp_double() as server, fetcher() as (agents, _):
        file = server.package("1.0.0", b"program").file
        server.file_refusals = list(refusals)

        if 404 in refusals:
            with pytest.raises(FetchError, match="could not download: HTTP 404"):
                await agents.fetch(file, lambda *_: None)
        else:
            await agents.fetch(file, lambda *_: None)

        assert len(server.fetches) == fetches


async def test_busy_server_is_given_up_at_last() -> None:
    """After so many attempts, with its status."""
    async with opamp_double() as server, fetcher() as (agents, _):
        file = server.package("1.0.0", b"program").file
        server.file_refusals = [503] * 100

        with pytest.raises(FetchError, match="HTTP 503"):
            await agents.fetch(file, lambda *_: None)

        assert len(server.fetches) == fetching.ATTEMPTS


async def test_addresses_that_lead_nowhere() -> None:
    """Nobody listens, or it is no address: words that are the same for every agent."""
    async with fetcher() as (agents, _):
        for url in ("http://127.0.0.1:9/file", "no address"):
            with pytest.raises(FetchError, match="could not download"):
                await agents.fetch(opamp.DownloadableFile(download_url=url), lambda *_: None)


def _sign(server: OpampDouble, signature: bytes) -> opamp.DownloadableFile:
    return server.package("1.0.0", b"program", signature=signature).file


async def test_signatures_are_checked_when_a_key_is_known() -> None:
    """None, and one by another key, are refused before a byte is fetched."""
    digest = hashlib.sha256(b"program").digest()
    async with opamp_double() as server, fetcher(key=KEY.public_key()) as (agents, _):
        for signature, said in (
            (b"", "no signature"),
            (Ed25519PrivateKey.generate().sign(digest), "not by the key we trust"),
        ):
            with pytest.raises(FetchError, match=said):
                await agents.fetch(_sign(server, signature), lambda *_: None)
        assert server.fetches == []

        await agents.fetch(_sign(server, KEY.sign(digest)), lambda *_: None)

        assert len(server.fetches) == 1

"""POST by hand, and answers of every shape."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from conformancelab.listener import listener

from opampctl.conformance.connection import Gone
from opampctl.conformance.evidence import Trace
from opampctl.conformance.post import open_poster
from opampctl.conformance.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECONDS = 30.0


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[Target, list[bytes]]]:
    """Answer requests on one connection with these bytes, then end it; gives what was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            asked.append(head + await reader.readexactly(length))
            writer.write(answer)
            await writer.drain()

    async with listener(serve) as port:
        yield Target("127.0.0.1", port), asked


async def test_request_is_written_by_hand() -> None:
    """Method, path, headers and body go out as they were given; a body in pieces, too."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with answering(answer, answer) as (target, asked):
        poster = await open_poster(target, Trace(), SECONDS)
        first = await poster.post(b"body", {"X-A": "1"}, SECONDS)
        await poster.post([b"in ", b"pieces"], {}, SECONDS, length=9, method="PUT", path="/other")
        poster.drop()

    assert (first.status, first.raw) == (200, b"ok")
    assert asked[0].startswith(b"POST /v1/opamp HTTP/1.1\r\n")
    assert b"X-A: 1\r\n" in asked[0]
    assert asked[0].endswith(b"body")
    assert asked[1].startswith(b"PUT /other HTTP/1.1\r\n")
    assert asked[1].endswith(b"in pieces")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1;x\r\n!\r\n0\r\n\r\n", b"ok!"),
        (b"HTTP/1.1 204 No\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\n\r\nup to the end", b"up to the end"),
    ],
    ids=["chunked", "no-content", "until-the-end"],
)
async def test_bodies_of_every_shape_are_read(answer: bytes, body: bytes) -> None:
    """Chunks, no body, and a body that ends with the connection."""
    async with answering(answer) as (target, _):
        poster = await open_poster(target, Trace(), SECONDS)
        assert (await poster.post(b"", {}, SECONDS)).raw == body
        poster.drop()


async def test_gzip_is_unpacked_and_kept() -> None:
    """The packed body can be seen beside the plain one; what is falsely called gzip stays as it is."""
    packed = gzip.compress(b"plain")
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    async with answering(answer % len(packed) + packed, answer % 3 + b"lie") as (target, _):
        poster = await open_poster(target, Trace(), SECONDS)
        good, bad = await poster.post(b"", {}, SECONDS), await poster.post(b"", {}, SECONDS)
        poster.drop()

    assert (good.raw, good.packed) == (b"plain", packed)
    assert bad.raw == b"lie"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"nonsense\r\n\r\n", b""])
async def test_no_whole_answer_is_told(answer: bytes) -> None:
    """An answer that ends early, or is none, is not taken for one."""
    async with answering(answer) as (target, _):
        poster = await open_poster(target, Trace(), SECONDS)
        with pytest.raises(Gone):
            await poster.post(b"", {}, SECONDS)
        poster.drop()

"""Forms whose fields come in any order, or break off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from world.eventually import wait_until

from .conftest import PART, program, sha256

if TYPE_CHECKING:
    from .conftest import Running

FIELDS = {"name": "collector", "version": "1.0.0", "platform": "linux", "arch": "amd64"}


def form(data: bytes, *, file_first: bool) -> bytes:
    """Write a form with the boundary `b`."""
    fields = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode())
        for name, value in FIELDS.items()
    )
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="../x"\r\n\r\n' + data + b"\r\n"
    return (file + fields if file_first else fields + file) + b"--b--\r\n"


async def test_file_may_come_first(service: Running) -> None:
    """What it is may be told after it; what its sender calls it does not matter."""
    data = program(PART + 100)
    headers = {**service.neighbours.ticket(), "Content-Type": "multipart/form-data; boundary=b"}

    for file_first, status in ((True, 201), (False, 200)):
        body = form(data, file_first=file_first)

        async def pieces(body: bytes = body):  # type: ignore[no-untyped-def] # noqa: ANN202 - bytes
            for start in range(0, len(body), 300_000):
                yield body[start : start + 300_000]

        answer = await service.http.post("/internal/packages", content=pieces(), headers=headers)
        assert answer.status_code == status, answer.text
        assert answer.json()["sha256"] == sha256(data).hex()


async def test_sender_that_hangs_up_leaves_nothing(service: Running) -> None:
    """A connection that ends in the middle of the file: no row, no part, no package."""
    body = form(program(3 * PART), file_first=True)
    where = urlsplit(str(service.http.base_url))
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    ticket = service.neighbours.ticket()["Authorization"]
    head = (
        f"POST /internal/packages HTTP/1.1\r\nHost: x\r\nAuthorization: {ticket}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body[: 2 * PART])
    await writer.drain()

    async def begun() -> bool:
        return bool(await service.pool.fetchval("SELECT stored FROM upload"))

    await wait_until(begun, within=20)
    writer.transport.abort()

    async def gone() -> bool:
        return not await service.pool.fetchval("SELECT count(*) FROM upload")

    await wait_until(gone, within=20)
    assert await service.files() == []
    assert not reader.at_eof() or reader.at_eof()

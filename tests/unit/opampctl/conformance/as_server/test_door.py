"""The door answers whoever knocks, and notes it."""

from __future__ import annotations

import asyncio

import pytest

from opampctl.conformance.as_server.door import FILES, Door, handshake_fault
from opampctl.conformance.as_server.log import Log
from opampctl.conformance.evidence import Secrets

GOOD = {"connection": "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"connection": "close"}, "Connection"),
        ({"sec-websocket-version": "8"}, "Version"),
        ({"sec-websocket-key": "AAAA"}, "16 bytes"),
        ({"sec-websocket-key": "?"}, "16 bytes"),
    ],
    ids=["good", "connection", "version", "short", "no-base64"],
)
def test_faults_of_a_handshake_are_named(changes: dict[str, str], said: str) -> None:
    """RFC 6455 wants three headers."""
    assert said in handshake_fault(GOOD | changes)
    assert bool(handshake_fault(GOOD | changes)) == bool(said)


async def test_files_are_given_and_noted() -> None:
    """A file that is there comes with 200, another with 404; both are noted."""
    log = Log()
    door = Door(log, Secrets())
    door.files[FILES + "a"] = b"content"
    await door.open("127.0.0.1", 0, None)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        for name, status in (("a", b"200"), ("b", b"404")):
            writer.write(f"GET {FILES}{name} HTTP/1.1\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert status in head
            assert await reader.readexactly(7 if name == "a" else 0) == (b"content" if name == "a" else b"")
        writer.close()
    finally:
        await door.close()

    assert [each.path for each in log.fetches] == [FILES + "a", FILES + "b"]

"""Heads of HTTP by hand."""

from __future__ import annotations

import pytest

from opampctl.conformance.head import Head, HeadError, read_head, write_head


def test_request_is_written_as_http_wants_it() -> None:
    """Lines end in CRLF, and so does the head."""
    assert write_head("GET / HTTP/1.1", {"Host": "h", "A": "b"}) == b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n"


def test_response_is_read_up_to_its_body() -> None:
    """Names are in lower case, repeated ones joined, and the length is told."""
    data = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\n\r\nbody"

    assert read_head(data) == (Head(200, {"x-a": "1, 2"}), len(data) - 4)


def test_unfinished_head_is_waited_for() -> None:
    """Half a head is none yet."""
    assert read_head(b"HTTP/1.1 200 OK\r\n") is None


@pytest.mark.parametrize("data", [b"hello\r\n\r\n", b"HTTP/1.1 many\r\n\r\n", b"x" * 70000])
def test_no_response_is_refused(data: bytes) -> None:
    """Bytes without a status line, or without an end, are no response."""
    with pytest.raises(HeadError):
        read_head(data)

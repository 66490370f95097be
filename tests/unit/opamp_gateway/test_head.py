"""Request heads: what is an upgrade, what is a bad one, who is really there."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from opamp_gateway import head as heads
from opamp_gateway.errors import BadHead

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {
    "Host": "x",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def head(headers: dict[str, str], line: str = "GET /v1/opamp?x=1 HTTP/1.1") -> heads.Head:
    """Parse a head of these headers."""
    text = "\r\n".join([line, *(f"{name}: {value}" for name, value in headers.items())]) + "\r\n\r\n"
    return heads.parse(text.encode("latin-1"))


def test_good_upgrade_is_accepted_with_the_rfcs_answer() -> None:
    """The example of RFC 6455 §1.3."""
    parsed = head(GOOD)

    assert parsed.is_upgrade
    assert parsed.path == "/v1/opamp"
    assert heads.check_upgrade(parsed) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("line", ["POST / HTTP/1.1", "GET / HTTP/1.1"])
def test_anything_else_is_no_upgrade(line: str) -> None:
    """A POST is none even with the header, a GET is none without."""
    headers = GOOD if line.startswith("POST") else {"Host": "x"}

    assert not head(headers, line).is_upgrade


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Connection": "close"}, 400),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
        ({"Content-Length": "0"}, 400),
        ({"Transfer-Encoding": "chunked"}, 400),
    ],
)
def test_bad_upgrades_are_refused(change: dict[str, str], status: int) -> None:
    """Each with the status that says what is wrong."""
    with pytest.raises(BadHead) as caught:
        heads.check_upgrade(head(GOOD | change))

    assert caught.value.status == status


@pytest.mark.parametrize(
    "text",
    [
        "GET /\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "G\x00T / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n folded: x\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\na: b\nc: d\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ],
)
def test_malformed_heads_are_refused(text: str) -> None:
    """What could be read in two ways is not read at all."""
    with pytest.raises(BadHead):
        heads.parse(text.encode())


def test_repeated_headers_are_joined() -> None:
    """As HTTP says for lists."""
    parsed = heads.parse(b"GET / HTTP/1.1\r\nX-Forwarded-For: a\r\nx-forwarded-for: b\r\n\r\n")

    assert parsed.headers["x-forwarded-for"] == "a,b"


def test_refusal_is_an_http_answer() -> None:
    """Status, length, and that the connection ends."""
    text = heads.refusal(503, "later", {"Retry-After": "30"}).decode()

    assert text.startswith("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\n")
    assert text.endswith("Content-Length: 5\r\nConnection: close\r\n\r\nlater")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.1", "", "10.0.0.1:5"),
        ("192.0.2.9", "198.51.100.7", "192.0.2.9:5"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "nonsense", "10.0.0.1:5"),
        ("10.0.0.1", "10.0.0.3", "10.0.0.1:5"),
        ("::1", "", "[::1]:5"),
    ],
)
def test_forwarded_address_is_believed_from_our_proxies_only(peer: str, forwarded: str, expected: str) -> None:
    """The right-most hop that is not ours; a stranger's header is ignored."""
    assert heads.peer_of(peer, 5, forwarded, (ip_network("10.0.0.0/8"),)) == expected


@pytest.mark.parametrize("name", ["Authorization", "Secret-Key", "OpAMP-Instance-UID", "X-Client-Cert"])
def test_what_says_who_knocks_may_come_once(name: str) -> None:
    """Of two, nobody can tell which was meant; a header nobody here reads may be repeated."""
    head = f"GET / HTTP/1.1\r\nHost: x\r\n{name}: a\r\n{name.upper()}: b\r\n\r\n".encode()

    with pytest.raises(BadHead, match="may come once"):
        heads.parse(head, "x-client-cert")
    if name == "X-Client-Cert":
        assert heads.parse(head).headers["x-client-cert"] == "a,b"

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from devstack.credentials import admin_is_refused, token_is_refused
from devstack.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _door(status: int, role: str = "admin") -> Iterator[str]:
    """Run a server that answers every POST alike."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"token": "t", "user": {"role": role}}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer((LOOPBACK, 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("status", "refused"), [(200, False), (401, True), (429, False), (503, False)])
def test_only_a_plain_no_counts(status: int, *, refused: bool) -> None:
    """An overloaded door is no reason to make another admin or token."""
    with _door(status) as url:
        assert admin_is_refused(url, "admin", "pw") is refused
        assert token_is_refused(f"{url}/v1/opamp", "oet_1_x") is refused


def test_who_is_no_administrator_any_more_is_refused() -> None:
    """A login that may not administer is of no use to the one who started the platform."""
    with _door(200, role="viewer") as url:
        assert admin_is_refused(url, "admin", "pw")


def test_silence_is_no_refusal() -> None:
    """Nobody there: what we remember stays."""
    url = f"http://{LOOPBACK}:{free_port()}"

    assert not admin_is_refused(url, "admin", "pw")
    assert not token_is_refused(url, "oet_1_x")

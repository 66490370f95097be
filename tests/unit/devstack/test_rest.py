from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from devstack.errors import StackError
from devstack.ports import LOOPBACK, free_port
from devstack.rest import Rest

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Api(BaseHTTPRequestHandler):
    """Knows one person, and one configuration that exists."""

    def do_GET(self) -> None:
        """Tell who asks."""
        self._answer(200, {"asked_as": self.headers["Authorization"], "path": self.path})

    def do_POST(self) -> None:
        """Log in or create."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/v1/auth/login":
            right = body == {"username": "admin", "password": "right"}
            self._answer(
                200 if right else 401,
                {"token": "t", "user": {"role": "admin"}} if right else {"error": "wrong password"},
            )
        else:
            self._answer(409 if body["name"] == "there" else 422 if body["name"] == "" else 201, {"error": "no"})

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def api_url() -> Iterator[str]:
    """Give the address of an API."""
    with HTTPServer((LOOPBACK, 0), _Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()


def test_token_is_used_after_login(api_url: str) -> None:
    """Paths are relative to the version of the API."""
    rest = Rest(api_url, "admin", "right")
    rest.login()

    assert rest.role == "admin"
    assert rest.get("/agents") == {"asked_as": "Bearer t", "path": "/api/v1/agents"}


def test_wrong_password_is_told(api_url: str) -> None:
    """The API's words are in the message."""
    with pytest.raises(StackError, match=r"POST /auth/login: the API answered 401: .*wrong password"):
        Rest(api_url, "admin", "wrong").login()


def test_what_is_there_is_not_created_again(api_url: str) -> None:
    """A second demo start finds its configurations; other refusals are told."""
    rest = Rest(api_url, "admin", "right")

    assert rest.create("/configurations", {"name": "new"})
    assert not rest.create("/configurations", {"name": "there"})
    with pytest.raises(StackError, match="the API answered 422"):
        rest.create("/configurations", {"name": ""})


def test_silence_is_told() -> None:
    """An API that is away is one line."""
    with pytest.raises(StackError, match="GET /agents: the API does not answer"):
        Rest(f"http://{LOOPBACK}:{free_port()}", "admin", "x").get("/agents")

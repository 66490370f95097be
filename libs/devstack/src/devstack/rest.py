"""The few calls of the REST API that the demo makes, as anybody could with curl."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from devstack.errors import StackError

TIMEOUT_SECONDS = 15.0
CONFLICT = 409
UNAUTHENTICATED = 401


class Rest:
    """The API as one person sees it."""

    def __init__(self, api_url: str, username: str, password: str) -> None:
        self._root = f"{api_url}/api/v1"
        self._login = {"username": username, "password": password}
        self._token = ""
        self.role = ""
        """What the person may do, once logged in."""

    def login(self) -> None:
        """
        Take a token; good for some minutes.

        Raises:
            StackError: The API is away or knows another password.
        """
        self._token = ""
        session = self._call("POST", "/auth/login", self._login)
        self._token = session["token"]
        self.role = session["user"]["role"]

    def get(self, path: str) -> dict[str, Any]:
        """GET; returns the JSON object."""
        return self._call("GET", path)

    def create(self, path: str, body: dict[str, Any]) -> bool:
        """POST; False when it is there already."""
        try:
            self._call("POST", path, body)
        except Refused as exc:
            if exc.status == CONFLICT:
                return False
            raise
        return True

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310  # our own http address
            self._root + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  # the same
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as exc:
            with exc:
                said = exc.read(1000).decode(errors="replace")
            raise Refused(method, path, exc.code, said) from exc
        except (OSError, ValueError) as exc:
            message = f"{method} {path}: the API does not answer ({exc})"
            raise StackError(message) from exc


class Refused(StackError):
    """The API answered with an error."""

    def __init__(self, method: str, path: str, status: int, said: str) -> None:
        super().__init__(f"{method} {path}: the API answered {status}: {said}")
        self.status = status

"""Which server is examined: one address, two transports."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_PATH = "/v1/opamp"
DEFAULT_PORT = 4320
_SECURE = {"wss": True, "https": True, "ws": False, "http": False}
_SCHEME_PORT = {True: 443, False: 80}


class TargetError(ValueError):
    """The address cannot be used."""


@dataclass(frozen=True)
class Target:
    """A server under test."""

    host: str
    port: int
    path: str = DEFAULT_PATH
    secure: bool = False
    token: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with every request, such as X-Tenant."""

    verify_tls: bool = True
    ca_file: str = ""

    @classmethod
    def parse(
        cls,
        endpoint: str,
        *,
        token: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        verify_tls: bool = True,
        ca_file: str = "",
    ) -> Target:
        """
        Read a ws, wss, http or https URL; either scheme of a pair names both transports.

        Raises:
            TargetError: It is none, or its port is no number.
        """
        parts = urlsplit(endpoint)
        if parts.scheme not in _SECURE or not parts.hostname:
            raise TargetError(f"{endpoint!r} is no ws, wss, http or https URL")
        secure = _SECURE[parts.scheme]
        try:
            port = parts.port or _SCHEME_PORT[secure]
        except ValueError as error:
            raise TargetError(f"{endpoint!r} has no usable port") from error
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, port, path, secure, token, headers, verify_tls, ca_file)

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def url(self, *, websocket: bool) -> str:
        """Write the address of one transport."""
        scheme = ("wss" if self.secure else "ws") if websocket else ("https" if self.secure else "http")
        return f"{scheme}://{self.authority}{self.path}"

    def credentials(self) -> dict[str, str]:
        """Return the headers that let an agent in."""
        found = dict(self.headers)
        if self.token:
            found["Authorization"] = f"Bearer {self.token}"
        return found

    def tls(self) -> ssl.SSLContext | None:
        """Make the TLS context; None for plain connections."""
        if not self.secure:
            return None
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if not self.verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

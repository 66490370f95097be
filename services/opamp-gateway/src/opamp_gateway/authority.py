"""Keeps up with the platform's certificate authority: whether it is on, and whom TLS believes because of it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import structlog

from servicekit.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from opamp_gateway.gateway import Gateway

log = structlog.get_logger()

_LOOK_SECONDS = 30.0
_SOON_SECONDS, _AGAIN_SECONDS = 0.25, 3.0
"""The same while agent-state has not answered yet: at first soon, for agents may be here already."""


class DoorContext(ssl.SSLContext):
    """
    TLS of the door, 1.2 or newer; a client certificate is asked for once somebody is trusted to issue one.

    An authority cannot be taken out of an SSLContext. So what a listener was given once only begins each handshake:
    with the peer's first words it goes over to a context made for those who are believed now.
    """

    files: tuple[str, str, str]
    """Certificate, key, operator's own authority."""

    def believe(self, platform_pem: str) -> None:
        """
        Ask for certificates of the operator's own authority and of *platform_pem*, and of nobody else, from now on.

        Raises:
            OSError: A file cannot be read.

            ssl.SSLError: A file or the authority is not what it should be.
        """
        certificate_file, key_file, client_ca_file = self.files
        current = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        current.load_cert_chain(certificate_file, key_file)
        if client_ca_file:
            current.load_verify_locations(cafile=client_ca_file)
        if platform_pem:
            current.load_verify_locations(cadata=platform_pem)

        def go_over(peer: Any, _name: str | None, _context: ssl.SSLContext) -> None:
            peer.context = current

        self.sni_callback = go_over
        # Whether to ask is decided before the peer speaks.
        self.verify_mode = ssl.CERT_OPTIONAL if client_ca_file or platform_pem else ssl.CERT_NONE


class AuthorityWatch:
    """
    Looks at the authority now and then.

    Args:
        gateway: Learns whether agents may ask for certificates, and whose certificates count.

        ask: Gets the authority's certificates, PEM; empty = it is off. Raises ServiceError.

        context: Of the door, None = it speaks no TLS.
    """

    def __init__(self, gateway: Gateway, ask: Callable[[], Awaitable[str]], context: DoorContext | None = None) -> None:
        self._gateway = gateway
        self._ask = ask
        self._context = context
        self._known: str | None = None

    async def run(self) -> None:
        """Look for ever."""
        pause = _SOON_SECONDS
        while True:
            await self._gateway.clock.sleep(pause if self._known is None else _LOOK_SECONDS)
            pause = min(_AGAIN_SECONDS, 2 * pause)
            await self.look()

    async def look(self) -> None:
        """Look once; what cannot be found out now stays as it is."""
        try:
            pem = await self._ask()
        except ServiceError as error:
            log.debug("authority_not_known", error=error.public)
            return
        if pem == self._known:
            return
        try:
            self._gateway.trust.platform_is(pem)
            if self._context is not None:
                self._context.believe(pem)
        except (ValueError, OSError) as error:
            log.warning("authority_not_readable", error=str(error))
            return
        self._known = pem
        self._gateway.rules.greeting.certify(certificates=bool(pem))
        for holder in self._gateway.connections:
            if holder.session is not None:
                holder.session.greet_again()
        log.info("authority_known", on=bool(pem))


def door_context(certificate_file: str, key_file: str, client_ca_file: str) -> DoorContext:
    """
    Make the TLS of the door as long as the platform's authority is not known.

    Args:
        certificate_file: PEM, the chain included.

        key_file: PEM.

        client_ca_file: PEM of the operator's own authority; empty = none.

    Raises:
        OSError: A file cannot be read.

        ssl.SSLError: A file is not what it should be.
    """
    context = DoorContext(ssl.PROTOCOL_TLS_SERVER)
    context.files = (certificate_file, key_file, client_ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_file, key_file)
    context.believe("")
    return context

"""Keeps up with the platform's certificate authority: whether it is on, and whom TLS believes because of it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import structlog

from servicekit.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opamp_gateway.gateway import Gateway

log = structlog.get_logger()

_LOOK_SECONDS = 30.0
_SOON_SECONDS, _AGAIN_SECONDS = 0.25, 3.0
"""The same while agent-state has not answered yet: at first soon, for agents may be here already."""


class AuthorityWatch:
    """
    Looks at the authority now and then.

    Args:
        gateway: Learns whether agents may ask for certificates, and whose certificates count.

        ask: Gets the authority's certificates, PEM; empty = it is off. Raises ServiceError.

        context: Of the door, None = it speaks no TLS.
    """

    def __init__(
        self, gateway: Gateway, ask: Callable[[], Awaitable[str]], context: ssl.SSLContext | None = None
    ) -> None:
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
            if self._context is not None and pem:
                # A certificate that is not valid any more is refused by agent-state: nothing need be taken away here.
                self._context.load_verify_locations(cadata=pem)
                self._context.verify_mode = ssl.CERT_OPTIONAL
        except (ValueError, ssl.SSLError) as error:
            log.warning("authority_not_readable", error=str(error))
            return
        self._known = pem
        self._gateway.rules.greeting.certify(certificates=bool(pem))
        for holder in self._gateway.connections:
            if holder.session is not None:
                holder.session.greet_again()
        log.info("authority_known", on=bool(pem))


def door_context(certificate_file: str, key_file: str, client_ca_file: str) -> ssl.SSLContext:
    """
    Make the TLS of the door: 1.2 or newer; a client certificate is asked for once somebody is trusted to issue one.

    Args:
        certificate_file: PEM, the chain included.

        key_file: PEM.

        client_ca_file: PEM of the operator's own authority; empty = none.

    Raises:
        OSError: A file cannot be read.

        ssl.SSLError: A file is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_file, key_file)
    if client_ca_file:
        context.load_verify_locations(cafile=client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context

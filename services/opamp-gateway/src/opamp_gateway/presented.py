"""Which client certificate a request shows: of its own TLS connection, or in the header of a proxy of ours."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from opamp_gateway.certificates import der_of
from opamp_gateway.head import is_in

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from typing import Any

    from opamp_gateway.credentials import ClientCertificate
    from opamp_gateway.gateway import Gateway


def certificate_of(
    gateway: Gateway, transport: asyncio.BaseTransport | None, headers: Mapping[str, str], address: str
) -> ClientCertificate | None:
    """
    Find the certificate and check it; None = none is shown.

    From a proxy that forwards certificates only its header counts: the certificate of that connection is the proxy's
    own. From anybody else the header is ignored.

    Args:
        gateway: Knows whom to believe.

        transport: The connection.

        headers: Names in lower case.

        address: Of the socket's peer, not forwarded.

    Raises:
        BadCertificate: It proves nothing; the text says why.
    """
    name = gateway.limits.certificate_header
    if name and is_in(address, gateway.limits.certificate_proxies):
        forwarded = headers.get(name, "").strip()
        return gateway.trust.check(der_of(forwarded), gateway.clock.now()) if forwarded else None
    engine = transport.get_extra_info("ssl_object") if transport is not None else None
    if not isinstance(engine, ssl.SSLObject | ssl.SSLSocket):
        return None
    der = engine.getpeercert(binary_form=True)
    return gateway.trust.verified(der, _chain_of(engine)) if der else None


def _chain_of(engine: ssl.SSLObject | ssl.SSLSocket) -> list[bytes]:
    """Tell which chain the handshake verified; empty = it was resumed, or this Python cannot tell."""
    # Public since Python 3.13; before, the same method is there one layer below.
    below = engine if hasattr(engine, "get_verified_chain") else getattr(engine, "_sslobj", None)
    chain: list[Any] = getattr(below, "get_verified_chain", list)() or []
    return [one if isinstance(one, bytes) else ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain]

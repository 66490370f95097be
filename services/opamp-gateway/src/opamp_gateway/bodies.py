"""HTTP bodies: unpacked within a limit, and what may be packed in return. Pure."""

from __future__ import annotations

import zlib

from opamp_gateway.errors import BadMessage


class TooLarge(Exception):
    """A body passed the limit."""


def inflate(data: bytes, limit: int) -> bytes:
    """
    Unpack gzip, never to more than *limit* bytes.

    Raises:
        BadMessage: It is not gzip, or ends early, or something follows it.

        TooLarge: It would be more than *limit* bytes.
    """
    engine = zlib.decompressobj(wbits=31)
    try:
        plain = engine.decompress(data, limit + 1)
    except zlib.error as error:
        text = "the body is not readable gzip"
        raise BadMessage(text) from error
    if len(plain) > limit:
        raise TooLarge
    if not engine.eof or engine.unused_data:
        text = "the gzip body is cut short or followed by something else"
        raise BadMessage(text)
    return plain


def takes_gzip(accept: str) -> bool:
    """Say whether an Accept-Encoding value allows gzip."""
    allowed = False
    for part in accept.lower().split(","):
        coding, _, parameters = part.partition(";")
        name = coding.strip()
        if name not in ("gzip", "x-gzip", "*"):
            continue
        quality = parameters.strip().partition("=")[2].strip() if "q" in parameters else "1"
        try:
            wanted = float(quality) > 0
        except ValueError:
            wanted = False
        if name != "*":
            return wanted
        allowed = wanted
    return allowed

"""
The texts agents authenticate with: a prefix scanners know, an id, a secret, and a checksum.

    oet_<id>_<secret><checksum>     enrolment token
    oac_<id>_<secret><checksum>     an agent's own credential

With the checksum a slip of the pen is seen where the text is, without asking anybody. Texts made before there was
one are shorter and stay valid.
"""

from __future__ import annotations

import re
import zlib

ENROLMENT = "oet"
CREDENTIAL = "oac"
CHECKSUM_LENGTH = 6

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Enrolment tokens: 12 and 48 hexadecimal digits. Credentials: 17 characters and 32 bytes in URL-safe base64.
_SEALED = re.compile(r"(?:oet_[0-9A-Za-z]{12}_[0-9A-Za-z]{48}|oac_[0-9A-Za-z]{17}_[0-9A-Za-z_-]{43})[0-9A-Za-z]{6}")


def sealed(text: str) -> str:
    """Append the checksum."""
    return text + checksum(text)


def checksum(text: str) -> str:
    """Tell the CRC-32 of a text in six characters of base 62, most significant first."""
    rest = zlib.crc32(text.encode())
    digits = []
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def is_mistyped(text: str) -> bool:
    """
    Say for certain that a text was never made by this platform: it has the form of one, and a wrong checksum.

    Anything of another form is not judged here.
    """
    return _SEALED.fullmatch(text) is not None and checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]

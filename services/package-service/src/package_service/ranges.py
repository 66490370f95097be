"""Which bytes of a file a request asks for (RFC 9110, 14). Pure."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Unsatisfiable(Exception):
    """The range lies outside the file."""


def bytes_asked(header: str | None, size: int) -> tuple[int, int]:
    """
    Read a Range header.

    Anything but one range of bytes is as good as no header, as the RFC allows.

    Args:
        header: As sent; None = there is none.

        size: Of the file.

    Returns:
        From where up to but without where.

    Raises:
        Unsatisfiable: To be answered with 416.
    """
    form = _RANGE.fullmatch((header or "").strip())
    if form is None or not (form[1] or form[2]):
        return 0, size
    if not form[1]:
        length = min(int(form[2]), size)
        if not length:
            raise Unsatisfiable
        return size - length, size
    start = int(form[1])
    if start >= size:
        raise Unsatisfiable
    if not form[2]:
        return start, size
    end = int(form[2])
    # A range that ends before it begins is not one, and is ignored.
    return (start, min(end + 1, size)) if end >= start else (0, size)


def is_current(if_range: str | None, etag: str) -> bool:
    """Say whether a range may be given: the client's other bytes are of this very content."""
    return if_range is None or if_range.strip() == etag

"""Heads of HTTP/1.1 requests and responses by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_END = b"\r\n\r\n"
_LONGEST = 65536


class HeadError(Exception):
    """These bytes are no HTTP response."""


@dataclass(frozen=True)
class Head:
    """Status and headers of a response; names in lower case, values of repeated ones joined by commas."""

    status: int
    headers: dict[str, str]


def write_head(line: str, headers: Mapping[str, str]) -> bytes:
    """Write a request head."""
    lines = [line, *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines)).encode("latin-1") + _END


def read_head(data: bytes) -> tuple[Head, int] | None:
    """
    Read a response head; returns it and its length in bytes, None while it is not complete.

    Raises:
        HeadError: It is none.
    """
    end = data.find(_END)
    if end < 0:
        if len(data) > _LONGEST:
            raise HeadError("a response head without end")
        return None
    lines = data[:end].decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    code = rest.partition(" ")[0]
    if not version.startswith("HTTP/1.") or not code.isdigit():
        raise HeadError(f"{lines[0][:80]!r} is no status line")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        key = name.strip().lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return Head(int(code), headers), end + len(_END)

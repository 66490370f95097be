"""Entity tags: a configuration's version in quotes, and what If-Match and If-None-Match may say about it."""

from __future__ import annotations

from dataclasses import dataclass

MAX_HEADER_LENGTH = 1024


@dataclass(frozen=True)
class IfMatch:
    """What a client believes to be current."""

    any_version: bool
    """`*`, or no header at all."""

    versions: frozenset[int] = frozenset()
    """Strong tags of ours; tags that cannot be ours match nothing and are left out."""


def format_etag(version: int) -> str:
    """Write the entity tag of a version."""
    return f'"{version}"'


def is_held(header: str | None, etag: str) -> bool:
    """
    Say whether an If-None-Match header (RFC 9110, 13.1.2) names *etag*: the client has it already.

    Weak tags match too (weak comparison).
    """
    tags = [part.strip().removeprefix("W/") for part in (header or "")[:MAX_HEADER_LENGTH].split(",")]
    return etag in tags or tags == ["*"]


def parse_if_match(header: str | None) -> IfMatch:
    """
    Read an If-Match header (RFC 9110, 13.1.1).

    Weak tags never match (strong comparison). A bare number is taken as the tag it surely meant.
    """
    if header is None or header.strip() == "*":
        return IfMatch(any_version=True)
    versions = set()
    for part in header[:MAX_HEADER_LENGTH].split(","):
        text = part.strip()
        digits = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
        if digits.isascii() and digits.isdigit() and len(digits) < 19:  # noqa: PLR2004 - fits 64 bits
            versions.add(int(digits))
    return IfMatch(any_version=False, versions=frozenset(versions))

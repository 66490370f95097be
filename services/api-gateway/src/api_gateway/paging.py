"""Pages: what a caller may ask for, and how the next one is pointed at."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000


def next_link(path: str, query: Iterable[tuple[str, str]], next_cursor: str) -> str:
    """
    Write the Link header that points at the next page (RFC 8288).

    Args:
        path: Path as called.

        query: Query as called; its cursor and offset are replaced.

        next_cursor: From the service's answer; not empty.
    """
    kept = [(key, value) for key, value in query if key not in {"cursor", "offset"}]
    return f'<{path}?{urlencode([*kept, ("cursor", next_cursor)])}>; rel="next"'


def slices(limit: int, size: int) -> list[int]:
    """Cut *limit* rows into requests of at most *size*: answers must fit the bus."""
    full, rest = divmod(limit, size)
    return [size] * full + ([rest] if rest else [])

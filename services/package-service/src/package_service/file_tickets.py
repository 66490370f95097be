"""
Download tickets: what an agent shows to fetch one file when it cannot show its own credential.

Real clients download with a plain GET and the headers of the offer, nothing else. A ticket opens one file of one
tenant until a day is over, and is the same text all day, so that agents with equal lists share one offer. Pure:
time and keys are handed in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from package_service import metrics
from package_service.errors import DownloadRefused, TicketsAway

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

PREFIX = "pft_"
LIFETIME_DAYS = 2
"""A ticket ends when its day and the next one are over: it is good for one day at least."""

SETTLED = timedelta(hours=1)
"""A key signs from the first day on that begins so long after it was made: by then every replica has it."""

MAX_LENGTH = 256
_FORM = re.compile(r"pft_(?P<key>[0-9a-f]{8})_(?P<day>[0-9]{1,7})_(?P<tenant>[a-z0-9-]{1,63})_(?P<mac>[0-9a-f]{64})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_PURPOSE = b"opamp-platform file ticket 1"


@dataclass(frozen=True)
class TicketKey:
    """A secret tickets are made with."""

    key_id: str
    """Eight hexadecimal digits."""

    secret: bytes
    created_at: datetime


class FileTickets:
    """
    Writes and checks tickets.

    Args:
        keys: Every key whose tickets are believed; replaced by use().
    """

    def __init__(self, keys: Iterable[TicketKey] = ()) -> None:
        self._keys: dict[str, TicketKey] = {}
        self.use(keys)

    def use(self, keys: Iterable[TicketKey]) -> None:
        """Believe these keys from now on, and no others."""
        self._keys = {key.key_id: key for key in keys}

    def mint(self, tenant_id: str, file_id: UUID, now: datetime) -> str:
        """
        Write the ticket for a file; the same text all day (UTC), on every replica.

        Raises:
            TicketsAway: There is no key yet.
        """
        today = _day_of(now)
        key = self._signing_key(_EPOCH + today * _DAY)
        ends = today + LIFETIME_DAYS
        return f"{PREFIX}{key.key_id}_{ends}_{tenant_id}_{_mac(key, ends, tenant_id, file_id)}"

    def check(self, text: str, file_id: UUID, now: datetime) -> str:
        """
        Return the tenant whose file a ticket opens.

        Raises:
            DownloadRefused: It is none of ours, for another file, or its time is over.
        """
        form = _FORM.fullmatch(text) if len(text) <= MAX_LENGTH else None
        key = self._keys.get(form["key"]) if form is not None else None
        if form is None or key is None:
            raise _refused("unknown")
        ends = int(form["day"])
        if not hmac.compare_digest(form["mac"], _mac(key, ends, form["tenant"], file_id)):
            raise _refused("wrong")
        # After the code was found right: whoever guesses learns nothing from the order.
        if _day_of(now) >= ends:
            raise _refused("expired")
        metrics.FILE_TICKETS.labels("accepted").inc()
        return form["tenant"]

    def _signing_key(self, day_begins: datetime) -> TicketKey:
        if not self._keys:
            raise TicketsAway
        by_age = sorted(self._keys.values(), key=lambda key: (key.created_at, key.key_id))
        settled = [key for key in by_age if key.created_at + SETTLED <= day_begins]
        return settled[-1] if settled else by_age[0]


def is_ticket(text: str) -> bool:
    """Say whether a credential claims to be a ticket."""
    return text.startswith(PREFIX)


def _refused(outcome: str) -> DownloadRefused:
    metrics.FILE_TICKETS.labels(outcome).inc()
    return DownloadRefused(
        "the download ticket is not valid for this file, or has expired; the next offer has a new one"
    )


def _day_of(now: datetime) -> int:
    return (now - _EPOCH) // _DAY


def _mac(key: TicketKey, ends: int, tenant_id: str, file_id: UUID) -> str:
    # Every part but the tenant has a fixed form, and the tenant stands between separators it cannot contain.
    said = b"\x00".join((_PURPOSE, str(ends).encode(), tenant_id.encode(), file_id.bytes.hex().encode()))
    return hmac.new(key.secret, said, hashlib.sha256).hexdigest()

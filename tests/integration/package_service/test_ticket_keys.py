"""Keys of download tickets: shared, renewed, forgotten."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from package_service.errors import DownloadRefused
from package_service.file_tickets import FileTickets
from package_service.ticket_keys import KEEP_SECONDS, ROTATE_SECONDS, TicketKeys
from servicekit.clock import FakeClock

if TYPE_CHECKING:
    import asyncpg

FILE = uuid.uuid4()


def keys(pool: asyncpg.Pool) -> tuple[TicketKeys, FileTickets]:
    """Make the keys of one replica."""
    tickets = FileTickets()
    return TicketKeys(pool, tickets, FakeClock()), tickets


async def age(pool: asyncpg.Pool, seconds: float) -> None:
    """Make every key older."""
    await pool.execute("UPDATE file_ticket_key SET created_at = created_at - make_interval(secs => $1)", seconds)


async def test_replicas_that_start_together_share_one_key(pool: asyncpg.Pool) -> None:
    """What one writes the other believes."""
    one, two = keys(pool), keys(pool)

    await asyncio.gather(one[0].refresh(), two[0].refresh())

    now = datetime.now(UTC)
    assert await pool.fetchval("SELECT count(*) FROM file_ticket_key") == 1
    assert two[1].check(one[1].mint("default", FILE, now), FILE, now) == "default"


async def test_key_is_renewed_after_its_month_and_believed_a_while(pool: asyncpg.Pool) -> None:
    """Rotation breaks no ticket; a key whose last ticket has ended is forgotten."""
    refresher, tickets = keys(pool)
    await refresher.refresh()
    now = datetime.now(UTC)
    text = tickets.mint("default", FILE, now)

    await age(pool, ROTATE_SECONDS + 1)
    await refresher.refresh()
    assert await pool.fetchval("SELECT count(*) FROM file_ticket_key") == 2
    assert tickets.check(text, FILE, now) == "default"

    await age(pool, KEEP_SECONDS - ROTATE_SECONDS)
    await refresher.refresh()
    with pytest.raises(DownloadRefused):
        tickets.check(text, FILE, now)


async def test_deleting_every_key_voids_every_ticket(pool: asyncpg.Pool) -> None:
    """What an operator does when a secret was seen."""
    refresher, tickets = keys(pool)
    await refresher.refresh()
    now = datetime.now(UTC)
    text = tickets.mint("default", FILE, now)

    await pool.execute("DELETE FROM file_ticket_key")
    await refresher.refresh()

    with pytest.raises(DownloadRefused):
        tickets.check(text, FILE, now)
    assert tickets.mint("default", FILE, now) != text

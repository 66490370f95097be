"""
The secrets of download tickets: made when there is none, renewed every month, the same on every replica.

A new secret makes tickets from the next day on (file_tickets.SETTLED), an old one is believed until its last
ticket has ended. Whoever deletes every row makes all tickets void within a minute.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import structlog

from package_service.file_tickets import FileTickets, TicketKey
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    import asyncpg

    from servicekit.clock import Clock

log = structlog.get_logger()

REFRESH_SECONDS = 60.0
ROTATE_SECONDS = 30 * 24 * 3600.0
KEEP_SECONDS = ROTATE_SECONDS + 4 * 24 * 3600.0
"""A key is replaced at most a day after its month, and its last ticket ends two days later."""

_LOCK = "SELECT pg_advisory_xact_lock(hashtext(current_schema()), hashtext('file_ticket_key'))"
_ADD = """
INSERT INTO file_ticket_key (key_id, secret) SELECT $1, $2
WHERE NOT EXISTS (SELECT FROM file_ticket_key WHERE created_at > now() - make_interval(secs => $3))
"""
_PRUNE = "DELETE FROM file_ticket_key WHERE created_at < now() - make_interval(secs => $1)"
_ALL = "SELECT key_id, secret, created_at FROM file_ticket_key"


class TicketKeys:
    """
    Keeps the keys of FileTickets current.

    Args:
        pool: The service's database.

        tickets: Whose keys these are.

        clock: For waiting.
    """

    def __init__(self, pool: asyncpg.Pool, tickets: FileTickets, clock: Clock) -> None:
        self._pool = pool
        self._tickets = tickets
        self._clock = clock

    async def run(self) -> None:
        """Refresh for ever; while the database is away the known keys go on."""
        while True:
            await self._clock.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("ticket_keys_wait", error=str(error) or type(error).__name__)

    async def refresh(self) -> None:
        """Make a key if the newest is too old or missing, forget those that are over, and use the rest."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK)
            await connection.execute(_ADD, secrets.token_hex(4), secrets.token_bytes(32), ROTATE_SECONDS)
            await connection.execute(_PRUNE, KEEP_SECONDS)
            rows = await connection.fetch(_ALL)
        self._tickets.use(TicketKey(**row) for row in rows)

"""One of several replicas does it: a session advisory lock in the service's own database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from servicekit import metrics
from servicekit.groups import heed_cancellation, leaves
from servicekit.postgres import is_transient

log = structlog.get_logger()

RETRY_SECONDS = 2.0
LIVENESS_SECONDS = 2.0

_TRY = "SELECT pg_try_advisory_lock(hashtext(current_schema()), hashtext($1))"


class Leader:
    """
    Runs work while holding the lock called *name*; another replica takes over within seconds of a loss.

    A paused leader does not know that it lost the lock, so effects still need guards of their own.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait for the lock, run *work*, begin again when the session is lost; for ever."""
        while True:
            try:
                await self._term(work)
            except Exception as error:
                if not all(is_transient(leaf) for leaf in leaves(error)):
                    raise
                log.info("leadership_lost", name=self._name)
            metrics.LEADER.labels(self._name).set(0)
            heed_cancellation()
            await asyncio.sleep(RETRY_SECONDS)

    async def _term(self, work: Callable[[], Awaitable[None]]) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=5,
            command_timeout=5,
            server_settings={"application_name": f"leader {self._name}"[:60]},
        )
        try:
            while not await connection.fetchval(_TRY, self._name):  # noqa: ASYNC110 - the lock is in another process
                await asyncio.sleep(RETRY_SECONDS)
            metrics.LEADER.labels(self._name).set(1)
            log.info("leadership_taken", name=self._name)
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(self._keep(connection))
                await work()
                keeper.cancel()
        finally:
            connection.terminate()

    @staticmethod
    async def _keep(connection: asyncpg.Connection) -> None:
        while True:
            await asyncio.sleep(LIVENESS_SECONDS)
            await connection.fetchval("SELECT 1")

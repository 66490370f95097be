from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import asyncpg

from servicekit.leader import Leader
from world.postgres import Database

Eventually = Callable[..., Awaitable[object]]


async def test_only_one_leads_and_the_other_takes_over(postgres: Database, eventually: Eventually) -> None:
    """Of two replicas one works; when its session ends the other follows."""
    url = postgres.url_for("agent-state")
    terms: list[str] = []

    async def lead(name: str) -> None:
        async def work() -> None:
            terms.append(name)
            await asyncio.Event().wait()

        await Leader(url, "sweep").run(work)

    tasks = [asyncio.ensure_future(lead(name)) for name in ("one", "two")]
    try:
        await eventually(lambda: len(terms) == 1)
        first = terms[0]
        tasks[0 if first == "one" else 1].cancel()
        await eventually(lambda: len(terms) == 2)
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    assert set(terms) == {"one", "two"}


async def test_a_leader_whose_session_was_cut_leads_again(postgres: Database, eventually: Eventually) -> None:
    """Losing the session cancels the work; it begins afresh once the lock is taken again."""
    ended: list[str] = []
    begun: list[str] = []

    async def work() -> None:
        begun.append("term")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("term")

    task = asyncio.ensure_future(Leader(postgres.url_for("agent-state"), "sweep").run(work))
    try:
        await eventually(lambda: bool(begun))
        admin = await asyncpg.connect(postgres.admin_url)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'leader sweep' AND datname = current_database()"
        )
        await admin.close()
        await eventually(lambda: len(begun) == 2)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    assert len(ended) == 2

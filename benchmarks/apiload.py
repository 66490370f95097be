"""
Requests to the REST API at a fixed rate, whatever the server does; latencies count from when each was due.

Run: python -m benchmarks.apiload URL USER PASSWORD RATE SECONDS. Prints one JSON object: call → latencies in
milliseconds, and the failures it saw. Works against the platform and against the floor alike.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time

import aiohttp
import uvloop

_TIMEOUT = aiohttp.ClientTimeout(total=30)
_SAMPLE = 200


class ApiLoad:
    """One run against one server."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.latencies: dict[str, list[float]] = {"list": [], "get": [], "summary": []}
        self.failures: list[str] = []

    async def login(self, user: str, password: str) -> None:
        """
        Take a token.

        Raises:
            aiohttp.ClientError: Refused or not reachable.
        """
        async with self._session.post(
            "/api/v1/auth/login", json={"username": user, "password": password}, raise_for_status=True
        ) as answer:
            token = (await answer.json())["token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    async def run(self, rate: int, seconds: float) -> None:
        """Ask list, get and summary in turn."""
        async with self._session.get(f"/api/v1/agents?limit={_SAMPLE}", raise_for_status=True) as answer:
            ids = [agent["id"] for agent in (await answer.json())["agents"]]
        calls = itertools.cycle(("list", "get", "summary"))
        agents = itertools.cycle(ids)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(rate * seconds)):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                _ = tasks.create_task(self._ask(next(calls), next(agents), due))

    async def _ask(self, call: str, agent: str, due: float) -> None:
        path = {
            "list": "/api/v1/agents?limit=20",
            "get": f"/api/v1/agents/{agent}",
            "summary": "/api/v1/agents/status/summary",
        }[call]
        try:
            async with self._session.get(path) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failures.append(f"{call}: {error!r}")
            return
        if answer.ok:
            self.latencies[call].append((time.perf_counter() - due) * 1e3)
        else:
            self.failures.append(f"{call}: {answer.status} {body[:200]!r}")


async def main(url: str, user: str, password: str, rate: int, seconds: float) -> None:
    """Run and print."""
    async with aiohttp.ClientSession(url, timeout=_TIMEOUT) as session:
        load = ApiLoad(session)
        await load.login(user, password)
        await load.run(rate, 1.0)  # what is loaded once is not measured
        for seen in load.latencies.values():
            seen.clear()
        await load.run(rate, seconds)
    print(json.dumps({"latencies": load.latencies, "failures": load.failures}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))

"""The process: replicas that share a key, a stop that lets requests finish, settings that are refused."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from api_gateway.passwords import Passwords
from api_gateway.permissions import Role
from api_gateway.store import Users
from contracts import subjects
from devstack.ports import free_ports
from fleet.api.v1 import agent_state_pb2 as agents
from servicekit.bus import Bus
from servicekit.migrate import migrate
from servicekit.postgres import connect_pool
from world.eventually import Eventually


async def start(port: int, **settings: str) -> asyncio.subprocess.Process:
    """Start `python -m api_gateway` on a port."""
    environment = {**os.environ, "API_GATEWAY_PORT": str(port)}
    environment |= {f"API_GATEWAY_{name}": value for name, value in settings.items()}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api_gateway", env=environment, stderr=asyncio.subprocess.PIPE
    )


async def test_replicas_share_sessions_and_leave_politely(
    postgres: Any, nats_url: str, tmp_path: Path, eventually: Eventually
) -> None:
    """Started at once on an empty database; a token of one works at the other; SIGTERM waits for what is under way."""
    url = postgres.url_for("api-gateway")
    key = tmp_path / "keys" / "signing.pem"
    ports = free_ports(2)
    settings = {"POSTGRES_URL": url, "NATS_URL": nats_url, "SIGNING_KEY_FILE": str(key), "LOG_FORMAT": "json"}
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow_summary(_: Any) -> agents.GetStatusSummaryReply:
        asked.set()
        await go_on.wait()
        return agents.GetStatusSummaryReply(total=3)

    bus = await Bus.connect(nats_url, name="stand")
    await bus.serve(subjects.AGENT_STATE, "0.1.0", {subjects.GET_STATUS_SUMMARY: slow_summary})
    processes = [await start(port, **settings) for port in ports]
    one, two = (f"http://127.0.0.1:{port}" for port in ports)
    try:
        async with aiohttp.ClientSession() as session:

            async def ready(address: str) -> bool:
                try:
                    return (await session.get(f"{address}/health/ready")).status == 200
                except aiohttp.ClientError:
                    return False

            for address in (one, two):
                await eventually(lambda address=address: ready(address), within=60)
            await migrate(url, "api_gateway")
            pool = await connect_pool(url, service="test")
            await Users(pool).create("default", "joe", "", await Passwords().hash("correct horse"), Role.VIEWER)
            await pool.close()
            body = {"username": "joe", "password": "correct horse"}
            login = await (await session.post(f"{one}/api/v1/auth/login", json=body)).json()
            headers = {"Authorization": f"Bearer {login['token']}"}

            there = await session.get(f"{two}/api/v1/me", headers=headers)
            under_way = asyncio.ensure_future(session.get(f"{two}/api/v1/agents/status/summary", headers=headers))
            await asyncio.wait_for(asked.wait(), 60)
            processes[1].send_signal(signal.SIGTERM)

            async def refuses() -> bool:
                try:
                    async with aiohttp.ClientSession() as fresh:
                        await fresh.get(f"{two}/health/live")
                except aiohttp.ClientError:
                    return True
                return False

            await eventually(refuses)
            go_on.set()
            finished = await asyncio.wait_for(under_way, 60)

            assert there.status == 200
            assert (finished.status, (await finished.json())["total"]) == (200, 3)
            assert await asyncio.wait_for(processes[1].wait(), 60) == 0
            assert (await session.get(f"{one}/api/v1/me", headers=headers)).status == 200
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    finally:
        go_on.set()
        for process in processes:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.communicate(), 60)
        await bus.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "API_GATEWAY_POSTGRES_URL"),
        ({"POSTGRES_URL": "postgresql://x", "JWT_SECRET": "x"}, "API_GATEWAY_JWT_SECRET: no such setting"),
        ({"POSTGRES_URL": "postgresql://x", "CORS_ORIGINS": "*"}, "API_GATEWAY_CORS_ORIGINS"),
    ],
)
async def test_faulty_settings_are_told_and_end_the_start(settings: dict[str, str], said: str) -> None:
    """One line per fault, status 2."""
    process = await start(0, **settings)

    _, err = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 2
    assert said in err.decode()

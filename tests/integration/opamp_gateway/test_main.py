"""The gateway as a process: it serves, refuses unsafe settings, shares a port, and leaves when told to."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
from gatewaylab.speech import answer, full
from websockets.asyncio.client import connect

from devstack.ports import free_port
from opamp_gateway.settings import PREFIX
from world.eventually import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gatewaylab.stage import World

BEARER = {"Authorization": "Bearer oet_1_secret"}


def environment(world: World, port: int, **more: str) -> dict[str, str]:
    """Write a gateway's environment."""
    settings = {
        "NATS_URL": world.nats.url,
        "REDIS_URL": world.redis.url,
        "PORT": str(port),
        "DRAIN_GRACE_SECONDS": "1",
        "PRESENCE_SECONDS": "0.2",
        **more,
    }
    return {f"{PREFIX}{name}": value for name, value in settings.items()}


def run(arguments: list[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start the command line."""
    with log.open("wb") as output:
        command = [sys.executable, "-m", "opamp_gateway", *arguments]
        return subprocess.Popen(command, env=dict(env), stdout=output, stderr=subprocess.STDOUT)


async def hello(port: int, number: int) -> bool:
    """Connect an agent and have its first message answered."""
    try:
        async with connect(f"ws://127.0.0.1:{port}/v1/opamp", additional_headers=BEARER, compression=None) as agent:
            await agent.send(b"\x00" + full(bytes([number]) * 16).SerializeToString())
            reply = await asyncio.wait_for(agent.recv(), 30)
    except OSError:
        return False
    assert isinstance(reply, bytes)
    return bool(answer(reply[1:]).capabilities)


async def test_process_serves_and_leaves_with_status_zero(world: World, tmp_path: Path) -> None:
    """SIGTERM drains it."""
    port, log = free_port(), tmp_path / "log"
    process = run([], environment(world, port), log)
    try:
        await wait_until(lambda: hello(port, 1), 60)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 60) == 0
        assert b"Traceback" not in log.read_bytes()
        await wait_until(lambda: world.state.beats[-1].leaving)
    finally:
        process.kill()
        process.wait()


async def test_workers_share_the_port_and_are_gateways_of_their_own(world: World, tmp_path: Path) -> None:
    """Each says its own presence; both leave with the parent."""
    port, log = free_port(), tmp_path / "log"
    process = run(["--workers", "2"], environment(world, port), log)
    try:
        await wait_until(lambda: len({beat.gateway_id for beat in world.state.beats}) == 2, 60)
        for number in range(8):
            await wait_until(partial(hello, port, number), 60)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 60) == 0
        await wait_until(lambda: sum(beat.leaving for beat in world.state.beats) == 2)
        assert b"Traceback" not in log.read_bytes()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (["--workers", "none"], {}, b"--workers takes a number"),
        (["--workers", "2"], {"PORT": "0"}, b"name a port"),
        ([], {"PORT": "x"}, b"OPAMP_GATEWAY_PORT"),
        ([], {"AUTHENTICATION": "open", "HOST": "0.0.0.0"}, b"OPAMP_GATEWAY_AUTHENTICATION=token"),  # noqa: S104
        ([], {"TRUSTED_PROXIES": "x"}, b"OPAMP_GATEWAY_TRUSTED_PROXIES"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], sentence: bytes
) -> None:
    """Status 2, and what to do about it; no server is needed to find out."""
    log = tmp_path / "log"
    env = {f"{PREFIX}{name}": value for name, value in settings.items()}

    status = run(arguments, env, log).wait(60)

    assert status == 2
    assert sentence in log.read_bytes()
    assert b"Traceback" not in log.read_bytes()


def test_settings_are_shown(tmp_path: Path) -> None:
    """With what each is for."""
    log = tmp_path / "log"

    assert run(["settings"], {}, log).wait(60) == 0
    assert b"OPAMP_GATEWAY_MAX_MESSAGE_BYTES=4194304" in log.read_bytes()

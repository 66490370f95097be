"""`make demo`: what a stranger sees with one command."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from world.folders import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from world.eventually import Eventually

BASE = 12_000 + os.getpid() % 60 * 50
START_SECONDS = 180
END_SECONDS = 120

pytestmark = pytest.mark.timeout(900)


class Demo:
    """One `devstack demo`."""

    def __init__(self, folder: Path) -> None:
        self.data, self.output = folder / "项目", folder / "output"
        environment = {**os.environ, "FLEET_DATA": str(self.data), "PORT_BASE": str(BASE)}  # as a shell
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "devstack", "demo"], env=environment, stdout=output, stderr=output
            )

    def up(self) -> bool:
        """Whether the fleet stands; fails when the demo has ended."""
        if self.process.poll() is not None:
            pytest.fail(f"ended with {self.process.returncode}: {self.output.read_text()}")
        return "Ctrl-C ends it" in self.output.read_text()

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says."""
        found: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return found

    def left_over(self) -> list[int]:
        """Processes that work for this folder."""
        found = []
        for each in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if each.environ().get("FLEET_DATA") == str(self.data) or str(self.data) in " ".join(each.cmdline()):
                    found.append(each.pid)
        return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder for the demo's data."""
    made = make_folder("demo")
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def test_demo_shows_a_fleet_and_finds_it_again(folder: Path, eventually: Eventually) -> None:
    """25 agents, two configurations applied where they match, one refusal; a second start keeps it all."""
    demo = Demo(folder)
    try:
        await eventually(demo.up, within=START_SECONDS)
        first = demo.facts
        async with httpx.AsyncClient(base_url=f"{first['api_url']}/api/v1", timeout=60) as api:
            await _login(api, first)
            agents = (await api.get("/agents", params={"limit": 100})).json()
            assert agents["total"] == 25
            assert len({agent["labels"]["deployment.environment.name"] for agent in agents["agents"]}) == 3
            assert {agent["transport"] for agent in agents["agents"]} == {"websocket", "http"}

            refused = [agent for agent in agents["agents"] if agent["config_state"] == "failed"]
            assert [agent["status"] for agent in refused] == ["error"]
            assert "refused" in refused[0]["config_error"]
            applied = [agent for agent in agents["agents"] if agent["config_state"] == "applied"]
            assert {agent["configuration_name"] for agent in applied} == {"prod-collectors", "staging-collectors"}
            assert len(applied) == 8 + 8

        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(END_SECONDS) == 0
        await eventually(lambda: not demo.left_over())

        demo = Demo(folder)
        await eventually(demo.up, within=START_SECONDS)
        second = demo.facts
        assert (second["admin_password"], second["enrolment_token"]) == (
            first["admin_password"],
            first["enrolment_token"],
        )
        async with httpx.AsyncClient(base_url=f"{second['api_url']}/api/v1", timeout=60) as api:
            await _login(api, second)
            agents = (await api.get("/agents", params={"limit": 100})).json()
            assert agents["total"] == 25
            again = [agent["config_error"] for agent in agents["agents"] if agent["config_state"] == "failed"]
            assert again == [refused[0]["config_error"]]
            configurations = (await api.get("/configurations")).json()["configurations"]
            assert [each["version"] for each in configurations] == [1, 1]
        demo.process.terminate()
        assert demo.process.wait(END_SECONDS) == 0
    finally:
        demo.process.kill()
        demo.process.wait()


async def test_changed_password_and_revoked_token_are_replaced(folder: Path, eventually: Eventually) -> None:
    """Neither keeps the demo from starting: it makes others, says so, and tells those."""
    demo = Demo(folder)
    try:
        await eventually(demo.up, within=START_SECONDS)
        first = demo.facts
        async with httpx.AsyncClient(base_url=f"{first['api_url']}/api/v1", timeout=60) as api:
            await _login(api, first)
            for token in (await api.get("/enrolment-tokens")).json()["tokens"]:
                assert (await api.delete(f"/enrolment-tokens/{token['id']}")).status_code == 200
            change = {"current_password": first["admin_password"], "new_password": "a-password-of-ones-own"}
            answer = await api.put("/me/password", json=change)
            assert answer.status_code == 200, answer.text
        demo.process.terminate()
        assert demo.process.wait(END_SECONDS) == 0

        demo = Demo(folder)
        await eventually(demo.up, within=START_SECONDS)
        second, said = demo.facts, demo.output.read_text()
        assert f"admin cannot log in with the password of the last start; making {second['admin_user']}\n" in said
        assert f"{second['admin_user']} / {second['admin_password']}\n" in said
        assert "the enrolment token of the last start was revoked or has expired; making another one\n" in said
        assert first["enrolment_token"] not in said
        async with httpx.AsyncClient(base_url=f"{second['api_url']}/api/v1", timeout=60) as api:
            await _login(api, second)
            assert (await api.get("/agents")).json()["total"] == 25
        demo.process.terminate()
        assert demo.process.wait(END_SECONDS) == 0
    finally:
        demo.process.kill()
        demo.process.wait()


async def _login(api: httpx.AsyncClient, facts: dict[str, Any]) -> None:
    login = {"username": facts["admin_user"], "password": facts["admin_password"]}
    answer = await api.post("/auth/login", json=login)
    assert answer.status_code == 200, answer.text
    api.headers["Authorization"] = f"Bearer {answer.json()['token']}"

"""
A real OpenTelemetry Collector that reports by its opampextension and takes no configuration.

The Collector is built by `make interop`; OPAMP_COLLECTOR names another that has the extension, the OTLP receiver
and the debug exporter. Its file is the README's.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from collectors import LABEL, TOKEN_VARIABLE, extension_file, marker, pipeline
from foreign import ForeignProgram
from goprograms import COLLECTOR, Program
from readme import READMES
from sight import Sight

from world.platform import Platform

GATEWAY = "opamp-gateway-1"

pytestmark = pytest.mark.timeout(300)


class Collectors:
    """Starts Collectors that report to a platform, each in a folder of its own."""

    def __init__(self, executable: Path, platform: Platform, run: Callable[..., ForeignProgram], folder: Path) -> None:
        self._executable = executable
        self._platform = platform
        self._run = run
        self._folder = folder

    def start(
        self, label: str, readme: str = READMES[0], *, over_http: bool = False, restarts: bool = False
    ) -> ForeignProgram:
        """Run a Collector with pipelines and the README's extension; one that *restarts* keeps its instance uid."""
        folder = self._folder / label
        extension = extension_file(folder, readme, self._platform.run_json["opamp_url"], label)
        if over_http:
            url = self._platform.run_json["opamp_http_url"]
            text = extension.read_text().replace("ws:\n", "http:\n        polling_interval: 1s\n", 1)
            extension.write_text(text.replace(self._platform.run_json["opamp_url"], url))
        own = folder / "own.yaml"
        own.write_text(pipeline(10))
        command = [self._executable, "--config", own, "--config", extension]
        if restarts:
            more = {"instance_uid": str(uuid.uuid4()), "capabilities": {"accepts_restart_command": True}}
            command += ["--config", f"yaml:{json.dumps({'extensions': {'opamp': more}})}"]
            command += ["--feature-gates", "extension.opampextension.RemoteRestarts"]
        return self._run(command, {TOKEN_VARIABLE: self._platform.token})


@pytest.fixture
async def collectors(
    platform: Platform,
    foreign_program: Callable[..., ForeignProgram],
    program_of: Callable[[Program], Path],
    tmp_path: Path,
) -> Collectors:
    """Give what starts Collectors, with the platform running."""
    executable = program_of(COLLECTOR)
    await platform.start()
    return Collectors(executable, platform, foreign_program, tmp_path)


@pytest.mark.parametrize("readme", READMES)
async def test_collector_with_the_file_of_the_readme(platform: Platform, collectors: Collectors, readme: str) -> None:
    """It is listed with version and components, healthy part by part; it shows what it runs, but not its token."""
    sight = Sight(platform, LABEL, f"collector-{readme.split('.')[1].lower()}")

    collector = collectors.start(sight.name, readme)

    agent = await sight.until("well", status="online", health_state="healthy", transport="websocket")
    assert agent["version"]
    assert agent["type"]
    assert agent["hostname"]
    assert set(agent["health"]["components"]) == {"extensions", "pipeline:traces"}
    await sight.until_it_has("receivers", "otlp")
    (effective,) = await sight.effective()
    assert marker(effective) == 10
    assert platform.token not in effective
    assert collector.stop() == 0
    await sight.until("gone", status="offline", disconnect_reason="agent disconnect")


@pytest.mark.parametrize("over_http", [False, True], ids=["ws", "http"])
async def test_collector_takes_no_configuration(platform: Platform, collectors: Collectors, *, over_http: bool) -> None:
    """A configuration that matches it is shown as not for it; nothing is offered, and it stays well."""
    sight = Sight(platform, LABEL, f"collector-reads-{'http' if over_http else 'ws'}")
    await sight.store(pipeline(20))

    collector = collectors.start(sight.name, over_http=over_http)

    agent = await sight.until("well", status="online", health_state="healthy", config_state="unset")
    configuration = await platform.api.get(f"/agents/{agent['id']}/configuration")
    assert configuration["offered_hash"] == ""
    assert (await platform.api.get(f"/agents/{agent['id']}/apply-history"))["total"] == 0
    assert [marker(each) for each in await sight.effective()] == [10]
    assert collector.stop() == 0


async def test_collector_over_a_server_restart(platform: Platform, collectors: Collectors) -> None:
    """The gateway is killed and started again: the Collector comes back by itself, known as before."""
    sight = Sight(platform, LABEL, "collector-restart")
    collector = collectors.start(sight.name)
    await sight.until_it_has("receivers", "otlp")
    before = await sight.until("well", status="online", health_state="healthy")

    await platform.restart(GATEWAY)

    connections = f"/agents/{before['id']}/connection-history"

    async def came_back() -> bool:
        return int((await platform.api.get(connections))["total"]) > 1

    await sight.wait(came_back, "a second connection")
    after = await sight.until("well again", status="online", health_state="healthy")
    same = ("id", "name", "version", "type", "hostname", "labels", "capabilities", "effective_config", "components")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert collector.stop() == 0


async def test_collector_reloads_on_command(platform: Platform, collectors: Collectors) -> None:
    """The restart command makes it load its configuration afresh: its parts start anew, and it is the same process."""
    sight = Sight(platform, LABEL, "collector-reloads")
    collector = collectors.start(sight.name, restarts=True)
    before = await sight.until("well", status="online", health_state="healthy")

    await platform.api.post(f"/agents/{before['id']}/restart")

    async def anew() -> bool:
        return str((await sight.agent())["health"]["start_time"] or "") > str(before["health"]["start_time"])

    await sight.wait(anew, "started anew")
    await sight.until("well", status="online", health_state="healthy")
    collector.expect_running()
    assert collector.stop() == 0

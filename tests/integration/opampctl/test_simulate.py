"""`opampctl simulate` as a process: what it prints, writes and ends with."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from opamp_double import opamp_double, remote_config

from opamp.v1 import opamp_pb2 as opamp
from world.eventually import wait_until as eventually

if TYPE_CHECKING:
    from pathlib import Path

    from rest_double import Run


async def start(*words: str) -> asyncio.subprocess.Process:
    """Start the command as a person would."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "opampctl",
        "simulate",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    """Wait for the end: exit code, stdout, stderr."""
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_one_agent_needs_endpoint_and_token_only(tmp_path: Path) -> None:
    """The command `make run` prints works as printed; Ctrl-C says goodbye and prints the summary."""
    ready = tmp_path / "ready.json"
    async with opamp_double() as server:
        server.desired = remote_config("a: 1")
        words = ("--agents", "1", "--endpoint", server.url, "--token", "oet_1_s", "--ready-file", str(ready))
        process = await start(*words)
        await eventually(lambda: ready.exists() and server.statuses_of_all())
        assert process.stderr is not None
        async with asyncio.timeout(60):
            await process.stderr.readuntil(b"connected 1/1")

        process.send_signal(signal.SIGINT)
        code, out, _ = await ended(process)

        assert code == 0
        await eventually(lambda: server.messages[-1].HasField("agent_disconnect"))
        assert "1 WebSocket" in out
        assert json.loads(ready.read_bytes())["pid"] == process.pid
        assert server.requests[0]["authorization"] == "Bearer oet_1_s"


async def test_abilities_are_options(tmp_path: Path) -> None:
    """Settings, certificates, components, custom messages: stated when asked for; settings are kept in a folder."""
    ready, folder = tmp_path / "ready.json", tmp_path / "agents"
    async with opamp_double() as server:
        words = ("--endpoint", server.url, "--token", "oet_1_s", "--ready-file", str(ready), "--uid-seed", "x")
        abilities = ("--accept-settings", "--csr", "--components", "--custom-capability", "com.example.echo")
        process = await start(*words, *abilities, "--state-folder", str(folder))
        await eventually(lambda: ready.exists() and server.messages)
        (uid,) = server.sockets
        own = opamp.OpAMPConnectionSettings(heartbeat_interval_seconds=3600)
        offer = opamp.ConnectionSettingsOffers(hash=b"h", opamp=own)
        await server.send(uid, server.sockets[uid], opamp.ServerToAgent(connection_settings=offer))
        kept = folder / "agent-0.json"
        await eventually(lambda: kept.exists() and json.loads(kept.read_bytes())["heartbeat_seconds"] == 3600)

        process.send_signal(signal.SIGINT)
        code, _, _ = await ended(process)

        first = server.messages[0]
        assert code == 0
        assert list(first.custom_capabilities.capabilities) == ["com.example.echo"]
        assert first.available_components.hash
        assert first.capabilities & opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
        assert json.loads(kept.read_bytes())["heartbeat_seconds"] == 3600


async def test_summary_as_json_is_alone_on_stdout(tmp_path: Path) -> None:
    """With -o json and --quiet stdout is one document and stderr is silent."""
    token = tmp_path / "token"
    token.write_text("oet_from_file\n")
    async with opamp_double() as server:
        process = await start(
            *("-n", "4", "--endpoint", server.url, "--token-file", str(token), "--transport", "mixed"),
            *("--http-share", "0.5", "--duration", "4s", "-o", "json", "--quiet", "--label", "site=berlin"),
        )
        code, out, err = await ended(process)

        summary = json.loads(out)
        assert (code, err) == (0, "")
        assert (summary["websocket"], summary["http"]) == (2, 2)
        assert summary["latencies"]["connect"]["count"] == 2
        assert server.requests[0]["authorization"] == "Bearer oet_from_file"
        assert any("berlin" in str(message.agent_description) for message in server.messages)


async def test_nobody_connected_is_exit_7() -> None:
    """When no agent ever got through, the exit code and the progress tell so."""
    process = await start("--endpoint", "ws://127.0.0.1:9", "--duration", "5s")
    code, out, err = await ended(process)

    assert code == 7
    assert "ConnectionRefusedError" in out
    assert "nobody listens at this address" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--endpoint", "nonsense"), "not an OpAMP endpoint"),
        (("--label", "x"), "not a label"),
        (("--environments", ","), "at least one environment"),
        (("--heartbeat", "soon"), "not a duration"),
        (("--connect-rate", "fast"), "not a rate"),
        (("--agents", "0"), "Invalid value"),
    ],
)
def test_wrong_options_are_exit_2(anonymous: Run, words: tuple[str, ...], message: str) -> None:
    """Each wrong option ends the command before anything connects."""
    result = anonymous("simulate", *words)

    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")


async def test_unknown_host_is_exit_7() -> None:
    """A host nobody knows is told in a sentence."""
    code, _, err = await ended(await start("--endpoint", "ws://no-such-host.invalid:4320"))

    assert code == 7
    assert "Cannot reach ws://no-such-host.invalid:4320" in err


async def test_several_processes_are_one_run() -> None:
    """With --processes there is one summary, and Ctrl-C ends every process with its goodbyes."""
    async with opamp_double() as server:
        process = await start("-n", "6", "--processes", "2", "--endpoint", server.url, "-o", "json")
        await eventually(lambda: len(server.sockets) == 6, within=60)

        process.send_signal(signal.SIGINT)
        code, out, _ = await ended(process)

        assert code == 0
        assert json.loads(out)["agents"] == 6
        await eventually(lambda: sum(message.HasField("agent_disconnect") for message in server.messages) == 6)


async def test_packages_are_taken_when_asked_for(tmp_path: Path) -> None:
    """Options of packages and platforms reach the agents; the summary tells what they have."""
    ready = tmp_path / "ready.json"
    async with opamp_double() as server:
        words = ("--agents", "2", "--endpoint", server.url, "--packages", "--platform", "darwin/arm64")
        more = ("--install-time", "0s", "--package-fail-share", "0.5", "--package-error", "no room", "-o", "json", "-q")
        process = await start(*words, *more, "--ready-file", str(ready))
        await eventually(lambda: len({message.instance_uid for message in server.messages}) == 2, within=60)
        await server.offer_packages(b"one", collector=server.package("1.0.0", b"program"))

        def told() -> set[str]:
            uids = {message.instance_uid for message in server.messages}
            said = [status for uid in uids for status in server.package_statuses(uid, "collector")]
            return {status.agent_has_version or status.error_message for status in said} - {""}

        await eventually(lambda: told() == {"1.0.0", "no room"}, within=60)
        process.send_signal(signal.SIGINT)
        code, out, _ = await ended(process)

        summary = json.loads(out)
        assert (code, summary["packages"], summary["counters"]["packages_failed"]) == (0, {"collector 1.0.0": 1}, 1)
        described = [
            {each.key: each.value.string_value for each in message.agent_description.non_identifying_attributes}
            for message in server.messages
            if message.HasField("agent_description")
        ]
        assert {(each["os.type"], each["host.arch"]) for each in described} == {("darwin", "arm64")}


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--platform", "linux"), "is no platform"), (("--packages", "--install-time", "forever"), "must end")],
)
async def test_package_options_that_make_no_sense(words: tuple[str, ...], said: str) -> None:
    """Wrong usage, with a sentence."""
    code, _, err = await ended(await start("--endpoint", "ws://127.0.0.1:9", *words))

    assert code == 2
    assert said in " ".join(err.split())

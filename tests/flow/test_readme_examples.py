"""The README's examples work as they stand: a stranger copies them and sees what is promised."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from world.eventually import Eventually
    from world.platform import Platform

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
SECONDS = 240.0
STRICT = 'set -euo pipefail\ncurl() { command curl --fail-with-body --max-time 60 "$@"; echo; }\n'
"""A refusal ends the script, and answers are told apart."""

LISTS = {"total", "limit", "offset"}
EXPECTED: tuple[set[str], ...] = (
    {"id", "username", "email", "role", "is_active", "created_at", "updated_at"},
    {"agents"} | LISTS,
    {"agents", "total"},
    {"agents"} | LISTS,
    {"total", "online", "offline", "status_counts"},
    {"id", "name", "version", "status", "labels", "last_seen_at", "protocol", "sequence_number"},
    {"histories"} | LISTS,
    {"id", "agent_id", "connected_at", "remote_addr"},
    {"name", "version", "config_hash", "selector"},
    {"configurations", "total"},
    {"name", "version", "config_hash", "raw_config"},
    {"message", "affected_agents", "failed_agents", "total", "failed"},
    {"message", "affected_agents", "failed_agents", "total", "failed"},
    {"histories"} | LISTS,
    {"histories"} | LISTS,
    {"histories"} | LISTS,
    {"configuration_name", "version", "raw_config", "config_hash"},
    {"name", "version", "config_hash"},
    {"status", "timestamp", "version", "components"},
)
"""Keys of each answer, in the order of the examples."""


def examples(name: str) -> list[str]:
    """Cut the shell blocks between the two markers out of a README."""
    text = (ROOT / name).read_text()
    part = text.split("<!-- examples: begin -->")[1].split("<!-- examples: end -->")[0]
    return re.findall(r"```sh\n(.*?)```", part, re.DOTALL)


def answers(output: str) -> list[dict[str, Any]]:
    """Read the JSON documents a script printed one after the other."""
    found, rest, decoder = [], output.strip(), json.JSONDecoder()
    while rest:
        answer, end = decoder.raw_decode(rest)
        found.append(answer)
        rest = rest[end:].lstrip()
    return found


async def run(script: str, folder: Path, api: str) -> list[dict[str, Any]]:
    """Run a script as a person would, in a folder that has .data/run.json."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        STRICT + script,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "API": api},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        output, complaints = await process.communicate()
    assert process.returncode == 0, f"{output.decode()}\n{complaints.decode()}"
    return answers(output.decode())


@pytest.fixture
def folder(running: Platform, tmp_path: Path) -> Path:
    """Make a folder that looks like the repository after `make run`."""
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "run.json").write_text(json.dumps(running.run_json))
    return tmp_path


@pytest.mark.timeout(300)
async def test_examples_of_the_readme_work(running: Platform, folder: Path, eventually: Eventually) -> None:
    """Every command of the README succeeds in its order and answers with the promised keys."""
    async with running.websocket_agent(labels={"deployment.environment.name": "dev"}) as agent:
        await eventually(lambda: running.api.agent(agent))

        found = await run("\n".join(examples("README.md")), folder, running.run_json["api_url"])

        await agent.until(lambda agent: len(agent.configs) > 0)

    assert len(found) == len(EXPECTED)
    for number, (answer, keys) in enumerate(zip(found, EXPECTED, strict=True)):
        assert keys <= set(answer), f"answer {number}: {sorted(keys - set(answer))} missing"
    created, changed, rolled_back = found[8], found[10], found[17]
    assert [created["version"], changed["version"], rolled_back["version"]] == [1, 2, 3]
    assert rolled_back["config_hash"] == created["config_hash"] != changed["config_hash"]


def test_both_languages_have_the_same_examples() -> None:
    """The Chinese README runs the same commands; only the sentence above each differs."""
    ours, theirs = ([re.sub(r"^#.*\n", "", block) for block in examples(name)] for name in READMES)

    assert ours == theirs

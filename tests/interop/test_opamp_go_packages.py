"""An agent made of opamp-go's client takes packages: fetches, installs, refuses, removes what is offered no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from depot import Depot
from foreign import ForeignAgent
from goprograms import AGENT, Program
from sight import SECONDS, Sight

from world.platform import Platform

LABEL = "interop.client"
UNWANTED = "nobody-wants-this"

pytestmark = [pytest.mark.timeout(400), pytest.mark.parametrize("transport", ["ws", "http"])]


async def test_go_client_syncs_packages(
    platform: Platform,
    foreign_agent: Callable[..., ForeignAgent],
    program_of: Callable[[Program], Path],
    transport: str,
) -> None:
    """Install, upgrade, a refusal with its words, another try, removal; each shown by the API."""
    path = program_of(AGENT)
    await platform.start()
    depot, name = Depot(platform), f"go-{transport}"
    sight = Sight(platform, LABEL, f"go-packages-{transport}")
    (published,) = await depot.publish(name, "1.9.0")
    assignment = await depot.assign(name, name, selector=sight.selector)
    url = str(platform.run_json["opamp_url" if transport == "ws" else "opamp_http_url"])
    named = ["-name", sight.name, "-labels", f"{LABEL}={sight.name},host.arch=amd64"]
    also = ["-also", "packages", "-refuse", UNWANTED]
    agent = foreign_agent([path, "-url", url, "-token", platform.token, *named, *also])
    uid = (await sight.until("well", status="online"))["id"]

    await depot.until(uid, name, state="installed", version="1.9.0", reported_version="1.9.0")
    (file,) = agent.said("package_file")
    assert file["sha256"] == published["checksum"]

    await depot.publish(name, "1.10.0")
    await depot.until(uid, name, state="installed", version="1.10.0", reported_version="1.10.0")

    await depot.publish(name, "1.11.0", text=UNWANTED)
    failed = await depot.until(uid, name, state="failed", version="1.11.0", reported_version="1.10.0")
    assert UNWANTED in failed["error_message"]
    files = len(agent.said("package_file"))

    await platform.api.post(f"/agents/{uid}/packages/{name}/retry")
    await agent.until(lambda it: len(it.said("package_file")) > files, SECONDS, "it is offered again")
    await depot.until(uid, name, state="failed", version="1.11.0")

    await depot.change(assignment, version="1.10.0")
    await depot.until(uid, name, state="installed", version="1.10.0", reported_version="1.10.0")
    await platform.api.delete(f"/package-assignments/{assignment['id']}")
    await agent.until(lambda it: it.said("package_removed"), SECONDS, "it is offered no more")
    assert agent.stop() == 0

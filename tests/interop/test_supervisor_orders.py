"""A Collector under opampsupervisor does what it is told: restart, send its own telemetry, use another credential."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml
from collectors import LABEL, QUIET, pipeline
from sight import Sight
from supervised import Supervisors, applied, ended
from telemetrysink import TelemetrySink

from world.platform import Platform

pytestmark = pytest.mark.timeout(300)


async def test_supervisor_restarts_its_collector(platform: Platform, supervisors: Supervisors) -> None:
    """The command makes a new Collector with the same configuration."""
    sight = Sight(platform, LABEL, "supervisor-restarts")
    config_hash = await sight.store(pipeline(10))
    supervisor = supervisors.start(sight.name, can=["accepts_restart_command"])
    before = await applied(sight, config_hash, 10)

    await platform.api.post(f"/agents/{before['id']}/restart")

    async def anew() -> bool:
        return str((await sight.agent())["health"]["start_time"] or "") > str(before["health"]["start_time"])

    await sight.wait(anew, "a new Collector")
    after = await applied(sight, config_hash, 10)
    assert after["id"] == before["id"]
    assert ended(supervisor) == 0


async def test_supervisor_sends_telemetry_where_it_is_told(
    platform: Platform, supervisors: Supervisors, telemetry_sink: TelemetrySink, tmp_path: Path
) -> None:
    """The Collector's own logs and metrics arrive at the place that was offered."""
    sight = Sight(platform, LABEL, "supervisor-telemetry")
    config_hash = await sight.store(pipeline(10, own_telemetry=False))
    local = tmp_path / "local.yaml"
    local.write_text(yaml.safe_dump(QUIET))
    files = [str(local), "$OWN_TELEMETRY_CONFIG", "$OPAMP_EXTENSION_CONFIG", "$REMOTE_CONFIG"]
    can = ["reports_own_metrics", "reports_own_logs"]
    supervisor = supervisors.start(sight.name, can=can, config_files=files)
    agent = await applied(sight, config_hash, 10)

    own = {f"own_{each}": {"destination_endpoint": telemetry_sink.url(each)} for each in ("metrics", "logs")}
    await platform.api.put(f"/connection-settings/{sight.name}", {"selector": sight.selector, "settings": own})

    await sight.wait(lambda: telemetry_sink.received.get("/v1/logs"), "logs arrive")

    async def shown() -> bool:
        (effective,) = await sight.effective()
        return all(telemetry_sink.url(each) in effective for each in ("metrics", "logs"))

    await sight.wait(shown, "the effective configuration names the place")
    await applied(sight, config_hash, 10)
    stands = await platform.api.get(f"/agents/{agent['id']}/connection-settings")
    assert stands["offered_hash"] == stands["desired_hash"] != ""
    # The Collector's metrics go out once a minute, and when it ends.
    assert await asyncio.to_thread(ended, supervisor) == 0
    assert telemetry_sink.received.get("/v1/metrics")


async def test_supervisor_gets_a_credential_of_its_own(platform: Platform, supervisors: Supervisors) -> None:
    """Its token is good for one; restarted with it, the supervisor is let in again and gets its own credential back."""
    sight = Sight(platform, LABEL, "supervisor-credential")
    token = await platform.api.post("/enrolment-tokens", {"name": sight.name, "max_uses": 1, "issues": "bearer"})
    config_hash = await sight.store(pipeline(10))
    can = ["accepts_opamp_connection_settings"]

    supervisor = supervisors.start(sight.name, can=can, token=token["secret"])

    before = await applied(sight, config_hash, 10)

    async def own_credential() -> bool:
        page = await platform.api.get(f"/agents/{before['id']}/credentials")
        return any(each["state"] == "current" for each in page["credentials"])

    await sight.wait(own_credential, "uses its own credential")
    assert ended(supervisor) == 0
    await sight.until("gone", status="offline")

    again = supervisors.start(sight.name, can=can, token=token["secret"])
    after = await applied(sight, config_hash, 10)
    assert after["id"] == before["id"]
    assert ended(again) == 0

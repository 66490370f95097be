"""An agent made of opamp-go's client asks for a certificate and goes on with it, over TLS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from doorcertificate import DoorCertificate, make_door_certificate
from foreign import ForeignAgent
from goprograms import AGENT, Program
from sight import SECONDS, Sight

from world.platform import Platform

LABEL = "interop.client"
GATEWAY = "opamp-gateway-1"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def door(own_platform: Platform, tmp_path: Path) -> DoorCertificate:
    """Start a platform whose gateway speaks TLS; give the gateway's certificate."""
    made = make_door_certificate(tmp_path)
    await own_platform.start(
        settings={
            "OPAMP_GATEWAY_TLS_CERTIFICATE_FILE": str(made.certificate),
            "OPAMP_GATEWAY_TLS_KEY_FILE": str(made.key),
            "AGENT_STATE_OPAMP_PUBLIC_CA_FILE": str(made.certificate),
        }
    )
    return made


@pytest.mark.parametrize("scheme", ["wss", "https"])
async def test_go_client_comes_back_with_its_certificate(
    own_platform: Platform,
    foreign_agent: Callable[..., ForeignAgent],
    program_of: Callable[[Program], Path],
    door: DoorCertificate,
    scheme: str,
) -> None:
    """Its key never leaves it; signed by the platform's CA, the certificate opens the door after the token is gone."""
    program = program_of(AGENT)
    platform, api = own_platform, own_platform.api
    sight = Sight(platform, LABEL, f"go-certificate-{scheme}")
    token = await api.post("/enrolment-tokens", {"name": sight.name})
    url = f"{scheme}://127.0.0.1:{platform.run_json['ports']['opamp_1']}/v1/opamp"
    named = ["-name", sight.name, "-labels", f"{LABEL}={sight.name}", "-also", "settings", "-ca", door.certificate]
    agent = foreign_agent([program, "-url", url, "-token", token["secret"], *named])
    shown = await sight.until("well", status="online", health_state="healthy")
    await sight.wait(lambda: "authority_known" in platform.log(GATEWAY), "the gateway knows the authority")

    agent.tell("csr")

    await agent.until(lambda it: it.said("moved"), SECONDS, "it moves to its certificate")
    (offered,) = agent.said("settings")
    assert "BEGIN CERTIFICATE" in offered["certificate"]

    async def in_use() -> bool:
        page = await api.get(f"/agents/{shown['id']}/credentials")
        return [(each["kind"], each["state"]) for each in page["credentials"]] == [("certificate", "current")]

    await sight.wait(in_use, "the certificate is in use")
    await api.delete(f"/enrolment-tokens/{token['id']}")
    await platform.restart(GATEWAY)
    agent.tell("health", healthy=False, error="after the restart")
    again = await sight.until("back", link="connected", health_error="after the restart")
    assert again["id"] == shown["id"]
    assert agent.stop() == 0

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from devstack.ports import LOOPBACK, Ports, free_port
from devstack.services import (
    AGENT_STATE,
    API_GATEWAY,
    CONFIG_SERVICE,
    OWNERS,
    PACKAGE_SERVICE,
    Addresses,
    ObjectStore,
    answers,
    environment,
    gateway_settings,
    service_process,
    settings_of,
)

PORTS = Ports.default(gateways=2)
ADDRESSES = Addresses(
    "nats://n",
    "redis://r",
    {service: f"postgresql://{service}" for service in OWNERS},
    ObjectStore("http://s", "key", "secret"),
)


@pytest.mark.parametrize("service", OWNERS)
def test_owner_of_a_schema_gets_its_own_database_address(service: str) -> None:
    """Each service logs in as its own role, and says that it is ready on its own port."""
    settings = settings_of(service, ADDRESSES, PORTS, Path("/key"))
    prefix = service.replace("-", "_").upper()

    assert settings[f"{prefix}_POSTGRES_URL"] == f"postgresql://{service}"
    assert settings[f"{prefix}_NATS_URL"] == "nats://n"
    assert int(settings[f"{prefix}_OPS_PORT"]) in PORTS.named().values()
    assert all(name.startswith(f"{prefix}_") for name in settings)


def test_only_who_needs_it_is_told() -> None:
    """Redis is for config-service and gateways; the signing key and the API's port are for api-gateway."""
    told = {service: settings_of(service, ADDRESSES, PORTS, Path("/key")) for service in OWNERS}

    assert [service for service in OWNERS if any("REDIS" in name for name in told[service])] == [CONFIG_SERVICE]
    assert told[API_GATEWAY]["API_GATEWAY_SIGNING_KEY_FILE"] == "/key"
    assert told[API_GATEWAY]["API_GATEWAY_PORT"] == "8080"
    assert [service for service in OWNERS if any("S3" in name for name in told[service])] == [PACKAGE_SERVICE]
    assert told[API_GATEWAY]["API_GATEWAY_PACKAGE_SERVICE_ADDRESS"].endswith(
        told[PACKAGE_SERVICE]["PACKAGE_SERVICE_PORT"]
    )
    assert "AGENT_STATE_PORT" not in told[AGENT_STATE]


def test_gateways_have_ports_of_their_own() -> None:
    """The second gateway listens beside the first, and knows no database."""
    first, second = (gateway_settings(number, ADDRESSES, PORTS) for number in (1, 2))

    assert (first["OPAMP_GATEWAY_PORT"], second["OPAMP_GATEWAY_PORT"]) == ("4320", "4321")
    assert first["OPAMP_GATEWAY_OPS_PORT"] != second["OPAMP_GATEWAY_OPS_PORT"]
    assert not any("POSTGRES" in name for name in first)


def test_children_inherit_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's settings of services pass through; ours win."""
    monkeypatch.setenv("AGENT_STATE_LOG_LEVEL", "debug")
    monkeypatch.setenv("AGENT_STATE_NATS_URL", "theirs")

    result = environment({"AGENT_STATE_NATS_URL": "ours"})

    assert (result["AGENT_STATE_LOG_LEVEL"], result["AGENT_STATE_NATS_URL"]) == ("debug", "ours")


def test_service_runs_as_its_module(tmp_path: Path) -> None:
    """`python -m <package>`, logged under its own name."""
    process = service_process("opamp-gateway-2", "opamp_gateway", {"OPAMP_GATEWAY_PORT": "1"}, 2, tmp_path)

    assert list(process.argv) == [sys.executable, "-m", "opamp_gateway"]
    assert process.log_path == tmp_path / "opamp-gateway-2.log"
    assert process.env is not None
    assert process.env["OPAMP_GATEWAY_PORT"] == "1"


def test_only_200_is_an_answer() -> None:
    """Readiness that says 503, or nothing at all, is not ready."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ready" else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer((LOOPBACK, 0), Ready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://{LOOPBACK}:{server.server_port}"

        assert answers(f"{root}/ready")()
        assert not answers(f"{root}/not-yet")()
        server.shutdown()
    assert not answers(f"http://{LOOPBACK}:{free_port()}/ready")()

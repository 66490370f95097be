"""Every service accepts the environment its deployment gives it, secrets included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from deployment.kustomize import containers, render
from deployment.rooms import ROOT, SERVICES, image_environment, interpolated, settings_class
from pydantic import SecretStr

from servicekit.settings import ServiceSettings, SettingsError, read
from tools.make_secrets import make

if TYPE_CHECKING:
    from pathlib import Path

MOUNT = "/run/secrets/"
FILE_OF = {
    "nats/url": "nats_url",
    "redis/url": "redis_url",
    "agent-state-database/url": "agent_state_postgres_url",
    "config-service-database/url": "config_service_postgres_url",
    "package-service-database/url": "package_service_postgres_url",
    "object-store/user": "minio_root_user",
    "object-store/password": "minio_root_password",
    "api-gateway-database/url": "api_gateway_postgres_url",
    "api-gateway-signing-key/signing_key": "signing_key",
    "agent-credential-key/agent_credential_key": "agent_credential_key",
}
"""Where deploy/k8s/README.md puts which file: secret/key to the file it is made from."""


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Make the secrets of an installation."""
    make(tmp_path)
    return tmp_path


def check(settings: ServiceSettings, secrets: Path) -> None:
    """See that URLs came from the files and the ops port is reachable from outside the container."""
    assert settings.ops_host == "0.0.0.0"  # noqa: S104 - a container's own network
    assert settings.ops_port == 9090
    for name in ("nats_url", "redis_url"):
        url = getattr(settings, name, None)
        if isinstance(url, SecretStr):
            assert url.get_secret_value() == (secrets / name).read_text()


@pytest.mark.parametrize("service", SERVICES)
def test_compose_environment_is_accepted(service: str, secrets: Path) -> None:
    """The container's variables, and the secret files beneath them, make valid settings."""
    given = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]["environment"]
    environment = image_environment(service) | {
        name: interpolated(value).replace(MOUNT, f"{secrets}/") for name, value in given.items()
    }

    check(read(settings_class(service), environment), secrets)


@pytest.mark.parametrize("overlay", ["dev", "prod"])
@pytest.mark.parametrize("service", SERVICES)
def test_kubernetes_environment_is_accepted(service: str, overlay: str, secrets: Path) -> None:
    """The ConfigMap, the pod's own variables and the mounted secrets make valid settings."""
    manifests = {
        (item["kind"], item["metadata"]["name"]): item
        for item in render(ROOT / "deploy" / "k8s" / "overlays" / overlay)
    }
    environment = image_environment(service) | manifests["ConfigMap", service]["data"]
    for name, value in environment.items():
        if value.startswith(MOUNT):
            environment[name] = str(secrets / FILE_OF[value.removeprefix(MOUNT)])
    for item in containers(manifests["Deployment", service])[0].get("env", []):
        assert item["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
        environment[item["name"]] = f"{service}-7c9f7d5c8b-x2x9z"

    check(read(settings_class(service), environment), secrets)


def test_a_service_link_would_be_refused(secrets: Path) -> None:
    """What Kubernetes injects with service links on is a fault, which is why the manifests switch them off."""
    environment = {
        "OPAMP_GATEWAY_PORT": "tcp://10.0.0.1:4320",
        "OPAMP_GATEWAY_NATS_URL_FILE": str(secrets / "nats_url"),
    }

    with pytest.raises(SettingsError, match="OPAMP_GATEWAY_PORT"):
        read(settings_class("opamp-gateway"), environment)

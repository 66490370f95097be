"""docker-compose.yml: valid against the compose specification, and within our policy."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from deployment.rooms import ROOT, SERVICES, is_setting, package_of, required_settings

STORES = {"postgres", "nats", "redis", "minio"}
VOLUME_OWNER = "volume-owner"


@cache
def text() -> str:
    """Read the file once."""
    return (ROOT / "docker-compose.yml").read_text()


def compose() -> dict[str, Any]:
    """Parse the file, anchors and merges resolved."""
    content: dict[str, Any] = yaml.safe_load(text())
    return content


def services() -> dict[str, Any]:
    """List its services."""
    found: dict[str, Any] = compose()["services"]
    return found


def specification() -> dict[str, Any]:
    """Load the compose specification's own schema, which the package check-jsonschema ships."""
    package = importlib.util.find_spec("check_jsonschema")
    assert package
    assert package.origin
    path = Path(package.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema: dict[str, Any] = json.loads(path.read_text())
    return schema


def test_file_follows_the_compose_specification() -> None:
    """The specification's schema accepts the file."""
    schema = specification()

    jsonschema.validators.validator_for(schema)(schema).validate(compose())


def test_schema_would_notice() -> None:
    """The check is real: a misspelt key is refused."""
    content = compose()
    content["services"]["redis"]["imagee"] = "x"
    schema = specification()

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validators.validator_for(schema)(schema).validate(content)


def test_everything_is_there() -> None:
    """All services, all servers, and a provisioning and a migration job per service with tables."""
    jobs = {
        f"{job}-{name}"
        for name in ("agent-state", "config-service", "package-service", "api-gateway")
        for job in ("provision", "migrate")
    }

    assert set(services()) == {*SERVICES, *STORES, *jobs, VOLUME_OWNER}


def test_no_secret_stands_in_the_file() -> None:
    """Secrets are files; no variable that looks like one has a value of its own."""
    for name, service in services().items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|TOKEN|_URL|USER", variable) and not variable.endswith("_PUBLIC_URL"):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert str(value).startswith("/run/secrets/"), f"{name}: {variable}"
    assert not re.search(r"://[^/\s$]+:[^/\s$]+@", text())


def test_secrets_are_declared_given_and_used() -> None:
    """Every /run/secrets path belongs to a secret the service is given, every declared secret is used, each is made."""
    declared = compose()["secrets"]
    used = set()
    for name, service in services().items():
        given = set(service.get("secrets", []))
        mentioned = set(re.findall(r"/run/secrets/(\w+)", json.dumps(service)))
        if name == "nats":
            mentioned |= set(re.findall(r"run/secrets/(\w+)", (ROOT / "deploy/nats/nats.conf").read_text()))
        assert mentioned == given, name
        used |= given

    assert used == set(declared)
    assert all(entry["file"] == f"deploy/compose/secrets/{name}" for name, entry in declared.items())
    assert "secrets/" in (ROOT / "deploy/compose/.gitignore").read_text().split()


def test_only_the_doors_are_published_on_loopback() -> None:
    """Three ports leave the machine's network of containers, on 127.0.0.1 unless somebody says otherwise."""
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}

    assert set(published) == {"opamp-gateway", "api-gateway", "package-service"}
    for ports in published.values():
        assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for port in ports)
    assert compose()["networks"]["backend"] == {"internal": True}


def test_containers_are_hardened() -> None:
    """Non-root, sealed root file system, no capabilities, no new privileges; one job may change owners."""
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        if name == VOLUME_OWNER:
            assert set(service["cap_add"]) == {"CHOWN", "DAC_OVERRIDE"}
            assert service["network_mode"] == "none"
            continue
        assert "cap_add" not in service, name
        if name in STORES:
            assert not service["user"].startswith("0"), name


def test_images_are_pinned() -> None:
    """Images of others have a tag that is not latest; ours carry the platform's version."""
    for name, service in services().items():
        image, _, tag = service["image"].partition(":")
        assert tag, name
        assert tag != "latest", name
        if image.startswith("opamp-platform/"):
            assert tag == "${PLATFORM_VERSION:-dev}", name


def test_health_and_order() -> None:
    """What stays has a health check; whoever needs it waits for it, jobs to their end."""
    everything = services()
    for name, service in everything.items():
        is_job = service["restart"] == "no"
        assert is_job or "healthcheck" in service, name
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if everything[other]["restart"] == "no" else "service_healthy"
            assert how == {"condition": wanted}, f"{name} → {other}"


def test_every_job_is_waited_for() -> None:
    """`up --wait` takes the end of a job for a failure unless somebody waits for its success."""
    everything = services()
    jobs = {name for name, service in everything.items() if service["restart"] == "no"}
    waited_for = {other for service in everything.values() for other in service.get("depends_on", {})}

    assert jobs <= waited_for


def test_volumes_and_configs_exist() -> None:
    """Named volumes are declared; mounted configuration files are in the tree."""
    content = compose()
    for name, service in services().items():
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in content["volumes"], name
    assert all((ROOT / entry["file"]).is_file() for entry in content["configs"].values())


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_a_setting(service: str) -> None:
    """What the file sets, the service reads, and whatever the service cannot start without is set."""
    prefix = f"{package_of(service).upper()}_"
    for name in (service, f"migrate-{service}"):
        if name in services():
            variables = set(services()[name]["environment"])
            assert [variable for variable in variables if not is_setting(service, variable)] == [], name
            assert all(variable.startswith(prefix) for variable in variables)
            for field in required_settings(service):
                assert {f"{prefix}{field.upper()}", f"{prefix}{field.upper()}_FILE"} & variables, f"{name}: {field}"


@pytest.mark.parametrize("service", SERVICES)
def test_builds_from_its_own_dockerfile(service: str) -> None:
    """Each service is built from the room's Dockerfile, with the repository as context."""
    build = services()[service]["build"]

    assert build == {"context": ".", "dockerfile": f"services/{service}/Dockerfile"}
    assert (ROOT / build["dockerfile"]).is_file()


def test_gateway_has_time_to_drain() -> None:
    """Compose waits two minutes for the agents to be sent away."""
    assert services()["opamp-gateway"]["stop_grace_period"] == "120s"

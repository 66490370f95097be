"""The Kubernetes manifests: valid against the API's own schemas, and within our policy."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import kubernetes_validate
import pytest
from deployment.kustomize import Manifest, containers, documents, pod_template, render
from deployment.rooms import ROOT, SERVICES, is_setting, package_of, required_settings

K8S = ROOT / "deploy" / "k8s"
VERSION = "1.35"
FOLDERS = ("base", "overlays/dev", "overlays/prod")
STORES = ("nats", "postgres", "redis", "minio")


@cache
def rendered(folder: str) -> tuple[Manifest, ...]:
    """Render once; readers change nothing."""
    return tuple(render(K8S / folder))


def manifests(folder: str = "base", *kinds: str) -> list[Manifest]:
    """List what a folder stands for, of the given kinds or all."""
    return [item for item in rendered(folder) if not kinds or item["kind"] in kinds]


def named(kind: str, name: str, folder: str = "base") -> Manifest:
    """Find one manifest."""
    found = [item for item in manifests(folder, kind) if item["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} of {kind}/{name}"
    return found[0]


def workloads(folder: str = "base") -> list[Manifest]:
    """List everything that runs pods."""
    return manifests(folder, "Deployment", "StatefulSet", "Job", "DaemonSet", "CronJob", "Pod")


@pytest.mark.parametrize("folder", FOLDERS)
def test_manifests_are_valid(folder: str) -> None:
    """Every manifest, base and rendered overlay, passes the strict schema of the API server."""
    for manifest in manifests(folder):
        kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_every_file_is_listed() -> None:
    """A manifest nobody lists would silently not be applied; a listed one that is missing would fail there."""
    for kustomization in K8S.rglob("kustomization.yaml"):
        folder = kustomization.parent
        content = documents(kustomization)[0]
        listed = set(content.get("resources", []))
        for generator in content.get("configMapGenerator", []):
            listed |= set(generator["files"])

        assert all((folder / name).exists() for name in listed), folder
        there = {path.name for path in folder.iterdir() if path.is_file()} - {"kustomization.yaml"}
        assert there <= listed, f"{folder}: {there - listed} not listed"


def test_names_are_unique() -> None:
    """Two manifests of one kind and name would overwrite each other."""
    names = [(item["kind"], item["metadata"]["name"]) for item in manifests()]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("service", SERVICES)
def test_service_has_all_its_parts(service: str) -> None:
    """Each service comes with account, settings, deployment, service, budget, autoscaler and network policy."""
    kinds = {item["kind"] for item in manifests() if item["metadata"]["name"] == service}

    assert kinds >= {
        "ServiceAccount",
        "ConfigMap",
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
    }


@pytest.mark.parametrize("store", STORES)
def test_store_is_stateful(store: str) -> None:
    """Servers are StatefulSets; all but the cache keep their data in a claim."""
    claims = named("StatefulSet", store)["spec"].get("volumeClaimTemplates", [])

    assert bool(claims) == (store != "redis")


def test_pods_are_restricted() -> None:
    """Non-root, sealed root file system, no capabilities, no token, no service links: for every pod and container."""
    for manifest in workloads():
        name = manifest["metadata"]["name"]
        template = pod_template(manifest)
        assert template, name
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        assert pod["serviceAccountName"] == name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        assert not any("hostPath" in volume for volume in pod["volumes"]), name
        for container in containers(manifest):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert "privileged" not in security, name
    for account in manifests("base", "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    assert (
        named("Namespace", "opamp-platform")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_images_are_pinned(folder: str) -> None:
    """No image floats: a tag is there and it is not latest; only the dev overlay runs what was just built."""
    for manifest in workloads(folder):
        for container in containers(manifest):
            tag = container["image"].partition(":")[2]
            assert tag, container["image"]
            assert tag != "latest"
            assert re.match(r"v?\d|RELEASE\.\d", tag) or folder == "overlays/dev", container["image"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_resources_are_bounded(folder: str) -> None:
    """Every container asks for CPU and memory, and its memory limit equals its request."""
    for manifest in workloads(folder):
        for container in containers(manifest):
            resources = container["resources"]
            assert resources["requests"]["cpu"], manifest["metadata"]["name"]
            assert resources["limits"]["memory"] == resources["requests"]["memory"], manifest["metadata"]["name"]


def test_probes_are_there() -> None:
    """Everything that stays has three probes; liveness never asks for readiness."""
    for manifest in manifests("base", "Deployment", "StatefulSet"):
        for container in containers(manifest):
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    for service in SERVICES:
        container = containers(named("Deployment", service))[0]
        assert container["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "ops"}
        assert container["startupProbe"]["httpGet"] == {"path": "/health/live", "port": "ops"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "ops"}


def test_rollouts_lose_nobody() -> None:
    """A rollout starts the new pod first, waits, and lets the old one drain; the gateway has two minutes."""
    for service in SERVICES:
        deployment = named("Deployment", service)["spec"]
        pod = deployment["template"]["spec"]
        pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert deployment["minReadySeconds"] >= 10
        assert 0 < pause < pod["terminationGracePeriodSeconds"]
        assert pod["topologySpreadConstraints"]
    gateway = named("Deployment", "opamp-gateway")["spec"]["template"]["spec"]
    assert gateway["terminationGracePeriodSeconds"] == 120


def test_autoscaler_owns_the_number_of_pods() -> None:
    """A Deployment that an autoscaler scales does not state a number; scaling down is slow."""
    for scaler in manifests("base", "HorizontalPodAutoscaler"):
        spec = scaler["spec"]
        assert "replicas" not in named("Deployment", spec["scaleTargetRef"]["name"])["spec"]
        assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300
        assert spec["minReplicas"] >= 2


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_a_setting(service: str, folder: str) -> None:
    """What a manifest sets, the service reads: a misspelt variable would stop it at start."""
    container = containers(named("Deployment", service, folder))[0]
    values: dict[str, Any] = dict(named("ConfigMap", service, folder)["data"])
    values |= {item["name"]: item for item in container.get("env", [])}
    prefix = f"{package_of(service).upper()}_"

    assert container["envFrom"] == [{"configMapRef": {"name": service}}]
    assert [name for name in values if not name.startswith(prefix)] == []
    assert [name for name in values if not is_setting(service, name)] == []
    for field in required_settings(service):
        assert {f"{prefix}{field.upper()}", f"{prefix}{field.upper()}_FILE"} & set(values), field


@pytest.mark.parametrize("service", SERVICES)
def test_file_variables_name_mounted_secrets(service: str) -> None:
    """Every *_FILE points into a secret that the container mounts, at a key that is projected."""
    deployment = named("Deployment", service)
    pod = deployment["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    files = {
        f"{mounts[volume['name']]}/{item['path']}"
        for volume in pod["volumes"]
        if "secret" in volume
        for item in volume["secret"]["items"]
    }
    data = named("ConfigMap", service)["data"]

    assert {value for name, value in data.items() if name.endswith("_FILE")} == files


def secret_keys() -> set[tuple[str, str]]:
    """List (secret, key) of everything mounted."""
    found = set()
    for manifest in workloads():
        template = pod_template(manifest)
        assert template
        for volume in template["spec"]["volumes"]:
            for item in volume.get("secret", {}).get("items", []):
                found.add((volume["secret"]["secretName"], item["key"]))
    return found


def test_secrets_are_referenced_never_written() -> None:
    """No Secret manifest, no secret in an environment variable; each key that is used is documented."""
    readme = (K8S / "README.md").read_text()

    assert manifests("overlays/prod", "Secret") == []
    for manifest in workloads():
        for container in containers(manifest):
            for item in container.get("env", []):
                assert "secretKeyRef" not in item.get("valueFrom", {})
    for secret, key in secret_keys():
        assert re.search(rf"^\| `{secret}` \|.*`{key}`", readme, re.MULTILINE), f"{secret}/{key} is not documented"
    for ingress in manifests("base", "Ingress"):
        for tls in ingress["spec"]["tls"]:
            assert f"| `{tls['secretName']}` |" in readme


def edges(direction: str) -> set[tuple[str, str, int]]:
    """List (from, to, port) between our own pods as the policies of one direction allow them."""
    found = set()
    for policy in manifests("base", "NetworkPolicy"):
        own = policy["spec"]["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/name")
        for rule in policy["spec"].get(direction, []):
            for peer in rule.get("from" if direction == "ingress" else "to", []):
                other = peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/name")
                if own and other:
                    pair = (other, own) if direction == "ingress" else (own, other)
                    found |= {(*pair, port["port"]) for port in rule["ports"]}
    return found


def test_everything_is_denied_by_default() -> None:
    """One policy selects every pod and allows nothing."""
    spec = named("NetworkPolicy", "default-deny")["spec"]

    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [], "egress": []}


def test_network_edges_agree_and_are_needed() -> None:
    """What one side may say the other may hear, and each edge stands for an address the service is given."""
    ports = {"NATS_URL": ("nats", 4222), "REDIS_URL": ("redis", 6379), "POSTGRES_URL": ("postgres", 5432)} | {
        "S3_ENDPOINT": ("minio", 9000),
        "PACKAGE_SERVICE_ADDRESS": ("package-service", 8090),
    }
    needed = {("nats", "nats", 6222), ("provision", "postgres", 5432)}
    for service in SERVICES:
        data = named("ConfigMap", service)["data"]
        needed |= {(service, *target) for suffix, target in ports.items() if any(suffix in name for name in data)}

    assert edges("egress") == edges("ingress") == needed


def test_doors_lead_to_services() -> None:
    """Each Ingress is TLS-only by its secret and points to a port the service has; sockets live an hour unheard."""
    for ingress in manifests("base", "Ingress"):
        assert ingress["spec"]["tls"]
        backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        ports = {port["name"] for port in named("Service", backend["name"])["spec"]["ports"]}
        assert backend["port"]["name"] in ports
    annotations = named("Ingress", "opamp-gateway")["metadata"]["annotations"]
    assert int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= 3600


@pytest.mark.parametrize("folder", FOLDERS)
def test_agents_are_sent_back_to_the_door(folder: str) -> None:
    """The address agents are given with a credential of their own is the host and path of the gateway's Ingress."""
    rule = named("Ingress", "opamp-gateway", folder)["spec"]["rules"][0]
    path = named("ConfigMap", "opamp-gateway", folder)["data"]["OPAMP_GATEWAY_PATH"]
    told = named("ConfigMap", "agent-state", folder)["data"]["AGENT_STATE_OPAMP_PUBLIC_URL"]

    assert told == f"wss://{rule['host']}{path}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_agents_fetch_packages_at_the_door(folder: str) -> None:
    """What download addresses begin with is the host of package-service's Ingress, which leads to the files."""
    rule = named("Ingress", "package-service", folder)["spec"]["rules"][0]
    told = named("ConfigMap", "package-service", folder)["data"]["PACKAGE_SERVICE_PUBLIC_URL"]

    assert told == f"https://{rule['host']}"
    assert [path["path"] for path in rule["http"]["paths"]] == ["/v1/files"]


def test_services_select_pods() -> None:
    """Every Service, budget and policy selects the labels some pod has; named ports exist."""
    templates = [template for manifest in workloads() if (template := pod_template(manifest))]
    labels = {template["metadata"]["labels"]["app.kubernetes.io/name"] for template in templates}
    for service in manifests("base", "Service"):
        name = service["spec"]["selector"]["app.kubernetes.io/name"]
        assert name in labels
        ports = {
            port["name"]
            for template in templates
            if template["metadata"]["labels"]["app.kubernetes.io/name"] == name
            for port in template["spec"]["containers"][0]["ports"]
        }
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for budget in manifests("base", "PodDisruptionBudget"):
        assert budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] in labels


def test_production_runs_three_bus_servers() -> None:
    """A cluster of NATS has one route per server, and only production has one."""
    spec = named("StatefulSet", "nats", "overlays/prod")["spec"]
    conf = named("ConfigMap", "nats", "overlays/prod")["data"]["nats.conf"]

    copies = named("ConfigMap", "agent-state", "overlays/prod")["data"]["AGENT_STATE_STREAM_REPLICAS"]

    assert spec["replicas"] == conf.count("nats://nats-") == int(copies) == 3
    assert "cluster {" not in named("ConfigMap", "nats")["data"]["nats.conf"]

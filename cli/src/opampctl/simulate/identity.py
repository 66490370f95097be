"""Who a simulated agent is: instance_uid, attributes, health, first configuration. Pure, from seed and index."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import TYPE_CHECKING

from contracts.ids import AgentUid, format_uid
from opamp.v1 import anyvalue_pb2
from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opampctl.simulate.options import FleetOptions

_ROLES = (
    # service.name, service.namespace, team, host prefix
    ("checkout-collector", "shop", "payments", "checkout"),
    ("edge-collector", "network", "platform", "edge"),
    ("node-collector", "infrastructure", "platform", "node"),
    ("search-collector", "shop", "discovery", "search"),
    ("billing-collector", "finance", "payments", "billing"),
    ("warehouse-collector", "logistics", "fulfilment", "wh"),
)
_VERSIONS = ("0.138.0", "0.139.0", "0.140.1", "0.141.0")
_SYSTEMS = (
    ("linux", "Ubuntu 24.04.3 LTS"),
    ("linux", "Debian GNU/Linux 13"),
    ("linux", "Red Hat Enterprise Linux 10.1"),
    ("windows", "Windows Server 2025"),
)
_TEXTS = {"darwin": "macOS 26.1", **dict(reversed(_SYSTEMS))}
_ARCHITECTURES = ("amd64", "arm64")
_GOLDEN = 0.6180339887498949
_REGIONS = ("eu-central-1", "us-east-1", "ap-southeast-1")

FIRST_CONFIGURATION = b"""receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:4317
exporters:
  debug: {}
service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [debug]
"""
"""What an agent runs before it was ever offered anything."""

_COMPONENTS = (
    "extensions",
    "pipeline:traces",
    "pipeline:metrics",
    "receiver:otlp",
    "processor:batch",
    "exporter:otlphttp",
)


def make_uid(uid_seed: str | None, index: int) -> AgentUid:
    """
    Make the instance_uid of agent *index*: a UUID version 7.

    Args:
        uid_seed: None = of this moment and chance; else derived from seed and index, the same in every run.

        index: Number of the agent in the fleet.
    """
    if uid_seed is None:
        raw = bytearray(int(time.time() * 1000).to_bytes(6) + secrets.token_bytes(10))
    else:
        raw = bytearray(hashlib.sha256(f"{uid_seed}:{index}".encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return AgentUid(bytes(raw))


def fraction(seed: int, index: int, purpose: str) -> float:
    """Return a number in [0, 1) that depends on nothing but the arguments."""
    digest = hashlib.sha256(f"{seed}:{index}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:6]) / (1 << 48)


def attributes(options: FleetOptions, index: int, uid: AgentUid) -> tuple[dict[str, str], dict[str, str]]:
    """Return the identifying and the other attributes of agent *index*, as a collector states them."""
    digest = hashlib.sha256(f"{options.seed}:{index}".encode()).digest()
    environment = options.environments[index % len(options.environments)]
    name, namespace, team, prefix = _ROLES[digest[0] % len(_ROLES)]
    system, system_text = _SYSTEMS[digest[1] % len(_SYSTEMS)]
    architecture = _ARCHITECTURES[digest[4] % len(_ARCHITECTURES)]
    if options.platforms:
        system, architecture = platform(options.platforms, index)
        system_text = _TEXTS.get(system, system)
    region = _REGIONS[digest[2] % len(_REGIONS)]
    identifying = {
        "service.name": name,
        "service.namespace": namespace,
        "service.version": _VERSIONS[digest[3] % len(_VERSIONS)],
        "service.instance.id": format_uid(uid),
    }
    other = {
        "host.name": f"{prefix}-{environment}-{index:05d}",
        "host.arch": architecture,
        "os.type": system,
        "os.description": system_text,
        "deployment.environment.name": environment,
        "region": region,
        "team": team,
        **options.labels,
    }
    return identifying, other


def platform(weights: Sequence[tuple[str, float]], index: int) -> tuple[str, str]:
    """Return operating system and architecture of agent *index*: evenly spread, the same in every run."""
    point = (index * _GOLDEN) % 1 * sum(weight for _, weight in weights)
    name = weights[-1][0]
    for candidate, weight in weights:
        point -= weight
        if point < 0:
            name = candidate
            break
    system, _, architecture = name.partition("/")
    return system, architecture


def describe(options: FleetOptions, index: int, uid: AgentUid) -> opamp.AgentDescription:
    """Build the AgentDescription of agent *index*."""
    identifying, other = attributes(options, index, uid)
    return opamp.AgentDescription(
        identifying_attributes=_key_values(identifying), non_identifying_attributes=_key_values(other)
    )


def health(*, healthy: bool, error: str, started_unix_nano: int, now_unix_nano: int) -> opamp.ComponentHealth:
    """Build a health tree of a collector with its pipelines and components; an error sits in the exporter."""
    status = "StatusOK" if healthy else "StatusRecoverableError"
    tree = opamp.ComponentHealth(
        healthy=healthy,
        start_time_unix_nano=started_unix_nano,
        last_error=error,
        status=status,
        status_time_unix_nano=now_unix_nano,
    )
    for name in _COMPONENTS:
        part = tree.component_health_map[name]
        part.healthy = healthy or not name.startswith(("exporter", "pipeline:traces"))
        part.status = "StatusOK" if part.healthy else status
        part.last_error = error if not part.healthy else ""
        part.start_time_unix_nano = started_unix_nano
        part.status_time_unix_nano = now_unix_nano
    return tree


def _key_values(pairs: Mapping[str, str]) -> list[anyvalue_pb2.KeyValue]:
    return [
        anyvalue_pb2.KeyValue(key=key, value=anyvalue_pb2.AnyValue(string_value=value)) for key, value in pairs.items()
    ]

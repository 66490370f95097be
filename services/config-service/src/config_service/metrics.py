"""Every metric of config-service. Labels take few values: never a name, never an agent."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from servicekit.metrics import REGISTRY

CONFIGURATIONS = Gauge("opamp_platform_configurations_total", "Configurations that exist.", registry=REGISTRY)
CONFIGURATION_CHANGES = Counter(
    "opamp_platform_configuration_changes_total", "Versions made, deletions included.", registry=REGISTRY
)
CONFIGURATION_PUSH = Counter(
    "opamp_platform_configuration_push_total",
    "Agents a person pushed a configuration to, by outcome of the push: success or failed.",
    ("status",),
    registry=REGISTRY,
)
AGENTS = Gauge("config_service_agents", "Agents by state of their configuration.", ("state",), registry=REGISTRY)
DRIFT = Gauge(
    "config_service_drift_agents",
    "Connected agents that accept remote configuration and do not run what they should, by age of that.",
    ("age",),
    registry=REGISTRY,
)
QUARANTINED = Gauge(
    "config_service_quarantined_agents", "Agents whose configuration failed and waits for a person.", registry=REGISTRY
)
OFFERS = Counter(
    "config_service_offers_total", "Agents offered to, by what the gateway answered.", ("outcome",), registry=REGISTRY
)
PROBES = Counter("config_service_probes_total", "Agents asked for their full state.", registry=REGISTRY)
ATTEMPTS = Counter("config_service_attempts_total", "Attempts by status reached.", ("status",), registry=REGISTRY)
FACTS = Counter("config_service_facts_total", "Facts read, by kind.", ("kind",), registry=REGISTRY)
REGISTRY_WRITES = Counter(
    "config_service_registry_writes_total",
    "Desired hashes written to the registry, by outcome.",
    ("outcome",),
    registry=REGISTRY,
)
REMATCH_SECONDS = Histogram(
    "config_service_rematch_seconds",
    "Time to match agents again after a change, commit excluded.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)

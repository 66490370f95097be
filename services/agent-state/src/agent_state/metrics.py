"""
The metrics of agent-state. Names beginning with opamp_platform_ are the original's and describe the fleet.

Figures about the fleet come from the database, refreshed every few seconds: they cannot drift, and every replica
shows the same (aggregate with max, not sum). Counters count what this process did.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from servicekit.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterable

LAST_SEEN_BUCKETS_SECONDS = (5, 15, 30, 60, 120, 300, 900, 3600, 86400)

AGENTS_BY_STATUS = Gauge(
    "opamp_platform_agents_by_status",
    "Agents by status: online, offline, error.",
    ("status",),
    registry=REGISTRY,
)
AGENTS_TOTAL = Gauge("opamp_platform_agents_total", "Agents known.", registry=REGISTRY)
AGENTS_CONNECTED = Gauge("opamp_platform_agents_connected", "Agents with a live connection.", registry=REGISTRY)
AGENTS_DISCONNECTED = Gauge(
    "opamp_platform_agents_disconnected", "Agents without a live connection.", registry=REGISTRY
)
AGENTS_STALE = Gauge(
    "opamp_platform_agents_stale",
    "Agents that count as connected although nothing was heard from them for longer than the silence threshold.",
    registry=REGISTRY,
)
STATUS_CHANGES = Counter(
    "opamp_platform_agent_status_changes_total",
    "Changes of an agent's status; `none` stands for an agent not known before, or deleted.",
    ("from", "to"),
    registry=REGISTRY,
)
CONNECTS = Counter("opamp_platform_agent_connect_total", "Connections that began.", registry=REGISTRY)
DISCONNECTS = Counter("opamp_platform_agent_disconnect_total", "Connections that ended.", registry=REGISTRY)
CONNECTION_SECONDS = Histogram(
    "opamp_platform_agent_connection_duration_seconds",
    "How long connections lasted, observed when they end.",
    buckets=(60, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400),
    registry=REGISTRY,
)

FACTS = Counter("agent_state_facts_total", "Facts applied, repeats included.", registry=REGISTRY)
FACTS_REFUSED = Counter(
    "agent_state_facts_refused_total", "Facts with an impossible uid, tenant or fence.", registry=REGISTRY
)
LABELS_TRUNCATED = Counter(
    "agent_state_labels_truncated_total", "Labels left out or cut to stay within bounds.", registry=REGISTRY
)
REPORTS_REFUSED = Counter(
    "agent_state_reports_refused_total", "Reports too large to keep.", ("kind",), registry=REGISTRY
)
CONFIGS_REDACTED = Counter(
    "agent_state_configs_redacted_total", "Effective configurations searched for secrets.", registry=REGISTRY
)
HEARD = Counter("agent_state_presence_heard_total", "Presence entries written down.", registry=REGISTRY)
HEARD_DROPPED = Counter(
    "agent_state_presence_dropped_total", "Presence entries dropped because too many waited.", registry=REGISTRY
)
HEARD_REFUSED = Counter(
    "agent_state_presence_refused_total", "Presence entries of an impossible tenant.", registry=REGISTRY
)
REVIVED = Counter("agent_state_revived_total", "Agents given up for lost and heard from again.", registry=REGISTRY)
ADOPTED = Counter(
    "agent_state_adopted_total", "Agents known from presence alone and taken as connected.", registry=REGISTRY
)
LOST = Counter("agent_state_lost_total", "Agents given up for lost, by cause.", ("cause",), registry=REGISTRY)
SWEEP_SECONDS = Histogram(
    "agent_state_sweep_seconds",
    "Time of one look for silent agents or dead gateways.",
    ("kind",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    registry=REGISTRY,
)
SWEEPS_HELD_BACK = Counter(
    "agent_state_sweeps_held_back_total",
    "Sweeps not done because this process had not listened long enough, or too many would go at once.",
    ("reason",),
    registry=REGISTRY,
)
OFFERS = Counter(
    "agent_state_offers_total", "Requests to gateways by kind and outcome.", ("kind", "outcome"), registry=REGISTRY
)
AUTHENTICATIONS = Counter(
    "agent_state_authentications_total",
    "Proofs judged at the door: accepted, refused.",
    ("verdict",),
    registry=REGISTRY,
)
ENROLMENTS = Counter(
    "agent_state_enrolments_total",
    "Agents that showed an enrolment token with rules: enrolled, or refused at admission.",
    ("outcome",),
    registry=REGISTRY,
)
CREDENTIALS = Counter(
    "agent_state_credentials_total",
    "Agents' own credentials by kind (bearer, jwt, certificate): issued, promoted by use, revoked.",
    ("kind", "event"),
    registry=REGISTRY,
)
CERTIFICATES = Counter(
    "agent_state_certificate_requests_total",
    "Certificate requests of agents: signed, waiting for approval, refused.",
    ("outcome",),
    registry=REGISTRY,
)
DECISIONS = Counter(
    "agent_state_decisions_total", "Agents approved, rejected and revoked.", ("decision",), registry=REGISTRY
)
FORGOTTEN = Counter(
    "agent_state_ephemeral_agents_forgotten_total", "Ephemeral agents forgotten after their time.", registry=REGISTRY
)
UNWELCOME = Counter(
    "agent_state_unwelcome_connections_total",
    "Connections found open that must not be, and closed again, by cause.",
    ("cause",),
    registry=REGISTRY,
)

SETTINGS_OFFERS = Counter(
    "agent_state_connection_settings_offers_total",
    "Offers of connection settings by what became of them: taken, incapable, broadcast, unheard.",
    ("outcome",),
    registry=REGISTRY,
)
SETTINGS_OUTCOMES = Counter(
    "agent_state_connection_settings_outcomes_total",
    "How offers of connection settings ended: applied, failed, timed_out.",
    ("outcome",),
    registry=REGISTRY,
)
SETTINGS_AGENTS = Gauge(
    "agent_state_connection_settings_agents",
    "Agents connection settings are meant for, by where they stand.",
    ("state",),
    registry=REGISTRY,
)
COMPONENTS_ASKED = Counter(
    "agent_state_components_asked_total", "Agents asked for the component list behind a hash.", registry=REGISTRY
)
TOLD = Counter(
    "agent_state_told_total",
    "Commands, custom messages and requests for components: told, refused, or unanswered by the gateway.",
    ("what", "outcome"),
    registry=REGISTRY,
)


@dataclass(slots=True)
class LastSeen:
    """How long ago connected agents were heard from, at the last refresh."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(LAST_SEEN_BUCKETS_SECONDS) + 1))
    """One per bucket and one for the rest, not cumulated."""

    sum_seconds: float = 0.0


class LastSeenCollector(Collector):
    """Shows LastSeen as a histogram: of ages now, not of events."""

    def __init__(self) -> None:
        self.current = LastSeen()

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Give the one family."""
        buckets = []
        total = 0
        edges = [*(str(float(edge)) for edge in LAST_SEEN_BUCKETS_SECONDS), "+Inf"]
        for edge, count in zip(edges, self.current.counts, strict=True):
            total += count
            buckets.append((edge, total))
        yield HistogramMetricFamily(
            "opamp_platform_agent_last_seen_seconds",
            "Ages of the last sign of life of connected agents at this moment.",
            buckets=buckets,
            sum_value=self.current.sum_seconds,
        )


LAST_SEEN = LastSeenCollector()
REGISTRY.register(LAST_SEEN)

"""Every metric of the gateway. No label ever holds an agent."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from servicekit.metrics import REGISTRY, SECONDS_BUCKETS

HEARTBEATS = Counter("opamp_platform_agent_heartbeats_total", "Heartbeats received from agents.", registry=REGISTRY)
OPENED = Counter("opamp_gateway_sessions_opened_total", "Sessions that began, both transports.", registry=REGISTRY)
ENDED = Counter("opamp_gateway_sessions_ended_total", "Sessions that ended, both transports.", registry=REGISTRY)

CONNECTIONS = Gauge("opamp_gateway_connections", "Open WebSocket connections.", registry=REGISTRY)
SESSIONS = Gauge("opamp_gateway_sessions", "Agents known to be here, both transports.", registry=REGISTRY)
MESSAGES = Counter(
    "opamp_gateway_messages_total", "AgentToServer messages, heartbeats included.", ("transport",), registry=REGISTRY
)
BAD_MESSAGES = Counter(
    "opamp_gateway_bad_messages_total", "Messages answered with BAD_REQUEST.", ("reason",), registry=REGISTRY
)
VIOLATIONS = Counter(
    "opamp_gateway_frame_violations_total",
    "WebSockets closed because the peer broke RFC 6455 or a size limit, by close code.",
    ("reason",),
    registry=REGISTRY,
)
FULL_STATE_ASKED = Counter(
    "opamp_gateway_full_state_asked_total", "ReportFullState flags set by the gateway.", registry=REGISTRY
)
REFUSED = Counter(
    "opamp_gateway_refused_connects_total", "Connects refused, by the gate that refused.", ("gate",), registry=REGISTRY
)
CLOSED = Counter(
    "opamp_gateway_closed_connections_total",
    "WebSockets the gateway closed, by reason.",
    ("reason",),
    registry=REGISTRY,
)
CLONES = Counter(
    "opamp_gateway_clones_total", "Agents given a new instance_uid because theirs was in use.", registry=REGISTRY
)
SUPERSEDED = Counter(
    "opamp_gateway_superseded_sessions_total",
    "Polling sessions let go because another gateway has them under a higher fence.",
    registry=REGISTRY,
)
FACTS = Counter("opamp_gateway_facts_total", "Facts published, by kind.", ("kind",), registry=REGISTRY)
FACT_BATCHES = Counter(
    "opamp_gateway_fact_batches_total", "Batches published, by outcome.", ("outcome",), registry=REGISTRY
)
FACTS_DROPPED = Counter(
    "opamp_gateway_facts_dropped_total",
    "Facts the bus would never take because of their size, by kind.",
    ("kind",),
    registry=REGISTRY,
)
FACT_SECONDS = Histogram(
    "opamp_gateway_fact_seconds",
    "From a message to its facts being stored on the bus.",
    buckets=SECONDS_BUCKETS,
    registry=REGISTRY,
)
SPOOLED = Gauge("opamp_gateway_spooled_facts", "Facts waiting to be published.", registry=REGISTRY)
SPOOLED_BYTES = Gauge("opamp_gateway_spooled_bytes", "Bytes of facts waiting to be published.", registry=REGISTRY)
UNFINISHED_BYTES = Gauge(
    "opamp_gateway_unfinished_bytes", "Bytes of messages begun and not finished, all WebSockets.", registry=REGISTRY
)
EPOCHS_WAITING = Gauge("opamp_gateway_epochs_waiting", "Connections waiting for their epoch.", registry=REGISTRY)
REGISTRY_ERRORS = Counter(
    "opamp_gateway_registry_errors_total",
    "Redis calls that failed and counted as misses.",
    ("call",),
    registry=REGISTRY,
)
OFFERS = Counter("opamp_gateway_offers_total", "Targets of offers, by outcome.", ("outcome",), registry=REGISTRY)
DELIVERED = Counter(
    "opamp_gateway_delivered_total", "Offers that left for an agent, by kind.", ("kind",), registry=REGISTRY
)
OVERSIZE = Counter(
    "opamp_gateway_oversize_answers_total", "Outgoing messages discarded because of their size.", registry=REGISTRY
)
CONTENT = Counter("opamp_gateway_content_total", "Look-ups of content, by outcome.", ("outcome",), registry=REGISTRY)
TOKENS = Counter(
    "opamp_gateway_token_checks_total", "Checks of credentials, by outcome.", ("outcome",), registry=REGISTRY
)
REVOKED = Counter(
    "opamp_gateway_revoked_connections_total",
    "Connections ended because the right to them was withdrawn or changed.",
    registry=REGISTRY,
)
ADMISSIONS = Counter(
    "opamp_gateway_admissions_total",
    "First messages agent-state decided on, by outcome.",
    ("outcome",),
    registry=REGISTRY,
)
CERTIFICATES = Counter(
    "opamp_gateway_certificate_requests_total",
    "Certificates agents asked for, by outcome.",
    ("outcome",),
    registry=REGISTRY,
)
COMPILED = Gauge(
    "opamp_gateway_compiled", "1 when the compiled form runs, 0 when Python source does.", registry=REGISTRY
)
LOOP_LAG = Gauge(
    "opamp_gateway_loop_lag_seconds", "Longest delay of the event loop since the last beat.", registry=REGISTRY
)

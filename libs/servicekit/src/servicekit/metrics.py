"""
The registry of this process, and the metrics every service has.

Labels have few values by rule: route templates, method names, outcomes; never an agent, a path or a text.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

ProcessCollector(registry=REGISTRY)

RPC_REQUESTS = Counter(
    "servicekit_rpc_requests_total",
    "Questions answered on the bus.",
    ("method", "outcome"),
    registry=REGISTRY,
)
RPC_SECONDS = Histogram(
    "servicekit_rpc_seconds",
    "Time to answer a question on the bus.",
    ("method",),
    buckets=SECONDS_BUCKETS,
    registry=REGISTRY,
)
CONSUMED = Counter(
    "servicekit_consumed_messages_total",
    "Stream messages by outcome.",
    ("consumer", "outcome"),
    registry=REGISTRY,
)
CONSUME_SECONDS = Histogram(
    "servicekit_consume_batch_seconds",
    "Time to apply one batch of stream messages, commit included.",
    ("consumer",),
    buckets=SECONDS_BUCKETS,
    registry=REGISTRY,
)
CONSUMER_PENDING = Gauge(
    "servicekit_consumer_pending",
    "Stream messages not yet delivered to this consumer.",
    ("consumer",),
    registry=REGISTRY,
)
CONSUMER_LAG_SECONDS = Gauge(
    "servicekit_consumer_lag_seconds",
    "Age of the newest message applied, when it was.",
    ("consumer",),
    registry=REGISTRY,
)
DEAD_LETTERS = Counter(
    "servicekit_dead_letters_total",
    "Messages put aside because they cannot be applied.",
    ("consumer",),
    registry=REGISTRY,
)
OUTBOX_PUBLISHED = Counter("servicekit_outbox_published_total", "Outbox rows published.", registry=REGISTRY)
OUTBOX_PENDING = Gauge("servicekit_outbox_pending", "Outbox rows waiting when last looked.", registry=REGISTRY)
BUS_CONNECTED = Gauge("servicekit_bus_connected", "1 while connected to NATS.", registry=REGISTRY)
BUS_RECONNECTS = Counter("servicekit_bus_reconnects_total", "Reconnects to NATS.", registry=REGISTRY)
LEADER = Gauge("servicekit_leader", "1 while this process leads.", ("name",), registry=REGISTRY)
DB_CONNECTIONS_OPEN = Gauge("opamp_platform_db_connections_open", "Open database connections.", registry=REGISTRY)
DB_CONNECTIONS_IDLE = Gauge("opamp_platform_db_connections_idle", "Idle database connections.", registry=REGISTRY)
DB_QUERIES = Counter(
    "opamp_platform_db_queries_total", "Database statements by first word.", ("operation",), registry=REGISTRY
)
DB_QUERY_SECONDS = Histogram(
    "opamp_platform_db_query_duration_seconds",
    "Time of database statements by first word.",
    ("operation",),
    buckets=SECONDS_BUCKETS,
    registry=REGISTRY,
)


def render() -> bytes:
    """Write every metric in the Prometheus text format."""
    return generate_latest(REGISTRY)

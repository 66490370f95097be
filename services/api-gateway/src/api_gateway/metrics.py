"""
Metrics of this room; the kit counts HTTP requests and database statements (opamp_platform_http_*, _db_*).

Labels have few values by rule: outcomes and classes, never a user or an address.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from servicekit.metrics import REGISTRY

LOGINS = Counter(
    "api_gateway_logins_total",
    "Logins by outcome: ok, refused, throttled.",
    ("outcome",),
    registry=REGISTRY,
)
REFRESHES = Counter(
    "api_gateway_refreshes_total",
    "Uses of refresh tokens by outcome: ok, refused, reused (the family was revoked).",
    ("outcome",),
    registry=REGISTRY,
)
RATE_LIMITED = Counter(
    "api_gateway_rate_limited_total", "Requests refused with 429, by class.", ("rate_class",), registry=REGISTRY
)
DEGRADED = Counter(
    "api_gateway_degraded_answers_total",
    "Answers given without the part of a service that was away.",
    ("missing",),
    registry=REGISTRY,
)
THROTTLE_KEYS = Gauge("api_gateway_throttle_keys", "Callers the rate limiter remembers.", registry=REGISTRY)
WAITING_CALLS = Gauge(
    "api_gateway_waiting_calls", "Calls that wait for an agent to answer a custom message.", registry=REGISTRY
)

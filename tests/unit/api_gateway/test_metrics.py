"""Metrics of this room."""

from __future__ import annotations

from api_gateway import metrics
from servicekit.metrics import render


def test_every_metric_is_scraped_under_its_name() -> None:
    """And none of them can name a person or an address."""
    metrics.LOGINS.labels("ok").inc()
    metrics.REFRESHES.labels("ok").inc()
    metrics.RATE_LIMITED.labels("read").inc()
    metrics.DEGRADED.labels("config-service").inc()

    text = render().decode()

    for name in ("logins", "refreshes", "rate_limited", "degraded_answers"):
        assert f"api_gateway_{name}_total{{" in text
    assert "api_gateway_throttle_keys " in text

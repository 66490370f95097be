"""Metrics of the gateway: described, and no label that grows."""

from __future__ import annotations

from prometheus_client.metrics import MetricWrapperBase

from opamp_gateway import metrics

DECLARED = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]


def test_every_metric_is_described_and_ours() -> None:
    """A sentence, and the room's name in front or the original's."""
    for metric in DECLARED:
        assert metric._documentation.endswith(".")
        assert metric._name.startswith(("opamp_gateway_", "opamp_platform_"))


def test_labels_have_few_values() -> None:
    """Never an agent."""
    assert {label for metric in DECLARED for label in metric._labelnames} <= {
        "transport",
        "reason",
        "gate",
        "kind",
        "outcome",
        "call",
    }

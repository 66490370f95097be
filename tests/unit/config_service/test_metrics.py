from __future__ import annotations

from config_service import metrics
from servicekit.metrics import render


def test_original_names_are_kept() -> None:
    """Dashboards of the original find their metrics."""
    metrics.CONFIGURATION_PUSH.labels("success").inc(0)

    text = render().decode()

    for name in (
        "opamp_platform_configurations_total ",
        "opamp_platform_configuration_changes_total ",
        'opamp_platform_configuration_push_total{status="success"} ',
    ):
        assert f"\n{name}" in text

from __future__ import annotations

from servicekit import metrics


def test_the_text_format_holds_the_kit_s_metrics() -> None:
    """A scrape shows the process and the kit's own metrics."""
    text = metrics.render().decode()
    assert "process_resident_memory_bytes" in text
    assert "servicekit_bus_connected" in text

"""Counters and histograms of fixed size."""

from __future__ import annotations

import random

from opampctl.simulate.statistics import Histogram, Statistics, counters_of, latencies_of


def test_percentiles_are_within_four_percent() -> None:
    """Buckets 4 % wide tell percentiles nearly as exactly as the samples themselves."""
    rng = random.Random(1)  # noqa: S311 - a test wants chance that can be repeated
    samples = sorted(rng.lognormvariate(-3, 1) for _ in range(5000))
    histogram = Histogram()
    for sample in samples:
        histogram.add(sample)

    for percent in (50, 90, 99):
        exact = samples[len(samples) * percent // 100 - 1]
        assert exact <= histogram.percentile(percent) * 1.0001
        assert histogram.percentile(percent) <= exact * 1.05
    assert histogram.maximum == samples[-1]
    assert histogram.count == 5000


def test_empty_and_tiny_histograms() -> None:
    """No sample gives zero, a sample of zero is taken, and no percentile exceeds the maximum."""
    histogram = Histogram()
    assert histogram.percentile(99) == 0
    histogram.add(0.0)
    histogram.add(0.010)
    assert histogram.percentile(100) == 0.010
    assert histogram.summary()["max_ms"] == 10.0


def test_every_counter_and_histogram_is_reported() -> None:
    """Nothing counted is forgotten in the snapshot."""
    statistics = Statistics()
    statistics.configs_received = 3
    assert counters_of(statistics)["configs_received"] == 3
    reported = set(counters_of(statistics)) | set(latencies_of(statistics)) | {"errors"}
    assert reported == set(Statistics.__dataclass_fields__)

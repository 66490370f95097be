"""Counters and histograms of fixed size."""

from __future__ import annotations

import random
from collections import Counter

from opampctl.simulate.statistics import Histogram, Standing, Statistics, snapshot_of


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

    snapshot = snapshot_of(Standing(), statistics)

    assert snapshot.counters["configs_received"] == 3
    assert set(snapshot.counters) | set(snapshot.latencies) | {"errors"} == set(Statistics.__dataclass_fields__)


def test_parts_of_a_fleet_add_up() -> None:
    """Merging gives what one fleet would have counted."""
    one, two, whole = Statistics(), Statistics(), Statistics()
    for index in range(100):
        part = one if index % 3 else two
        for statistics in (part, whole):
            statistics.connects += 1
            statistics.errors["http_503"] += 1
            statistics.connect.add(index / 1000)
    left = Standing(agents=3, connected=2, elapsed_seconds=4.0, configs=Counter(a=1))
    left.merge(Standing(agents=2, connected=2, elapsed_seconds=5.0, configs=Counter(a=1, b=1)))

    one.merge(two)

    assert snapshot_of(left, one) == snapshot_of(
        Standing(agents=5, connected=4, elapsed_seconds=5.0, configs=Counter(a=2, b=1)), whole
    )

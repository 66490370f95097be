from __future__ import annotations

from agent_state.metrics import LAST_SEEN_BUCKETS_SECONDS, LastSeen, LastSeenCollector


def test_ages_are_shown_as_a_cumulated_histogram() -> None:
    """Each bucket counts all that are younger; the last counts everyone."""
    collector = LastSeenCollector()
    counts = [0] * (len(LAST_SEEN_BUCKETS_SECONDS) + 1)
    counts[0], counts[2], counts[-1] = 3, 2, 1
    collector.current = LastSeen(counts, 120.0)

    (family,) = collector.collect()

    values = {sample.labels.get("le", sample.name): sample.value for sample in family.samples}
    assert values["5.0"] == 3
    assert values["30.0"] == 5
    assert values["+Inf"] == 6
    assert values["opamp_platform_agent_last_seen_seconds_sum"] == 120.0

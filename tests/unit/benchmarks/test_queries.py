"""Queries are timed on agent-state's own tables, at toy size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks import queries
from benchmarks.report import Results


def test_every_query_has_a_figure(server_folder: Callable[[str], Path]) -> None:
    """Summary, sweep and history, each beside the shortest round trip."""
    results = Results({}, {}, "now")

    queries.measure(results, folder=server_folder("queries"), counts=(1_000,), calls=3, say=lambda _line: None)

    assert set(results.rounds) == {"query.summary_ms_at_1000", "query.sweep_ms_at_1000", "query.history_ms"}
    assert all(set(contenders) == {"floor", "platform"} for contenders in results.rounds.values())

"""Ratios are taken within rounds, goals are judged, and the table comes from the JSON only."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.figures import BY_NAME, FLOOR, PEER, SOCKETS, Goal
from benchmarks.report import BEGIN, END, Results, from_json, section, table, write_section


def results() -> Results:
    """Three rounds; the second was slow for everybody."""
    made = Results({"Processor": "made up"}, {"rounds": 3}, "2026-01-01 00:00 UTC")
    for turn, slow in enumerate((1.0, 4.0, 1.0)):
        made.add("heartbeat.per_core", FLOOR, turn, 120_000 / slow)
        made.add("heartbeat.per_core", PEER, turn, 60_000 / slow)
        made.add("heartbeat.per_core", SOCKETS, turn, 90_000 / slow)
    return made


def test_a_slow_round_does_not_bend_the_ratio() -> None:
    """The ratio is the median of ratios within rounds."""
    assert results().ratio("heartbeat.per_core", SOCKETS, PEER) == pytest.approx(1.5)
    assert results().value("heartbeat.per_core", SOCKETS) == 90_000


def test_goals_are_judged_and_absent_measures_are_not_passed() -> None:
    """A goal whose other side was not measured is neither reached nor missed."""
    figure = BY_NAME["heartbeat.per_core"]

    assert results().reached(figure, Goal(SOCKETS, 1.2, PEER)) is True
    assert results().reached(figure, Goal(SOCKETS, 1.6, PEER)) is False
    assert results().reached(figure, Goal("nobody", 1.2, PEER)) is None


def test_lower_is_better_where_it_says_so() -> None:
    """A latency above its limit is a miss."""
    made = results()
    made.add("memory.idle_kb", SOCKETS, 0, 7.0)

    assert made.reached(BY_NAME["memory.idle_kb"], Goal(SOCKETS, 6.0)) is False


def test_the_document_survives_its_json() -> None:
    """The table can be written again from the file, with nothing else."""
    made = results()

    again = from_json(made.as_json())

    assert table(again) == table(made)
    assert "1.50" in table(again)
    assert "yes" in table(again)


def test_unknown_figures_are_refused() -> None:
    """A measure cannot invent a name that the table does not know."""
    with pytest.raises(KeyError):
        results().add("speed", FLOOR, 0, 1.0)


def test_the_section_replaces_what_stood_between_the_markers(tmp_path: Path) -> None:
    """What people wrote around the markers stays."""
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")
    made = results()
    made.not_run["fanout"] = "no NATS"

    write_section(page, section(made))
    write_section(page, section(made))

    text = page.read_text(encoding="utf-8")
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count("not run: fanout: no NATS") == 1


def test_a_page_without_markers_is_an_error(tmp_path: Path) -> None:
    """Results never vanish silently."""
    page = tmp_path / "benchmarks.md"
    page.write_text("nothing here", encoding="utf-8")

    with pytest.raises(ValueError, match="no result markers"):
        write_section(page, "x")

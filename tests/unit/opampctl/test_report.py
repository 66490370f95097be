"""A fleet in words."""

from __future__ import annotations

from rich.console import Console

from opampctl.simulate.fleet import Fleet
from opampctl.simulate.options import FleetOptions
from opampctl.simulate.report import progress_line, summary_tables


def printed(fleet: Fleet) -> str:
    """Print the summary of a fleet as a pipe would get it."""
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        for table in summary_tables(fleet.snapshot()):
            console.print(table)
    return capture.get()


def test_progress_explains_what_stands_in_the_way() -> None:
    """While agents are missing, the commonest reason is told in words."""
    fleet = Fleet(FleetOptions(agents=2))
    fleet.statistics.errors.update({"http_401": 5, "lost_close_1001": 1})

    line = progress_line(fleet.snapshot())

    assert "connected 0/2" in line
    assert "5 x http_401: the enrolment token was refused (give --token)" in line


def test_progress_counts_messages_between_two_looks() -> None:
    """With an earlier snapshot the rate since then is told."""
    fleet = Fleet(FleetOptions())
    before = fleet.snapshot()
    fleet._started_at -= 10
    fleet.statistics.messages_sent = 500
    fleet.statistics.reconnects = 2

    line = progress_line(fleet.snapshot(), before)

    assert " messages/s" in line
    assert "reconnects 2" in line


def test_summary_shows_times_and_errors_only_when_there_are_some() -> None:
    """An uneventful run has no table of errors, and no line without samples."""
    fleet = Fleet(FleetOptions())
    assert "what went wrong" not in printed(fleet)
    assert "connect and upgrade" not in printed(fleet)

    fleet.statistics.connect.add(0.012)
    fleet.statistics.errors["connect_timeout"] = 3

    assert "12.0" in printed(fleet)
    assert "no answer in time" in printed(fleet)

"""Download tickets: one file, one tenant, a day or two; the same text all day."""

from __future__ import annotations

import uuid
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from package_service.errors import DownloadRefused, TicketsAway
from package_service.file_tickets import SETTLED, FileTickets, TicketKey, is_ticket
from servicekit.metrics import REGISTRY

FILE = uuid.uuid4()
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
OLD = TicketKey("0000000a", b"a" * 32, NOON - timedelta(days=10))


def test_ticket_opens_its_file() -> None:
    """Whoever shows it is of the tenant it was made for."""
    tickets = FileTickets([OLD])

    text = tickets.mint("default", FILE, NOON)

    assert is_ticket(text)
    assert text.isascii()
    assert " " not in text
    assert tickets.check(text, FILE, NOON) == "default"


def test_same_text_all_day() -> None:
    """Agents with equal lists share one offer, whichever replica wrote it; the next day it is another text."""
    midnight = NOON.replace(hour=0)

    texts = {FileTickets([OLD]).mint("default", FILE, midnight + timedelta(hours=hours)) for hours in (0, 12, 23)}

    assert len(texts) == 1
    assert FileTickets([OLD]).mint("default", FILE, midnight + timedelta(days=1)) not in texts


@pytest.mark.parametrize(("days", "good"), [(0, True), (1, True), (1.49, True), (1.5, False), (400, False)])
def test_ticket_ends_with_the_next_day(days: float, good: bool) -> None:
    """From noon on it is good for a day and a half: until the day after is over."""
    tickets = FileTickets([OLD])
    text = tickets.mint("default", FILE, NOON)

    if good:
        assert tickets.check(text, FILE, NOON + timedelta(days=days)) == "default"
        return
    with pytest.raises(DownloadRefused):
        tickets.check(text, FILE, NOON + timedelta(days=days))


def test_ticket_opens_nothing_else() -> None:
    """Not another file, not for another tenant, not longer, and not with another key."""
    tickets = FileTickets([OLD])
    text = tickets.mint("default", FILE, NOON)
    _, key, day, tenant, mac = text.split("_")
    forged = [
        f"pft_{key}_{int(day) + 1}_{tenant}_{mac}",
        f"pft_{key}_{day}_other_{mac}",
        f"pft_0000000b_{day}_{tenant}_{mac}",
        f"pft_{key}_{day}_{tenant}_{'0' * 64}",
        FileTickets([TicketKey("0000000a", b"b" * 32, OLD.created_at)]).mint("default", FILE, NOON),
    ]

    for other in forged:
        with pytest.raises(DownloadRefused):
            tickets.check(other, FILE, NOON)
    with pytest.raises(DownloadRefused):
        tickets.check(text, uuid.uuid4(), NOON)


def test_each_refusal_is_counted_by_its_reason() -> None:
    """Whoever watches sees guessing, and clocks that are wrong."""
    tickets = FileTickets([OLD])
    text = tickets.mint("default", FILE, NOON)

    def count(outcome: str) -> float:
        return REGISTRY.get_sample_value("package_service_file_tickets_total", {"outcome": outcome}) or 0.0

    shown = (
        ("accepted", text, FILE, NOON),
        ("expired", text, FILE, NOON + timedelta(days=2)),
        ("wrong", text, uuid.uuid4(), NOON),
        ("unknown", "pft_nonsense", FILE, NOON),
    )
    for outcome, said, file_id, now in shown:
        before = count(outcome)
        with nullcontext() if outcome == "accepted" else pytest.raises(DownloadRefused):
            tickets.check(said, file_id, now)
        assert count(outcome) == before + 1


@pytest.mark.parametrize("text", ["", "pft_", "pft_" + "a" * 5000, "pft_0000000a_x_default_" + "0" * 64, "pft_\x00"])
def test_nonsense_is_refused(text: str) -> None:
    """What has not the form of a ticket is none."""
    with pytest.raises(DownloadRefused):
        FileTickets([OLD]).check(text, FILE, NOON)


def test_new_key_signs_from_the_next_day_on() -> None:
    """By then every replica has it; tickets of the old one stay good."""
    fresh = TicketKey("0000000b", b"b" * 32, NOON - timedelta(hours=1))
    both = FileTickets([OLD, fresh])

    today, tomorrow = both.mint("default", FILE, NOON), both.mint("default", FILE, NOON + timedelta(days=1))

    assert today == FileTickets([OLD]).mint("default", FILE, NOON)
    assert tomorrow == FileTickets([fresh]).mint("default", FILE, NOON + timedelta(days=1))
    assert both.check(today, FILE, NOON + timedelta(days=1)) == "default"


def test_key_made_just_before_midnight_waits_a_day_more() -> None:
    """A replica that has not heard of it yet would refuse its tickets."""
    midnight = NOON.replace(hour=0)
    fresh = TicketKey("0000000b", b"b" * 32, midnight - SETTLED / 2)

    text = FileTickets([OLD, fresh]).mint("default", FILE, midnight)

    assert text.startswith("pft_0000000a_")


def test_first_key_signs_at_once() -> None:
    """On the very first day there is no other."""
    tickets = FileTickets([TicketKey("0000000b", b"b" * 32, NOON)])

    assert tickets.check(tickets.mint("default", FILE, NOON), FILE, NOON) == "default"


def test_without_a_key_nothing_is_written() -> None:
    """Nobody is told a ticket that would not be believed."""
    with pytest.raises(TicketsAway):
        FileTickets().mint("default", FILE, NOON)

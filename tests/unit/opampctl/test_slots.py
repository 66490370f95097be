"""Connection settings on trial: what works is never lost."""

from __future__ import annotations

import pytest

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate.slots import APPLIED, APPLYING, ATTEMPTS, FAILED, UNSET, Slots
from opampctl.simulate.terms import Terms

OLD = Terms(headers=(("Authorization", "Bearer old"),))


def offer(name: str = "new", **members: object) -> opamp.ConnectionSettingsOffers:
    """Make an offer of another bearer."""
    headers = opamp.Headers(headers=[opamp.Header(key="Authorization", value=f"Bearer {name}")])
    own = opamp.OpAMPConnectionSettings(headers=headers, heartbeat_interval_seconds=30)
    return opamp.ConnectionSettingsOffers(hash=name.encode(), opamp=own, **members)  # type: ignore[arg-type]  # as given


@pytest.fixture
def kept() -> list[Terms]:
    """Give the list of what an agent has remembered."""
    return []


@pytest.fixture
def slots(kept: list[Terms]) -> Slots:
    """Give the places of an agent with a token."""
    return Slots(OLD, kept.append)


def test_new_settings_are_tried_before_they_are_kept(slots: Slots, kept: list[Terms]) -> None:
    """APPLYING until the server has answered on them, APPLIED from then on."""
    assert slots.take(offer(), "")
    assert (slots.status, slots.current, kept) == (APPLYING, OLD, [])
    assert slots.terms.headers[0][1] == "Bearer new"

    slots.answered()

    assert (slots.status, slots.trial, slots.current.headers[0][1]) == (APPLIED, None, "Bearer new")
    assert kept == [slots.current]


def test_a_refusal_leads_back_at_once(slots: Slots, kept: list[Terms]) -> None:
    """What worked is still there, and the reason is told."""
    slots.take(offer(), "")
    slots.failed("http_401", refused=True)

    assert (slots.status, slots.terms, kept) == (FAILED, OLD, [])
    assert "http_401" in slots.report().error_message


def test_a_server_that_is_away_is_tried_again(slots: Slots) -> None:
    """A few times, then it is given up."""
    slots.take(offer(), "")
    for _ in range(ATTEMPTS - 1):
        slots.failed("ConnectionRefusedError", refused=False)
        assert slots.trial is not None
    slots.failed("ConnectionRefusedError", refused=False)

    assert (slots.status, slots.terms) == (FAILED, OLD)


def test_the_same_offer_again_changes_nothing(slots: Slots) -> None:
    """While it is tried, and once it works; after a failure it is another chance."""
    slots.take(offer(), "")
    assert not slots.take(offer(), "")
    slots.failed("http_401", refused=True)

    assert slots.take(offer(), "")


def test_a_newer_offer_takes_the_place_of_one_on_trial(slots: Slots) -> None:
    """The newest counts."""
    slots.take(offer(), "")
    slots.failed("reset", refused=False)

    assert slots.take(offer("newer"), "")
    assert slots.terms.headers[0][1] == "Bearer newer"


def test_what_needs_no_other_connection_is_applied_at_once(slots: Slots, kept: list[Terms]) -> None:
    """Heartbeat and own telemetry; nothing is broken off."""
    telemetry = opamp.TelemetryConnectionSettings(destination_endpoint="https://t/v1/metrics")

    assert not slots.take(offer("old", own_metrics=telemetry), "")
    assert (slots.status, slots.current.heartbeat_seconds) == (APPLIED, 30)
    assert len(kept) == 1
    assert not slots.take(opamp.ConnectionSettingsOffers(hash=b"x", own_logs=telemetry), "")
    assert slots.report() == opamp.ConnectionSettingsStatus(last_connection_settings_hash=b"x", status=APPLIED)


def test_an_offer_of_no_use_fails_without_a_trial(slots: Slots) -> None:
    """The connection that works is not touched."""
    broken = opamp.ConnectionSettingsOffers(hash=b"x", opamp=opamp.OpAMPConnectionSettings(destination_endpoint="no"))

    assert not slots.take(broken, "")
    assert (slots.status, slots.terms) == (FAILED, OLD)


def test_a_status_is_news_until_it_was_reported(slots: Slots) -> None:
    """Nothing to say before the first offer; nobody's failure counts without a trial."""
    slots.failed("reset", refused=True)
    slots.answered()
    assert (slots.status, slots.has_news) == (UNSET, False)

    slots.take(offer(), "")

    assert slots.has_news
    assert slots.report().status == APPLYING
    assert not slots.has_news

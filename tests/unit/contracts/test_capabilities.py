"""Capabilities decide what may be sent."""

from __future__ import annotations

from contracts.capabilities import REQUIRED_BY_OFFER, accepts, names
from fleet.events.v1 import facts_pb2 as facts
from opamp.v1 import opamp_pb2 as opamp


def test_every_kind_of_offer_has_a_rule() -> None:
    """A new kind cannot be forgotten here."""
    kinds = {value.number for value in facts.OfferKind.DESCRIPTOR.values} - {facts.OFFER_KIND_UNSPECIFIED}

    assert set(REQUIRED_BY_OFFER) == kinds


def test_configuration_needs_its_capability() -> None:
    """An agent that never said it accepts remote configuration is not sent one."""
    assert accepts(opamp.AgentCapabilities_AcceptsRemoteConfig | 1, facts.OFFER_KIND_REMOTE_CONFIG)
    assert not accepts(opamp.AgentCapabilities_ReportsStatus, facts.OFFER_KIND_REMOTE_CONFIG)


def test_asking_for_state_needs_nothing() -> None:
    """Any agent may be asked for its full state, even one that stated no capability."""
    assert accepts(0, facts.OFFER_KIND_REPORT_FULL_STATE)


def test_names_are_short_and_in_bit_order() -> None:
    """Bits are named as the protocol does, without the prefix; unknown bits are left out."""
    assert names(0b11 | 1 << 60) == ["ReportsStatus", "AcceptsRemoteConfig"]
    assert names(0) == []

"""Offers are spliced: one serialisation, every agent its own uid."""

from __future__ import annotations

import pytest
from gatewaylab.speech import OTHER, UID, answer, answers_in, frames_of

from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import offers
from opamp_gateway.offers import Mailbox, Offering


def test_config_offer_reads_as_remote_config_for_its_agent() -> None:
    """The frame is a ServerToAgent with the agent's uid and the offered config."""
    config = opamp.AgentRemoteConfig(config_hash=b"h" * 32)
    config.config.config_map["config.yaml"].body = b"x" * 500
    offering = Offering(offers.REMOTE_CONFIG, b"h" * 32, config.SerializeToString(), "o")

    told = [answers_in(frames_of(offering.frame_for(uid)))[0] for uid in (UID, OTHER)]

    assert [one.instance_uid for one in told] == [UID, OTHER]
    assert told[0].remote_config == config
    assert offering.size == len(told[0].SerializeToString()) + 1


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (facts_pb2.OFFER_KIND_CONNECTION_SETTINGS, "connection_settings"),
        (facts_pb2.OFFER_KIND_PACKAGES, "packages_available"),
        (facts_pb2.OFFER_KIND_COMMAND, "command"),
        (facts_pb2.OFFER_KIND_CUSTOM_MESSAGE, "custom_message"),
    ],
)
def test_every_kind_goes_into_its_field(kind: int, field: str) -> None:
    """Presence of the field is the signal, content or none."""
    assert answer(Offering(kind, b"", b"", "").part).HasField(field)


def test_full_state_offer_is_the_flag() -> None:
    """It has no content and sets ReportFullState."""
    told = answer(Offering(offers.REPORT_FULL_STATE, b"", b"", "").part)

    assert told.flags == opamp.ServerToAgentFlags_ReportFullState


def test_mailbox_keeps_the_newest_of_each_kind() -> None:
    """An older offer of a kind is forgotten."""
    mailbox = Mailbox()
    old, new = (Offering(offers.REMOTE_CONFIG, name, name, "") for name in (b"a", b"b"))
    settings = Offering(facts_pb2.OFFER_KIND_CONNECTION_SETTINGS, b"s", b"", "")
    for offering in (old, settings, new):
        mailbox.put(offering)

    assert mailbox.take() == [new, settings]
    assert len(mailbox) == 0


def test_command_goes_alone_and_first() -> None:
    """Whoever reads a command reads nothing else of that message."""
    mailbox = Mailbox()
    config = Offering(offers.REMOTE_CONFIG, b"a", b"", "")
    command = Offering(offers.COMMAND, b"", b"", "")
    mailbox.put(config)
    mailbox.put(command)

    assert [mailbox.take(), mailbox.take(), mailbox.take()] == [[command], [config], []]


def test_unknown_kinds_are_known_to_be_unknown() -> None:
    """A kind of a later version is not carried."""
    assert offers.knows(offers.CLOSE)
    assert not offers.knows(99)


def whole() -> opamp.ConnectionSettingsOffers:
    """Offer settings of every class."""
    settings = opamp.ConnectionSettingsOffers(hash=b"s" * 32)
    settings.opamp.destination_endpoint = "wss://x/v1/opamp"
    settings.own_metrics.destination_endpoint = "https://x/v1/metrics"
    settings.own_traces.destination_endpoint = "https://x/v1/traces"
    settings.own_logs.destination_endpoint = "https://x/v1/logs"
    settings.other_connections["kafka"].destination_endpoint = "kafka:9092"
    return settings


@pytest.mark.parametrize(
    ("capability", "member"),
    [
        (opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings, "opamp"),
        (opamp.AgentCapabilities_ReportsOwnMetrics, "own_metrics"),
        (opamp.AgentCapabilities_ReportsOwnTraces, "own_traces"),
        (opamp.AgentCapabilities_ReportsOwnLogs, "own_logs"),
        (opamp.AgentCapabilities_AcceptsOtherConnectionSettings, "other_connections"),
    ],
)
def test_each_member_of_settings_needs_its_capability(capability: int, member: str) -> None:
    """The rest is left out; the hash still stands for everything in force."""
    content = offers.fitting(whole().SerializeToString(), capability)

    assert content is not None
    left = opamp.ConnectionSettingsOffers.FromString(content)
    assert {field.name for field, _ in left.ListFields()} == {"hash", member}


def test_settings_that_fit_are_not_touched_and_those_that_do_not_are_not_offered() -> None:
    """Byte for byte; and nothing at all rather than an offer of nothing."""
    content = whole().SerializeToString()

    assert offers.fitting(content, 0xFFFF) is content
    assert offers.fitting(content, int(opamp.AgentCapabilities_ReportsStatus)) is None

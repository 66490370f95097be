"""Which OpAMP capability an agent must have stated before a thing may be sent to it."""

from __future__ import annotations

from fleet.events.v1 import facts_pb2 as facts
from opamp.v1 import opamp_pb2 as opamp

_SETTINGS = (
    opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
    | opamp.AgentCapabilities_AcceptsOtherConnectionSettings
    | opamp.AgentCapabilities_ReportsOwnTraces
    | opamp.AgentCapabilities_ReportsOwnMetrics
    | opamp.AgentCapabilities_ReportsOwnLogs
)

REQUIRED_BY_OFFER: dict[int, int] = {
    facts.OFFER_KIND_REMOTE_CONFIG: opamp.AgentCapabilities_AcceptsRemoteConfig,
    facts.OFFER_KIND_PACKAGES: opamp.AgentCapabilities_AcceptsPackages,
    facts.OFFER_KIND_CONNECTION_SETTINGS: _SETTINGS,
    facts.OFFER_KIND_COMMAND: opamp.AgentCapabilities_AcceptsRestartCommand,
    facts.OFFER_KIND_CUSTOM_MESSAGE: 0,
    facts.OFFER_KIND_REPORT_FULL_STATE: 0,
    facts.OFFER_KIND_CLOSE: 0,
    facts.OFFER_KIND_REPORT_AVAILABLE_COMPONENTS: opamp.AgentCapabilities_ReportsAvailableComponents,
}
"""
OfferKind to the AgentCapabilities bits it needs, any of them; 0 = none.

Each member of connection settings has a bit of its own; whoever composes an offer keeps to them.
"""


def accepts(capabilities: int, kind: int) -> bool:
    """Say whether an agent that stated *capabilities* may be sent an offer of *kind*."""
    needed = REQUIRED_BY_OFFER[kind]
    return not needed or bool(capabilities & needed)


def names(capabilities: int) -> list[str]:
    """List the names of the set bits without their prefix, in bit order; unknown bits are left out."""
    prefix = "AgentCapabilities_"
    return [
        value.name.removeprefix(prefix)
        for value in opamp.AgentCapabilities.DESCRIPTOR.values
        if value.number and capabilities & value.number
    ]

"""The usual answer."""

from __future__ import annotations

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.manners import ALL_CAPABILITIES, Manners, acknowledgement
from opampctl.conformance.as_server.said import Said
from opampctl.conformance.heard import Transport


def test_first_answer_introduces_the_server() -> None:
    """Capabilities and custom ones come once; later answers name the agent only."""
    said = Said(0, 1, 0, Transport.HTTP, 0.0, opamp.AgentToServer(instance_uid=b"u" * 16).SerializeToString())
    manners = Manners(custom=("org.example.a",))

    first, later = (acknowledgement(said, manners, first=each) for each in (True, False))

    assert (first.capabilities, list(first.custom_capabilities.capabilities)) == (ALL_CAPABILITIES, ["org.example.a"])
    assert later == opamp.ServerToAgent(instance_uid=b"u" * 16)

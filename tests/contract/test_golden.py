"""Golden vectors of the OpAMP wire: our generated code agrees with the protocol byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format

from contracts.framing import HEADER, BadFrameError, strip_header
from opamp.v1 import anyvalue_pb2, opamp_pb2
from opamp.v1.anyvalue_pb2 import AnyValue, KeyValue
from opamp.v1.opamp_pb2 import (
    AgentConfigFile,
    AgentConfigMap,
    AgentDescription,
    AgentDisconnect,
    AgentIdentification,
    AgentRemoteConfig,
    AgentToServer,
    AvailableComponents,
    ComponentHealth,
    ConnectionSettingsOffers,
    CustomCapabilities,
    OpAMPConnectionSettings,
    RemoteConfigStatus,
    RetryInfo,
    ServerErrorResponse,
    ServerToAgent,
    ServerToAgentCommand,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

VECTORS = [json.loads(line) for line in (Path(__file__).parent / "data" / "golden.jsonl").read_text().splitlines()]
UID = bytes.fromhex("019a0000000070008000000000000001")
NEW_UID = bytes.fromhex("019a0000000070008000000000000002")
THIRTY_SECONDS = 30 * 10**9


def message_type(name: str) -> type[Message]:
    """Find a generated class by its protocol name."""
    module = opamp_pb2 if hasattr(opamp_pb2, name) else anyvalue_pb2
    found: type[Message] = getattr(module, name)
    return found


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["case"] for vector in VECTORS])
def test_golden_vector_round_trips(vector: dict[str, Any]) -> None:
    """Every vector parses, equals its proto3 JSON, and serialises to the very same bytes."""
    wire = bytes.fromhex(vector["hex"])
    kind = message_type(vector["type"])

    message = kind.FromString(wire)

    assert json_format.MessageToDict(message, preserving_proto_field_name=True) == vector["json"]
    assert message.SerializeToString(deterministic=True) == wire
    assert json_format.ParseDict(vector["json"], kind()).SerializeToString(deterministic=True) == wire


def test_golden_vectors_cover_every_message() -> None:
    """The 41 messages of the protocol, and nothing else, are declared; the vectors name most of them."""
    declared = {*opamp_pb2.DESCRIPTOR.message_types_by_name, *anyvalue_pb2.DESCRIPTOR.message_types_by_name}

    assert len(declared) == 41
    assert {vector["type"] for vector in VECTORS} <= declared
    assert len(opamp_pb2.DESCRIPTOR.enum_types_by_name) == 10


def from_agent(sequence_num: int = 0, **fields: Any) -> AgentToServer:
    """Write a message of the example agent."""
    return AgentToServer(instance_uid=UID, sequence_num=sequence_num, **fields)


def to_agent(**fields: Any) -> ServerToAgent:
    """Write an answer to the example agent."""
    return ServerToAgent(instance_uid=UID, **fields)


EXAMPLES: dict[str, tuple[Message, str]] = {
    "minimal heartbeat": (from_agent(1, capabilities=1), "0a10019a000000007000800000000000000110012001"),
    "all capability bits": (
        from_agent(300, capabilities=0xFFFF),
        "0a10019a000000007000800000000000000110ac0220ffff03",
    ),
    "goodbye": (
        from_agent(7, capabilities=1, agent_disconnect=AgentDisconnect()),
        "0a10019a0000000070008000000000000001100720014a00",
    ),
    "request instance uid": (
        from_agent(capabilities=1, flags=opamp_pb2.AgentToServerFlags_RequestInstanceUid),
        "0a10019a000000007000800000000000000120015001",
    ),
    "health up": (
        from_agent(
            2,
            capabilities=0x0801,
            health=ComponentHealth(healthy=True, start_time_unix_nano=1_700_000_000 * 10**9),
        ),
        "0a10019a00000000700080000000000000011002208110" + "2a0b08011100002a36fe9c9717",
    ),
    "described": (
        from_agent(
            1,
            capabilities=1,
            agent_description=AgentDescription(
                identifying_attributes=[KeyValue(key="service.name", value=AnyValue(string_value="x"))]
            ),
        ),
        "0a10019a000000007000800000000000000110011a150a130a0c736572766963652e6e616d6512030a01782001",
    ),
    "config failed": (
        from_agent(
            3,
            capabilities=0x1003,
            remote_config_status=RemoteConfigStatus(
                last_remote_config_hash=bytes.fromhex("abcd"),
                status=opamp_pb2.RemoteConfigStatuses_FAILED,
                error_message="bad",
            ),
        ),
        "0a10019a000000007000800000000000000110032083203a0b0a02abcd10031a03626164",
    ),
    "components by hash": (
        from_agent(4, capabilities=0x4001, available_components=AvailableComponents(hash=b"\x01")),
        "0a10019a00000000700080000000000000011004208180017203120101",
    ),
    "empty custom capabilities": (
        from_agent(5, capabilities=1, custom_capabilities=CustomCapabilities()),
        "0a10019a0000000070008000000000000001100520016200",
    ),
    "empty answer": (ServerToAgent(), ""),
    "acknowledgement": (to_agent(), "0a10019a0000000070008000000000000001"),
    "first answer": (to_agent(capabilities=0x7F), "0a10019a0000000070008000000000000001387f"),
    "report full state": (
        to_agent(flags=opamp_pb2.ServerToAgentFlags_ReportFullState),
        "0a10019a00000000700080000000000000013001",
    ),
    "both report flags": (to_agent(flags=3), "0a10019a00000000700080000000000000013003"),
    "restart": (
        to_agent(command=ServerToAgentCommand(type=opamp_pb2.CommandType_Restart)),
        "0a10019a00000000700080000000000000014a00",
    ),
    "bad request": (
        to_agent(
            error_response=ServerErrorResponse(type=opamp_pb2.ServerErrorResponseType_BadRequest, error_message="bad")
        ),
        "0a10019a0000000070008000000000000001120708011203626164",
    ),
    "unavailable": (
        to_agent(
            error_response=ServerErrorResponse(
                type=opamp_pb2.ServerErrorResponseType_Unavailable,
                retry_info=RetryInfo(retry_after_nanoseconds=THIRTY_SECONDS),
            )
        ),
        "0a10019a0000000070008000000000000001120a08021a060880d88ee16f",
    ),
    "unknown error": (
        to_agent(error_response=ServerErrorResponse()),
        "0a10019a00000000700080000000000000011200",
    ),
    "new uid": (
        to_agent(agent_identification=AgentIdentification(new_instance_uid=NEW_UID)),
        "0a10019a000000007000800000000000000142120a10019a0000000070008000000000000002",
    ),
    "remote config": (
        to_agent(
            remote_config=AgentRemoteConfig(
                config=AgentConfigMap(config_map={"": AgentConfigFile(body=b"a: 1", content_type="text/yaml")}),
                config_hash=bytes.fromhex("abcd"),
            )
        ),
        "0a10019a00000000700080000000000000011a1d0a170a150a0012110a04613a20311209746578742f79616d6c1202abcd",
    ),
    "opamp offer": (
        to_agent(
            connection_settings=ConnectionSettingsOffers(
                hash=b"\x01",
                opamp=OpAMPConnectionSettings(destination_endpoint="ws://h/", heartbeat_interval_seconds=30),
            )
        ),
        "0a10019a000000007000800000000000000122100a0101120b0a0777733a2f2f682f201e",
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_byte_example_of_the_protocol(name: str) -> None:
    """What we would say in each case is what the protocol's own examples say."""
    message, wire = EXAMPLES[name]

    assert message.SerializeToString(deterministic=True).hex() == wire
    assert type(message).FromString(bytes.fromhex(wire)) == message


DATA = bytes.fromhex("0a10019a0000000070008000000000000001")
MALFORMED = {
    "empty payload": b"",
    "reserved header": b"\x01" + DATA,
    "largest varint": bytes.fromhex("ffffffffffffffffff01") + DATA,
    "varint without end": b"\x80" * 11 + DATA,
    "varint cut off": b"\x80\x80",
    "no header": DATA,
}


@pytest.mark.parametrize(
    ("frame", "data"),
    [(HEADER, b""), (HEADER + DATA, DATA), (b"\x80\x00" + DATA, DATA)],
    ids=["header alone", "normal", "two-byte zero"],
)
def test_header_of_a_good_frame_is_stripped(frame: bytes, data: bytes) -> None:
    """A header whose value is 0 is accepted, minimal or not."""
    assert strip_header(frame) == data


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_header_is_refused(name: str) -> None:
    """Every malformed case of the protocol raises and says why."""
    with pytest.raises(BadFrameError):
        strip_header(MALFORMED[name])


def test_headerless_peer_is_understood_when_allowed() -> None:
    """A peer older than the header begins with the tag of instance_uid."""
    assert strip_header(DATA, accept_headerless=True) == DATA

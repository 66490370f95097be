"""
What the load generator sends: prebuilt, masked WebSocket frames as an opamp-go agent would write them.

An agent's message is its instance_uid field, its sequence number, and a rest that all agents share.
With one masking key the masked rest is shared too, so a frame costs one concatenation and the
generator stays cheaper than the server it measures. Full statuses are cut into frames of 4,096 bytes,
as gorilla/websocket (under opamp-go's client) cuts them.
"""

from __future__ import annotations

import hashlib
from itertools import cycle

from opamp.v1 import anyvalue_pb2 as anyvalue
from opamp.v1 import opamp_pb2 as opamp

KEY = b"\x5a\xc3\x17\xe8"
"""The masking key of every frame; not zero, so servers unmask for real."""

FRAGMENT_BYTES = 4096
FIRST_SEQUENCE = 200
"""Sequence numbers stay two bytes long as varints: 128 … 16,383."""

LAST_SEQUENCE = 16_383
UID_FIELD_TAG = b"\x0a\x10"
CAPABILITIES = (
    opamp.AgentCapabilities_ReportsStatus
    | opamp.AgentCapabilities_AcceptsRemoteConfig
    | opamp.AgentCapabilities_ReportsEffectiveConfig
    | opamp.AgentCapabilities_ReportsHealth
    | opamp.AgentCapabilities_ReportsRemoteConfig
    | opamp.AgentCapabilities_ReportsHeartbeat
)

_BINARY, _CONTINUATION, _FINAL, _MASKED = 0x02, 0x00, 0x80, 0x80
_SMALL, _TWO_BYTES = 126, 65_536
_PREFIX_BYTES = 1 + len(UID_FIELD_TAG) + 16
"""Zero header of the message, then the instance_uid field."""


def mask(payload: bytes, offset: int = 0) -> bytes:
    """XOR *payload* with the key, as if *offset* bytes stood before it in the same frame."""
    size = len(payload)
    if not size:
        return b""
    key = bytes(byte for byte, _ in zip(cycle(KEY[offset % 4 :] + KEY[: offset % 4]), range(size), strict=False))
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def head(size: int, opcode: int = _BINARY, *, final: bool = True) -> bytes:
    """Build the head of a masked frame of *size* payload bytes, the key included."""
    first = opcode | (_FINAL if final else 0)
    if size < _SMALL:
        return bytes((first, _MASKED | size)) + KEY
    if size < _TWO_BYTES:
        return bytes((first, _MASKED | 126)) + size.to_bytes(2, "big") + KEY
    return bytes((first, _MASKED | 127)) + size.to_bytes(8, "big") + KEY


def message_frame(message: bytes, opcode: int = _BINARY) -> bytes:
    """Frame a whole message of any kind in one masked frame; for what is not sent in a hot loop."""
    return head(len(message), opcode) + mask(message)


def uid_of(index: int, seed: int = 1) -> bytes:
    """Return the instance_uid of agent *index*: the same in every run, spread like a random one."""
    return hashlib.blake2b(f"{seed}/{index}".encode(), digest_size=16).digest()


def varint(value: int) -> bytes:
    """Encode *value* as protobuf does."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(key: str, value: str) -> anyvalue.KeyValue:
    return anyvalue.KeyValue(key=key, value=anyvalue.AnyValue(string_value=value))


def full_status(variant: int = 0, labels: dict[str, str] | None = None) -> bytes:
    """
    Serialise a realistic status of 5-6 KB without instance_uid and sequence_num.

    Two variants differ in health and in effective configuration, so a server that compares what it
    hears with what it knows finds a change each time they alternate.
    """
    message = opamp.AgentToServer(capabilities=CAPABILITIES)
    described = message.agent_description
    described.identifying_attributes.extend(
        [
            _text("service.name", "io.opentelemetry.collector"),
            _text("service.version", "0.131.0"),
            _text("service.namespace", "edge"),
        ]
    )
    own = {"os.type": "linux", "host.name": "node-0042.eu-west.example", "host.arch": "amd64", **(labels or {})}
    own |= {"os.description": "Debian GNU/Linux 12 (bookworm)", "deployment.environment.name": "production"}
    own |= {"k8s.cluster.name": "eu-west-1-prod-a", "k8s.node.name": "ip-10-1-2-3", "team": "observability"}
    described.non_identifying_attributes.extend(_text(key, value) for key, value in own.items())
    health = message.health
    health.healthy = True
    health.start_time_unix_nano = 1_700_000_000_000_000_000
    health.status = "StatusOK"
    health.status_time_unix_nano = 1_700_000_000_000_000_000 + variant
    for name in ("pipeline:traces", "pipeline:metrics", "pipeline:logs", "extensions"):
        part = health.component_health_map[name]
        part.healthy, part.status = True, "StatusOK"
        for child in ("receiver:otlp", "processor:batch", "exporter:otlp/backend"):
            inner = part.component_health_map[child]
            inner.healthy, inner.status = True, "StatusOK"
    message.effective_config.config_map.config_map[""].CopyFrom(
        opamp.AgentConfigFile(body=_collector_config(variant), content_type="text/yaml")
    )
    message.remote_config_status.status = opamp.RemoteConfigStatuses_UNSET
    return message.SerializeToString(deterministic=True)


def _collector_config(variant: int) -> bytes:
    lines = ["receivers:"]
    lines += [f"  otlp/{i}:\n    protocols:\n      grpc:\n        endpoint: 0.0.0.0:{4317 + i}" for i in range(17)]
    lines += ["processors:"]
    lines += [f"  batch/{i}:\n    timeout: {i + 1}s\n    send_batch_size: {1024 + i + variant}" for i in range(17)]
    lines += ["exporters:"]
    lines += [f"  otlp/{i}:\n    endpoint: backend-{i}.example:4317\n    compression: gzip" for i in range(17)]
    lines += ["service:", "  pipelines:"]
    lines += [f"    traces/{i}:\n      receivers: [otlp/{i}]\n      exporters: [otlp/{i}]" for i in range(17)]
    return "\n".join(lines).encode()


class Messages:
    """
    Every frame a fleet of *count* agents sends, ready to be concatenated.

    `heartbeat(i, sequence)` and `status(i, sequence, variant)` are the two hot calls.
    """

    def __init__(self, count: int, *, seed: int = 1, labels: dict[str, str] | None = None) -> None:
        self.uids = [uid_of(index, seed) for index in range(count)]
        prefixes = [mask(b"\x00" + UID_FIELD_TAG + uid) for uid in self.uids]
        capabilities = b"\x20" + varint(CAPABILITIES)
        size = _PREFIX_BYTES + 3 + len(capabilities)
        self._heartbeat_prefix = [head(size) + prefix for prefix in prefixes]
        tail = {s: mask(b"\x10" + varint(s) + capabilities, _PREFIX_BYTES) for s in range(FIRST_SEQUENCE, 1024)}
        self._heartbeat_tail = tail
        self._capabilities = capabilities
        rests = [full_status(variant, labels) for variant in (0, 1)]
        self.status_bytes = _PREFIX_BYTES + 3 + len(rests[0])
        before = _PREFIX_BYTES + 3
        first = FRAGMENT_BYTES - before
        self._status_head = [head(FRAGMENT_BYTES, final=False) + prefix for prefix in prefixes]
        self._status_tail = [mask(rest[:first], before) + message_frame(rest[first:], _CONTINUATION) for rest in rests]
        self._masked_sequence: dict[int, bytes] = {}

    def heartbeat(self, index: int, sequence: int) -> bytes:
        """Frame a message of uid, sequence number and capabilities only."""
        tail = self._heartbeat_tail.get(sequence)
        if tail is None:
            tail = mask(b"\x10" + varint(sequence) + self._capabilities, _PREFIX_BYTES)
            self._heartbeat_tail[sequence] = tail
        return self._heartbeat_prefix[index] + tail

    def status(self, index: int, sequence: int, variant: int = 0) -> bytes:
        """Frame a full status, in two fragments."""
        masked = self._masked_sequence.get(sequence)
        if masked is None:
            masked = self._masked_sequence[sequence] = mask(b"\x10" + varint(sequence), _PREFIX_BYTES)
        return self._status_head[index] + masked + self._status_tail[variant & 1]

    def config_applied(self, index: int, sequence: int, config_hash: bytes) -> bytes:
        """Frame the report that the configuration with *config_hash* is applied."""
        message = opamp.AgentToServer(instance_uid=self.uids[index], sequence_num=sequence, capabilities=CAPABILITIES)
        message.remote_config_status.last_remote_config_hash = config_hash
        message.remote_config_status.status = opamp.RemoteConfigStatuses_APPLIED
        return message_frame(b"\x00" + message.SerializeToString())

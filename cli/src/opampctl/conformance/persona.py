"""An agent made up for a check: its uid, how far it has counted, what it says it can."""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING, Any

from opamp.v1 import anyvalue_pb2 as anyvalue
from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from collections.abc import Mapping

REPORTS_STATUS = int(opamp.AgentCapabilities_ReportsStatus)
ACCEPTS_CONFIG = REPORTS_STATUS | int(
    opamp.AgentCapabilities_AcceptsRemoteConfig | opamp.AgentCapabilities_ReportsRemoteConfig
)
EVERYTHING = 0xFFFF
"""Every capability bit of an agent that is defined."""


class Persona:
    """
    One agent of a check.

    Args:
        name: Shown as service.name; begins with the row.

        capabilities: What it states in every message.

        uid: Its instance_uid; a fresh UUID version 7 if not given.

        labels: Further non-identifying attributes.
    """

    def __init__(
        self,
        name: str,
        capabilities: int = REPORTS_STATUS,
        *,
        uid: bytes | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.uid = fresh_uid() if uid is None else uid
        self.labels = dict(labels or {})
        self.sequence = -1
        """The number last sent."""

        self._capabilities = capabilities
        self.ever = capabilities
        """All capabilities it ever stated."""

    @property
    def capabilities(self) -> int:
        """What it states now."""
        return self._capabilities

    @capabilities.setter
    def capabilities(self, bits: int) -> None:
        self._capabilities = bits
        self.ever |= bits

    @property
    def text(self) -> str:
        """The uid as people and the OpAMP-Instance-UID header write it."""
        return str(uuid.UUID(bytes=self.uid)) if len(self.uid) == 16 else self.uid.hex()  # noqa: PLR2004 - uid bytes

    def message(self, **parts: Any) -> opamp.AgentToServer:
        """Make the next message: uid, number, capabilities and the given parts."""
        self.sequence += 1
        return opamp.AgentToServer(
            instance_uid=self.uid, sequence_num=self.sequence, capabilities=self._capabilities, **parts
        )

    def description(self, **more: str) -> opamp.AgentDescription:
        """Describe itself."""
        return opamp.AgentDescription(
            identifying_attributes=attributes({"service.name": self.name, "service.instance.id": self.text}),
            non_identifying_attributes=attributes(
                {"os.type": "linux", "host.name": "conformance", **self.labels, **more}
            ),
        )

    def full(self, **parts: Any) -> opamp.AgentToServer:
        """Make a message with every part its capabilities promise."""
        said: dict[str, Any] = {"agent_description": self.description()}
        if self._capabilities & opamp.AgentCapabilities_ReportsHealth:
            said["health"] = opamp.ComponentHealth(healthy=True, status="running")
        if self._capabilities & opamp.AgentCapabilities_ReportsEffectiveConfig:
            said["effective_config"] = config_of({"config.yaml": b"a: 1\n"})
        if self._capabilities & opamp.AgentCapabilities_ReportsRemoteConfig:
            said["remote_config_status"] = opamp.RemoteConfigStatus()
        return self.message(**{**said, **parts})


def fresh_uid() -> bytes:
    """Make a UUID version 7."""
    milliseconds = time.time_ns() // 1_000_000
    random = bytearray(os.urandom(10))
    random[0] = random[0] & 0x0F | 0x70
    random[2] = random[2] & 0x3F | 0x80
    return milliseconds.to_bytes(6) + bytes(random)


def attributes(values: Mapping[str, str]) -> list[anyvalue.KeyValue]:
    """Write texts as attributes."""
    return [anyvalue.KeyValue(key=key, value=anyvalue.AnyValue(string_value=value)) for key, value in values.items()]


def config_of(files: Mapping[str, bytes], content_type: str = "text/yaml") -> opamp.EffectiveConfig:
    """Write files as an effective config."""
    return opamp.EffectiveConfig(
        config_map=opamp.AgentConfigMap(
            config_map={
                name: opamp.AgentConfigFile(body=body, content_type=content_type) for name, body in files.items()
            }
        )
    )

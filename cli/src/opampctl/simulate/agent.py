"""
One simulated agent as a pure machine: what it is, what it knows, what it has to say next.

It never touches a socket or a clock: a conversation (websocket or polling) carries its messages and tells the time.
It compresses like real clients do: changes gather until the next message, which carries all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import DecodeError

from contracts.ids import AgentUid, format_uid
from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate import extras, identity
from opampctl.simulate.kept import KeptConfig
from opampctl.simulate.packages import Packages

if TYPE_CHECKING:
    from opampctl.simulate.options import FleetOptions
    from opampctl.simulate.statistics import Statistics

CAPABILITIES = (
    opamp.AgentCapabilities_ReportsStatus
    | opamp.AgentCapabilities_AcceptsRemoteConfig
    | opamp.AgentCapabilities_ReportsEffectiveConfig
    | opamp.AgentCapabilities_AcceptsRestartCommand
    | opamp.AgentCapabilities_ReportsHealth
    | opamp.AgentCapabilities_ReportsRemoteConfig
    | opamp.AgentCapabilities_ReportsHeartbeat
)
REJECTION = (
    "the collector refused the configuration: service::pipelines::traces: references exporter "
    '"otlphttp/backup" which is not configured'
)
FAILURE = "the collector did not become healthy within 5s: listen tcp 0.0.0.0:4317: bind: address already in use"

DESCRIPTION, HEALTH, EFFECTIVE_CONFIG, CONFIG_STATUS, PACKAGES = 1, 2, 4, 8, 16
EVERYTHING = DESCRIPTION | HEALTH | EFFECTIVE_CONFIG | CONFIG_STATUS | PACKAGES

_TAKES_PACKAGES = opamp.AgentCapabilities_AcceptsPackages | opamp.AgentCapabilities_ReportsPackageStatuses

_PACKAGE_STATUSES = opamp.ServerCapabilities_AcceptsPackagesStatus
_UID_BYTES = 16
_EFFECTIVE_CONFIG_TAG = 0x32


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits to a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def capabilities_field(options: FleetOptions) -> bytes:
    """Write the capabilities of a fleet's agents as they stand in every message; made once and shared."""
    packages = _TAKES_PACKAGES if options.packages is not None else 0
    return b"\x20" + _varint(CAPABILITIES | packages | extras.capabilities_of(options))


class ReceivedConfig(NamedTuple):
    """One configuration as it reached an agent."""

    hash: bytes
    """config_hash as sent."""
    at: float
    """Unix time in seconds."""
    monotonic: float
    """CLOCK_MONOTONIC in seconds, comparable between processes of one machine."""
    repeated: bool
    """The agent had this very configuration in hand already (applied or being applied)."""
    connection: int
    """Which connection of the agent brought it, counted from 1."""


class Reaction(NamedTuple):
    """What the conversation has to do after a message was received."""

    apply: bool = False
    """A new configuration is being applied: call `finish_apply` after the apply delay."""
    restart: bool = False
    """The server asked for a restart: break off and come back with the full state."""
    pause_seconds: float | None = None
    """The server is overloaded: say nothing for so long."""
    reconnect: bool = False
    """New connection settings are on trial: say so, break off, and come back on them."""
    sync: bool = False
    """Packages are due: download and install them, instead of what is under way."""


class SimulatedAgent:
    """
    An agent with everything it would know of itself.

    Public attributes are for reading, but for `rejects` and `fails_packages`: set at any time, they decide the fate
    of the next configuration and the next packages.
    """

    __slots__ = (
        "_capabilities_field",
        "_effective",
        "_kept",
        "_options",
        "_pending",
        "_shared_configs",
        "_sick_of",
        "_statistics",
        "applied_hash",
        "config_error",
        "config_hash",
        "config_status",
        "connected",
        "connected_at",
        "connections",
        "extras",
        "fails_packages",
        "health_error",
        "healthy",
        "index",
        "original_uid",
        "packages",
        "received",
        "rejects",
        "sequence_num",
        "server_capabilities",
        "started_unix_nano",
        "uid",
        "uses_http",
    )

    def __init__(
        self,
        options: FleetOptions,
        position: int,
        *,
        statistics: Statistics,
        shared_configs: dict[bytes, bytes],
        started_unix_nano: int,
        capabilities: bytes | None = None,
    ) -> None:
        self.index = options.first_index + position
        self.uid = identity.make_uid(options.uid_seed, self.index)
        self.original_uid = self.uid
        self.uses_http = options.uses_http(position)
        self.rejects = (
            position < options.reject or identity.fraction(options.seed, self.index, "reject") < options.reject_share
        )
        self.healthy = identity.fraction(options.seed, self.index, "health") >= options.unhealthy_share
        self.health_error = "" if self.healthy else "exporter otlphttp: queue is full, data is being dropped"
        self.sequence_num = 0
        self.connected = False
        self.connected_at = 0.0
        self.connections = 0
        self.received: list[ReceivedConfig] = []
        self.config_hash = b""
        self.config_status: opamp.RemoteConfigStatuses = opamp.RemoteConfigStatuses_UNSET
        self.config_error = ""
        self.applied_hash = b""
        self.server_capabilities = 0
        self.started_unix_nano = started_unix_nano
        self._options = options
        self._statistics = statistics
        self._shared_configs = shared_configs
        self._effective = b""
        self._pending = 0
        self._capabilities_field = capabilities or capabilities_field(options)
        self.extras = extras.Extras(options, self.index) if extras.wanted(options) else None
        self.packages = Packages() if options.packages is not None else None
        self.fails_packages = options.packages is not None and options.packages.fails(position)
        self._sick_of = ""
        self._kept = KeptConfig(options, self.index)
        self._remember()

    @property
    def uid_text(self) -> str:
        """The instance_uid as the API shows it."""
        return format_uid(self.uid)

    @property
    def attributes(self) -> dict[str, str]:
        """All attributes the agent reports."""
        identifying, other = identity.attributes(self._options, self.index, self.original_uid)
        return identifying | other

    @property
    def has_news(self) -> bool:
        """Whether the next message would carry more than a heartbeat does."""
        return self._pending != 0 or (self.extras is not None and self.extras.has_news)

    @property
    def effective_config(self) -> opamp.EffectiveConfig:
        """What the agent runs now."""
        return opamp.EffectiveConfig.FromString(self._effective_bytes())

    def receipts_of(self, config_hash: bytes) -> int:
        """Count how often the configuration with this hash has reached the agent."""
        return sum(1 for received in self.received if received.hash == config_hash)

    def established(self, *, monotonic: float) -> None:
        """Note that a connection stands."""
        self.connected = True
        self.connected_at = monotonic
        self.connections += 1

    def begin(self) -> None:
        """Prepare the first message of a connection: the full state the first time, and later if so chosen."""
        if self.sequence_num == 0 or self._options.first_message_on_reconnect:
            self._pending = EVERYTHING

    def report(self, parts: int = EVERYTHING) -> None:
        """Make *parts* of the state news, so that the next message carries them."""
        self._pending |= parts

    def set_health(self, *, healthy: bool, error: str = "") -> None:
        """Change the health; the next message tells."""
        self.healthy, self.health_error = healthy, error
        self._pending |= HEALTH

    def run_package(self, name: str, *, sick_with: str) -> None:
        """Run what was just installed: sick with it, or well again if its predecessor was what made the agent sick."""
        if sick_with:
            self._sick_of = name
            self.set_health(healthy=False, error=sick_with)
        elif self._sick_of == name:
            self._sick_of = ""
            self.set_health(healthy=True)

    def restart(self, *, now_unix_nano: int) -> None:
        """Begin anew as a restarted process with the same identity and configuration would."""
        self.started_unix_nano = now_unix_nano
        self.sequence_num = 0
        self._pending = EVERYTHING

    def heartbeat(self) -> bytes:
        """Return a message that says only who and alive: instance_uid, sequence_num, capabilities."""
        head = b"\x0a\x10" + self.uid + (b"\x10" + _varint(self.sequence_num) if self.sequence_num else b"")
        self.sequence_num += 1
        return head + self._capabilities_field

    def goodbye(self) -> bytes:
        """Return the last message of a connection: agent_disconnect, and nothing else."""
        return self.heartbeat() + b"\x4a\x00"

    def next_message(self, *, now_unix_nano: int) -> bytes:
        """Return the next AgentToServer with all news since the last one; a heartbeat when there is none."""
        if not self.has_news:
            return self.heartbeat()
        parts, self._pending = self._pending, 0
        if parts == EVERYTHING:
            self._statistics.full_states += 1
        message = opamp.AgentToServer()
        if parts & DESCRIPTION:
            message.agent_description.CopyFrom(identity.describe(self._options, self.index, self.original_uid))
        if parts & HEALTH:
            message.health.CopyFrom(
                identity.health(
                    healthy=self.healthy,
                    error=self.health_error,
                    started_unix_nano=self.started_unix_nano,
                    now_unix_nano=now_unix_nano,
                )
            )
        if parts & CONFIG_STATUS:
            message.remote_config_status.CopyFrom(self._config_report())
        if parts & PACKAGES and self.packages is not None and self._takes(_PACKAGE_STATUSES):
            message.package_statuses.CopyFrom(self.packages.report())
        if self.extras is not None:
            self.extras.fill(message, everything=parts == EVERYTHING)
        body = self.heartbeat() + message.SerializeToString()
        if parts & EFFECTIVE_CONFIG and self._takes(opamp.ServerCapabilities_AcceptsEffectiveConfig):
            effective = self._effective_bytes()
            body += bytes((_EFFECTIVE_CONFIG_TAG,)) + _varint(len(effective)) + effective
        return body

    def undelivered(self) -> None:
        """Note that the last message did not arrive: everything is news again (C-076)."""
        self._pending = EVERYTHING

    def receive(self, body: bytes, *, at: float, monotonic: float) -> Reaction | None:
        """
        Take one ServerToAgent without header.

        Returns:
            What the conversation must do, or None when there is nothing; see also `has_news`.
        """
        statistics = self._statistics
        statistics.messages_received += 1
        statistics.bytes_received += len(body)
        if len(body) == _UID_BYTES + 2 and body[:2] == b"\x0a\x10" and body[2:] == self.uid:
            if self.extras is not None:
                self.extras.slots.answered()
            return None  # a pure acknowledgement
        try:
            message = opamp.ServerToAgent.FromString(body)
        except DecodeError:
            statistics.errors["malformed_message"] += 1
            return None
        if message.instance_uid != self.uid:
            statistics.errors["wrong_instance_uid"] += 1
            return None
        return self._on_message(message, at, monotonic)

    def finish_apply(self, *, fails: bool) -> None:
        """End the application of the newest configuration; the outcome is news."""
        if self.config_status != opamp.RemoteConfigStatuses_APPLYING:
            return
        self._pending |= CONFIG_STATUS
        if self.rejects or fails:
            self.config_status = opamp.RemoteConfigStatuses_FAILED
            self.config_error = REJECTION if self.rejects else FAILURE
            self._statistics.configs_failed += 1
        else:
            self.config_status = opamp.RemoteConfigStatuses_APPLIED
            self.config_error = ""
            self.applied_hash = self.config_hash
            self._effective = self._shared_configs[self.config_hash]
            self._pending |= EFFECTIVE_CONFIG
            self._statistics.configs_applied += 1
        self.keep()

    def keep(self) -> None:
        """Remember over a restart of this process what the agent runs, if it is one that remembers."""
        packages = self.packages.report() if self.packages is not None else None
        self._kept.store(self._config_report(), self._effective, packages)

    def _takes(self, bit: int) -> bool:
        """Say whether the server takes it; C-083: once its bits are known, nothing is sent that it does not take."""
        return not self.server_capabilities or bool(self.server_capabilities & bit)

    def _on_message(self, message: opamp.ServerToAgent, at: float, monotonic: float) -> Reaction | None:
        self.server_capabilities = message.capabilities or self.server_capabilities  # 0 = as before (C-084)
        if message.HasField("error_response"):
            return self._on_error(message.error_response)
        if message.HasField("command"):
            self._statistics.restarts += 1
            return Reaction(restart=True)
        if message.flags & opamp.ServerToAgentFlags_ReportFullState:
            self._statistics.full_states_requested += 1
            self._pending = EVERYTHING
        if message.HasField("agent_identification"):
            self._on_identification(message.agent_identification.new_instance_uid)
        reconnect = self.extras is not None and self.extras.hear(message, self.uid, self.server_capabilities)
        reaction = None
        if message.HasField("remote_config"):
            reaction = self._on_remote_config(message.remote_config, at, monotonic)
        if message.HasField("packages_available") and self._on_packages(message.packages_available):
            reaction = (reaction or Reaction())._replace(sync=True)
        return (reaction or Reaction())._replace(reconnect=True) if reconnect else reaction

    def _on_error(self, error: opamp.ServerErrorResponse) -> Reaction | None:
        known = error.type in opamp.ServerErrorResponseType.values()  # a newer server may have others
        name = opamp.ServerErrorResponseType.Name(error.type) if known else "other"
        kind = name.removeprefix("ServerErrorResponseType_").lower()
        self._statistics.errors[f"server_{kind}"] += 1
        if error.type != opamp.ServerErrorResponseType_Unavailable:
            return None
        self._pending = EVERYTHING
        pause = error.retry_info.retry_after_nanoseconds / 1e9 if error.HasField("retry_info") else 5.0
        return Reaction(pause_seconds=pause)

    def _on_identification(self, new_uid: bytes) -> None:
        if len(new_uid) != _UID_BYTES:
            self._statistics.errors["bad_new_instance_uid"] += 1
            return
        self.uid = AgentUid(new_uid)
        self._statistics.identities_changed += 1

    def _on_remote_config(self, offer: opamp.AgentRemoteConfig, at: float, monotonic: float) -> Reaction | None:
        applying, applied = opamp.RemoteConfigStatuses_APPLYING, opamp.RemoteConfigStatuses_APPLIED
        repeated = offer.config_hash == self.config_hash and self.config_status in {applying, applied}
        self.received.append(ReceivedConfig(offer.config_hash, at, monotonic, repeated, self.connections))
        self._statistics.configs_received += 1
        if repeated:
            self._statistics.configs_repeated += 1
            if self._options.answer_repeated_offers:
                self._pending |= CONFIG_STATUS
            return None
        if not offer.config.config_map:
            self._statistics.errors["empty_config"] += 1
        if offer.config_hash not in self._shared_configs:
            effective = opamp.EffectiveConfig(config_map=offer.config)
            self._shared_configs[offer.config_hash] = effective.SerializeToString(deterministic=True)
        self.config_hash = offer.config_hash
        self.config_status = applying
        self.config_error = ""
        self._pending |= CONFIG_STATUS
        return Reaction(apply=True)

    def _on_packages(self, offer: opamp.PackagesAvailable) -> bool:
        if self.packages is None:
            return False
        self._statistics.package_offers += 1
        if not self.packages.take(offer):
            return False
        self._pending |= PACKAGES
        return True

    def _remember(self) -> None:
        """Take up where the last process of this agent ended."""
        found = self._kept.load()
        status = found.remote_config_status
        self.config_hash, self.config_error = status.last_remote_config_hash, status.error_message
        self.config_status = status.status
        if status.status == opamp.RemoteConfigStatuses_APPLIED:
            self.applied_hash = self.config_hash
        self._effective = found.effective_config.SerializeToString()
        if self.packages is not None:
            self.packages.remember(found.package_statuses)

    def _config_report(self) -> opamp.RemoteConfigStatus:
        return opamp.RemoteConfigStatus(
            last_remote_config_hash=self.config_hash, status=self.config_status, error_message=self.config_error
        )

    def _effective_bytes(self) -> bytes:
        if self._effective:
            return self._effective
        first = opamp.EffectiveConfig()
        file = first.config_map.config_map["collector.yaml"]
        file.body, file.content_type = identity.FIRST_CONFIGURATION, "text/yaml"
        return first.SerializeToString()

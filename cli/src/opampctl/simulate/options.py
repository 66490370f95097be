"""What a simulated fleet is asked to be; refuses what cannot be done before anything starts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opampctl.simulate.package_options import PackageOptions

DEFAULT_ENDPOINT = "ws://127.0.0.1:4320/v1/opamp"
DEFAULT_ENVIRONMENTS = ("prod", "staging", "dev")
_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}


class Transport(StrEnum):
    """How the agents of a fleet speak."""

    WEBSOCKET = "websocket"
    HTTP = "http"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the OpAMP server listens; one address and path for both transports."""

    host: str
    port: int
    path: str
    secure: bool

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """
        Read a ws, wss, http or https URL; the path defaults to /v1/opamp.

        Raises:
            ValueError: Another scheme, no host, or a port that is none.
        """
        parts: SplitResult = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            message = f"{url!r} is not an OpAMP endpoint; write ws://host:4320/v1/opamp or https://host/v1/opamp"
            raise ValueError(message)
        path = parts.path if parts.path not in {"", "/"} else "/v1/opamp"
        return cls(
            parts.hostname,
            parts.port or _PORTS[parts.scheme],
            path + (f"?{parts.query}" if parts.query else ""),
            parts.scheme in {"wss", "https"},
        )

    @classmethod
    def parse_all(cls, urls: str) -> list[Endpoint]:
        """
        Read one URL, or several parted by commas.

        Raises:
            ValueError: One of them is wrong, or there is none.
        """
        return [cls.parse(url.strip()) for url in urls.split(",")]

    @property
    def host_header(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def http_url(self) -> str:
        """Where polls are posted to."""
        return f"{'https' if self.secure else 'http'}://{self.host_header}{self.path}"


@dataclass(frozen=True, kw_only=True)
class FleetOptions:
    """Everything one fleet is made from. The same options and seed give the same fleet again."""

    endpoint: str = DEFAULT_ENDPOINT
    """ws, wss, http or https URL; both transports use its host and path. Several are parted by commas: agents take
    them in turn, and the next one after a failure, as behind a load balancer."""
    token: str = field(default="", repr=False)
    """Enrolment token, sent as `Authorization: Bearer`; empty = none."""
    agents: int = 1
    transport: Transport = Transport.WEBSOCKET
    http_share: float = 0.2
    """Share of agents that poll over HTTP when the transport is mixed."""
    environments: tuple[str, ...] = DEFAULT_ENVIRONMENTS
    """Dealt out in turn, so agent 0 is in the first one."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Further non-identifying attributes of every agent."""
    heartbeat_seconds: float = 30.0
    """Heartbeat on WebSocket, poll on HTTP; each agent drifts by up to 5 %. Infinity = none."""
    connect_rate: float = 500.0
    """First connects per second; reconnects are not held back."""
    max_connecting: int = 512
    """Handshakes in flight at once."""
    connect_timeout_seconds: float = 30.0
    reject: int = 0
    """The first so many agents refuse every configuration."""
    reject_share: float = 0.0
    """This share of the others refuses every configuration, too."""
    fail_rate: float = 0.0
    """Chance that an agent fails to apply a configuration it got."""
    unhealthy_share: float = 0.0
    """Share of agents that report themselves unhealthy."""
    apply_delay_seconds: float = 0.2
    """Mean time between APPLYING and the outcome; half to one and a half times as long."""
    churn_per_second: float = 0.0
    """Agents that break their connection each second, half of them without a goodbye."""
    churn_away_seconds: float = 3.0
    """How long such an agent stays away at most."""
    seed: int = 0
    """Of everything random but the ids."""
    uid_seed: str | None = None
    """Gives every agent the same instance_uid in every run; None = fresh ids."""
    first_index: int = 0
    """Number of the first agent; lets several processes make one fleet."""
    first_message_on_reconnect: bool = True
    """Report the full state after every reconnect; False = silent until there is news, as opamp-go is."""
    answer_repeated_offers: bool = False
    """Report the status again when a configuration comes twice; the supervisor does, the specification says no."""
    source_addresses: tuple[str, ...] = ()
    """Local addresses to connect from in turn; one address has about 28,000 ports to one server."""
    ca_file: str | None = None
    verify_tls: bool = True
    accept_settings: bool = False
    """Accept connection settings: try what the server offers, report how it went, go back if it does not work."""
    csr: bool = False
    """Ask for a certificate for a key of the agent's own, and reconnect with it over TLS; takes settings, too."""
    custom_capabilities: tuple[str, ...] = ()
    """Custom capabilities to announce; messages of them are sent back as they came."""
    components: bool = False
    """Report the hash of the available components, and the components when asked for."""
    packages: PackageOptions | None = None
    """Take packages: download and install what is offered, and tell how it goes; None = packages are not taken."""
    platforms: tuple[tuple[str, float], ...] = ()
    """os.type/host.arch with its weight, spread evenly over the agents; empty = a mixture."""
    state_folder: str | None = None
    """Where agents keep the connection settings and the configuration they were given; None = as long as they run."""

    def __post_init__(self) -> None:
        """Refuse values that make no fleet; every fault in one sentence."""
        faults = [text for wrong, text in self._faults() if wrong]
        if faults:
            raise ValueError("; ".join(faults))
        Endpoint.parse_all(self.endpoint)

    def _faults(self) -> list[tuple[bool, str]]:
        shares = {
            "http share": self.http_share,
            "reject share": self.reject_share,
            "fail rate": self.fail_rate,
            "unhealthy share": self.unhealthy_share,
        }
        return [
            (self.agents < 1, "a fleet has at least one agent"),
            (not self.environments, "name at least one environment"),
            (self.heartbeat_seconds <= 0, "the heartbeat interval must be longer than nothing"),
            (self.connect_rate <= 0, "the connect rate must be above 0"),
            (self.max_connecting < 1, "at least one handshake must be allowed at once"),
            (self.reject < 0 or self.first_index < 0, "reject and first index cannot be negative"),
            (math.isinf(self.apply_delay_seconds), "the apply delay must end some time"),
            (not all(self.custom_capabilities), "a custom capability has a name"),
            (
                self.state_folder is not None and self.uid_seed is None,
                "agents that remember what they were given need a uid seed, or it is somebody else's",
            ),
            *((not 0 <= share <= 1, f"the {name} must lie between 0 and 1") for name, share in shares.items()),
        ]

    def uses_http(self, position: int) -> bool:
        """Say whether the agent at *position* in this fleet polls over HTTP; spread evenly when mixed."""
        if self.transport is not Transport.MIXED:
            return self.transport is Transport.HTTP
        return math.floor((position + 1) * self.http_share) > math.floor(position * self.http_share)

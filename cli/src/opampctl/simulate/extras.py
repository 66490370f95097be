"""
What an agent can do beyond the plain one: connection settings, certificates, components, custom messages. Pure.

Fleets that ask for none of it have no object of this kind, so that an idle agent stays small.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from opamp.v1 import anyvalue_pb2
from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate.certificates import make_request, renewal_time
from opampctl.simulate.slots import UNSET, Slots
from opampctl.simulate.terms import Terms, first_terms

if TYPE_CHECKING:
    import ssl

    from contracts.ids import AgentUid
    from opampctl.simulate.options import FleetOptions

MAX_ECHOES = 64
"""Answers that may wait; a flood is answered in part."""

ASK_AGAIN_SECONDS = 300.0
"""How long a request for a certificate may go unanswered."""

_SETTINGS = (
    opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
    | opamp.AgentCapabilities_AcceptsOtherConnectionSettings
    | opamp.AgentCapabilities_ReportsOwnTraces
    | opamp.AgentCapabilities_ReportsOwnMetrics
    | opamp.AgentCapabilities_ReportsOwnLogs
    | opamp.AgentCapabilities_ReportsConnectionSettingsStatus
)


def capabilities_of(options: FleetOptions) -> int:
    """Return the capability bits the options add to the plain ones."""
    bits = _SETTINGS if options.accept_settings or options.csr else 0
    return bits | (opamp.AgentCapabilities_ReportsAvailableComponents if options.components else 0)


def wanted(options: FleetOptions) -> bool:
    """Say whether agents need extras at all."""
    return bool(options.accept_settings or options.csr or options.components or options.custom_capabilities)


def components() -> opamp.AvailableComponents:
    """Build the components a collector is made of; its hash is over all of them."""
    known = {
        "receivers": ("otlp", "hostmetrics", "filelog"),
        "processors": ("batch", "memory_limiter", "resource"),
        "exporters": ("otlphttp", "debug"),
        "extensions": ("opamp", "health_check"),
    }
    made = opamp.AvailableComponents()
    for kind, names in known.items():
        for name in names:
            part = made.components[kind].sub_component_map[name]
            module = f"go.opentelemetry.io/collector/{kind[:-1]}/{name}"
            part.metadata.add(key="code.namespace", value=anyvalue_pb2.AnyValue(string_value=module))
    made.hash = hashlib.sha256(made.SerializeToString(deterministic=True)).digest()
    return made


COMPONENTS = components()


class Extras:
    """
    What one agent can do beyond the plain one.

    Attributes:
        slots: Its connection settings.

        heard: How many custom messages of its capabilities it got.

        tls: The TLS context of the terms it was made for; see certificates.tls_context.
    """

    __slots__ = (
        "_announced",
        "_details",
        "_echoes",
        "_key",
        "_options",
        "_path",
        "_renewal",
        "_request",
        "heard",
        "slots",
        "tls",
    )

    def __init__(self, options: FleetOptions, index: int) -> None:
        self._options = options
        self._path = Path(options.state_folder) / f"agent-{index}.json" if options.state_folder else None
        self.slots = Slots(self._remembered() or first_terms(options), self._keep)
        self._announced: frozenset[str] = frozenset()
        self._echoes: list[opamp.CustomMessage] = []
        self._details = False
        self._request = b""
        self._key = ""
        self._renewal: tuple[str, float] = ("", 0.0)
        self.heard = 0
        self.tls: tuple[Terms, ssl.SSLContext] | None = None

    @property
    def has_news(self) -> bool:
        """Whether there is something to say."""
        return bool(self._echoes) or self._details or bool(self._request) or self.slots.has_news

    def request_certificate(self, uid: AgentUid) -> None:
        """Make a key and ask for a certificate with the next message."""
        self._key, self._request = make_request(uid)

    def renew_if_due(self, uid: AgentUid, now: float) -> None:
        """Ask for a new certificate once two thirds of the present one's life are over; again if nothing came of it."""
        certificate = self.slots.current.certificate
        if not certificate or not self._options.csr:
            return
        if self._renewal[0] != certificate:
            self._renewal = (certificate, renewal_time(certificate))
        if now >= self._renewal[1]:
            self._renewal = (certificate, now + ASK_AGAIN_SECONDS)
            self.request_certificate(uid)

    def fill(self, message: opamp.AgentToServer, *, everything: bool) -> None:
        """Put what is news, or everything, into *message*; one custom message at a time (OpAMP has room for one)."""
        options, slots = self._options, self.slots
        if everything and options.custom_capabilities:
            message.custom_capabilities.capabilities.extend(options.custom_capabilities)
        if self._details:
            message.available_components.CopyFrom(COMPONENTS)
            self._details = False
        elif everything and options.components:
            message.available_components.hash = COMPONENTS.hash
        if slots.has_news or (everything and slots.status != UNSET):
            message.connection_settings_status.CopyFrom(slots.report())
        if self._request:
            message.connection_settings_request.opamp.certificate_request.csr = self._request
            self._request = b""
        if self._echoes:
            message.custom_message.CopyFrom(self._echoes.pop(0))

    def hear(self, message: opamp.ServerToAgent, uid: AgentUid, capabilities: int) -> bool:
        """
        Take what a message has for us.

        Args:
            message: Without an error.

            uid: Of the agent now.

            capabilities: Of the server, as far as it has told them.

        Returns:
            Whether to reconnect, on the terms on trial.
        """
        self.slots.answered()
        if message.flags & opamp.ServerToAgentFlags_ReportAvailableComponents and self._options.components:
            self._details = True
        if message.HasField("custom_capabilities"):
            self._announced = frozenset(message.custom_capabilities.capabilities)  # a newer list replaces the older
        if message.HasField("custom_message"):
            self._on_custom_message(message.custom_message)
        takes_requests = capabilities & opamp.ServerCapabilities_AcceptsConnectionSettingsRequest
        if self._options.csr and takes_requests and not self._key and not self.slots.current.certificate:
            self.request_certificate(uid)
        if message.HasField("connection_settings") and (self._options.accept_settings or self._options.csr):
            return self.slots.take(message.connection_settings, self._key)
        return False

    def _on_custom_message(self, message: opamp.CustomMessage) -> None:
        """Answer with what came: the test capability of this fleet is an echo."""
        if message.capability not in self._options.custom_capabilities:
            return  # C-124: a message of a capability we did not announce is ignored
        self.heard += 1
        if message.capability not in self._announced:
            return  # C-232: a server that did not announce it is sent nothing of it
        if len(self._echoes) < MAX_ECHOES:
            self._echoes.append(message)

    def _remembered(self) -> Terms | None:
        if self._path is None:
            return None
        try:
            return Terms.from_dict(orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self._path} does not hold what an agent remembers: remove it ({error})"
            raise ValueError(message) from error

    def _keep(self, terms: Terms) -> None:
        """Remember what works over a restart of this process; only its owner may read it."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".part")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(orjson.dumps(terms.to_dict()))
        draft.replace(self._path)

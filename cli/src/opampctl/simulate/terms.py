"""On which terms an agent connects: where to, with which headers and certificate, how often it beats. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from opampctl.simulate.options import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opamp.v1 import opamp_pb2 as opamp
    from opampctl.simulate.options import FleetOptions


@dataclass(frozen=True, slots=True)
class Terms:
    """How one agent reaches the server."""

    endpoint: str = ""
    """ws, wss, http or https URL; empty = those of the fleet, in turn."""

    headers: tuple[tuple[str, str], ...] = ()
    certificate: str = ""
    """Client certificate with those of its issuers, PEM; empty = none."""

    private_key: str = ""
    """PEM."""

    ca: str = ""
    """Certificates to trust besides those of the fleet's options, PEM."""

    insecure: bool = False
    heartbeat_seconds: float | None = None
    """None = as the fleet's options say; 0 = none at all."""

    @property
    def parsed(self) -> Endpoint | None:
        """The endpoint; None = the fleet's."""
        return Endpoint.parse(self.endpoint) if self.endpoint else None

    @property
    def needs_own_tls(self) -> bool:
        """Whether the TLS context of the fleet will not do."""
        return bool(self.certificate or self.ca or self.insecure)

    def same_connection(self, other: Terms) -> bool:
        """Say whether moving to *other* needs no new connection."""
        return replace(self, heartbeat_seconds=None) == replace(other, heartbeat_seconds=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the terms as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Terms:
        """
        Read what to_dict wrote.

        Raises:
            TypeError: It did not write this.
        """
        return cls(**{**value, "headers": tuple((str(key), str(text)) for key, text in value["headers"])})


def first_terms(options: FleetOptions) -> Terms:
    """Return the terms an agent is installed with: the enrolment token."""
    return Terms(headers=(("Authorization", f"Bearer {options.token}"),) if options.token else ())


def offered_terms(current: Terms, offer: opamp.OpAMPConnectionSettings, own_key: str) -> Terms:
    """
    Tell the terms an offer asks for.

    Members that are absent leave things as they are, but for the certificate: absent means none.

    Args:
        current: What the agent uses now.

        offer: As the server sent it.

        own_key: Private key the agent made for its CSR; used when a certificate comes without one.

    Raises:
        ValueError: The endpoint is none an agent can use, or a certificate comes without any key.
    """
    if offer.destination_endpoint:
        Endpoint.parse(offer.destination_endpoint)
    certificate = offer.certificate.cert.decode("ascii", "replace")
    key = (offer.certificate.private_key.decode("ascii", "replace") or own_key) if certificate else ""
    if certificate and not key:
        message = "a certificate was offered without a private key, and none of our own is waiting for it"
        raise ValueError(message)
    return Terms(
        endpoint=offer.destination_endpoint or current.endpoint,
        headers=tuple((header.key, header.value) for header in offer.headers.headers)
        if offer.HasField("headers")
        else current.headers,
        certificate=certificate,
        private_key=key,
        ca=offer.tls.ca_pem_contents if offer.HasField("tls") else current.ca,
        insecure=offer.tls.insecure_skip_verify if offer.HasField("tls") else current.insecure,
        heartbeat_seconds=float(offer.heartbeat_interval_seconds),
    )

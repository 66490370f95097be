"""What handlers may use; built once in app.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from api_gateway.authentication import Authenticator
from api_gateway.passwords import Passwords
from api_gateway.permissions import Role
from api_gateway.store import Sessions, Users
from api_gateway.throttle import Throttle
from api_gateway.tokens import AccessTokens
from api_gateway.upstream.agent_state import AgentState
from api_gateway.upstream.campaigns import Campaigns
from api_gateway.upstream.config_service import ConfigService
from api_gateway.upstream.connection_settings import ConnectionSettings
from api_gateway.upstream.custom_messages import CustomMessages
from api_gateway.upstream.identity import Identity
from api_gateway.upstream.package_offers import PackageOffers
from api_gateway.upstream.package_service import PackageService
from api_gateway.upstream.package_signatures import PackageSignatures
from api_gateway.upstream.package_transfer import PackageTransfer
from servicekit.clock import Clock
from servicekit.health import Health


@dataclass(frozen=True)
class Throttles:
    """One limiter per class of request."""

    login_pair: Throttle
    """Failures of one account from one address."""

    login_account: Throttle
    """Failures of one account from anywhere; roomy, for strangers fill it too."""

    login_address: Throttle
    """Failures from one address, and registrations."""

    read: Throttle
    write: Throttle


@dataclass(frozen=True)
class Parts:
    """The parts of this room."""

    agents: AgentState
    identity: Identity
    connection_settings: ConnectionSettings
    custom_messages: CustomMessages
    configurations: ConfigService
    packages: PackageService
    package_offers: PackageOffers
    campaigns: Campaigns
    package_signatures: PackageSignatures
    package_transfer: PackageTransfer
    users: Users
    sessions: Sessions
    passwords: Passwords
    tokens: AccessTokens
    authenticator: Authenticator
    throttles: Throttles
    health: Health
    clock: Clock
    version: str
    openapi: bytes
    """The document served at /api/v1/openapi.json."""

    registration_enabled: bool
    capability_roles: Mapping[str, Role]
    """Least role that may send custom messages, by pattern of their capability."""

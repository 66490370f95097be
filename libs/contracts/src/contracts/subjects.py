"""
The telephone book: every subject said on the bus, what it carries, who says it and who listens.

docs/bus.md is generated from here. A service that dials a subject not listed here fails
tests/architecture.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from google.protobuf import empty_pb2

from contracts.ids import format_uid
from fleet.api.v1 import agent_state_pb2 as agents
from fleet.api.v1 import campaigns_pb2 as campaigns
from fleet.api.v1 import config_service_pb2 as configs
from fleet.api.v1 import connection_settings_pb2 as settings
from fleet.api.v1 import identity_pb2 as identity
from fleet.api.v1 import package_offers_pb2 as package_offers
from fleet.api.v1 import package_service_pb2 as packages
from fleet.api.v1 import package_signatures_pb2 as signing
from fleet.events.v1 import (
    agent_pb2,
    campaign_pb2,
    config_pb2,
    custom_pb2,
    facts_pb2,
    identity_pb2,
    offers_pb2,
    package_pb2,
    presence_pb2,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

VERSION = "v1"
ROOT = f"fleet.{VERSION}"
"""First tokens of every subject."""

DEFAULT_PARTITIONS = 16
"""Fixed for the life of the facts stream."""

FACTS_STREAM = "FLEET_FACTS"
EVENTS_STREAM = "FLEET_EVENTS"
CONTENT_BUCKET = "FLEET_CONTENT"


@dataclass(frozen=True)
class Subject:
    """One line of the telephone book."""

    name: str
    """How code and documentation call it."""

    pattern: str
    """Subject with named tokens in <>."""

    payload: type[Message]
    said_by: tuple[str, ...]
    heard_by: tuple[str, ...]
    carried_by: str
    """JetStream stream, or `core`, or `request`."""

    meaning: str


def partition_of(uid: bytes, partitions: int = DEFAULT_PARTITIONS) -> int:
    """Tell the partition that carries an agent's facts: the same in every process and version."""
    return zlib.crc32(uid) % partitions


def facts(partition: int) -> str:
    """Subject of a batch of facts; all its agents hash to *partition*."""
    return f"{ROOT}.facts.{partition}"


def presence(gateway_id: str) -> str:
    """Subject of a gateway's beat."""
    return f"{ROOT}.presence.{gateway_id}"


def offer(gateway_id: str) -> str:
    """Subject on which one gateway takes offers."""
    return f"{ROOT}.offer.{gateway_id}"


OFFER_ALL = f"{ROOT}.offer.all"
"""Every gateway hears it and takes the targets it holds."""

RESYNC = f"{ROOT}.resync"
"""Whoever lost the registry asks gateways to announce their live connections again."""


IDENTITY = f"{ROOT}.identity"
"""Who may be an agent has changed; every gateway hears it."""


def custom(tenant_id: str, uid: bytes) -> str:
    """Subject of the custom messages one agent sends."""
    return f"{ROOT}.custom.{tenant_id}.{format_uid(uid)}"


def agent_event(what: str, tenant_id: str, uid: bytes) -> str:
    """Subject of a domain event about one agent."""
    return f"{ROOT}.agent.{what}.{tenant_id}.{format_uid(uid)}"


def agent_events(what: str) -> str:
    """Every domain event of one kind, of all tenants and agents; for listening."""
    return f"{ROOT}.agent.{what}.>"


def config_event(what: str, tenant_id: str) -> str:
    """Subject of a domain event about one configuration."""
    return f"{ROOT}.config.{what}.{tenant_id}"


def package_event(what: str, tenant_id: str) -> str:
    """Subject of a domain event about one published file of a package."""
    return f"{ROOT}.package.{what}.{tenant_id}"


def campaign_event(what: str, tenant_id: str) -> str:
    """Subject of a domain event about one upgrade campaign."""
    return f"{ROOT}.campaign.{what}.{tenant_id}"


BOOK: tuple[Subject, ...] = (
    Subject(
        "facts",
        f"{ROOT}.facts.<partition>",
        facts_pb2.FactBatch,
        ("opamp-gateway",),
        ("agent-state", "config-service", "package-service"),
        FACTS_STREAM,
        "What agents did and said, in batches, ordered per agent.",
    ),
    Subject(
        "presence",
        f"{ROOT}.presence.<gateway>",
        presence_pb2.Presence,
        ("opamp-gateway",),
        ("agent-state",),
        "core",
        "Who was heard from since the last beat; renews the gateway's lease.",
    ),
    Subject(
        "offer",
        f"{ROOT}.offer.<gateway>",
        offers_pb2.Offer,
        ("config-service", "package-service", "agent-state"),
        ("opamp-gateway",),
        "request",
        "Tell these agents this; the reply says what was taken on.",
    ),
    Subject(
        "offer to all",
        OFFER_ALL,
        offers_pb2.Offer,
        ("config-service", "package-service", "agent-state"),
        ("opamp-gateway",),
        "core",
        "The same when nobody knows which gateway holds the agents.",
    ),
    Subject(
        "agent event",
        f"{ROOT}.agent.<what>.<tenant>.<uid>",
        agent_pb2.AgentEvent,
        ("agent-state", "config-service"),
        ("other systems", "config-service (deleted)", "package-service (deleted)"),
        EVENTS_STREAM,
        "online, offline, described, health_changed, deleted, config_applied, config_failed, enrolled, approved, "
        "rejected, revoked, connection_settings_applied, connection_settings_failed: after commit.",
    ),
    Subject(
        "config event",
        f"{ROOT}.config.<what>.<tenant>",
        config_pb2.ConfigEvent,
        ("config-service",),
        ("other systems",),
        EVENTS_STREAM,
        "created, changed, deleted, pushed: after commit.",
    ),
    Subject(
        "package event",
        f"{ROOT}.package.<what>.<tenant>",
        package_pb2.PackageEvent,
        ("package-service",),
        ("other systems",),
        EVENTS_STREAM,
        "published, activated, deactivated, deleted, damaged: after commit.",
    ),
    Subject(
        "campaign event",
        f"{ROOT}.campaign.<what>.<tenant>",
        campaign_pb2.CampaignEvent,
        ("package-service",),
        ("other systems",),
        EVENTS_STREAM,
        "started, paused, resumed, halted, completed, aborted: after commit.",
    ),
    Subject(
        "identity",
        IDENTITY,
        identity_pb2.IdentityChanged,
        ("agent-state",),
        ("opamp-gateway", "package-service"),
        "core",
        "Tokens, credentials or agents whose right to connect has changed: forget verdicts, close connections.",
    ),
    Subject(
        "custom message",
        f"{ROOT}.custom.<tenant>.<uid>",
        custom_pb2.CustomMessageHeard,
        ("opamp-gateway",),
        ("api-gateway", "other systems"),
        "core",
        "A custom message as an agent sent it, at once and not stored.",
    ),
    Subject(
        "resync",
        RESYNC,
        empty_pb2.Empty,
        ("operators",),
        ("opamp-gateway",),
        "core",
        "Announce your live connections again; for whoever emptied or moved the registry. Never needed, only quicker.",
    ),
)

Q = TypeVar("Q", bound="Message")
R = TypeVar("R", bound="Message")


@dataclass(frozen=True)
class Method(Generic[Q, R]):
    """A question one service answers, as NATS request and reply."""

    service: str
    name: str
    request_type: type[Q]
    response_type: type[R]

    @property
    def subject(self) -> str:
        """Where it is asked."""
        return f"{ROOT}.api.{self.service}.{self.name}"


AGENT_STATE = "agent-state"
CONFIG_SERVICE = "config-service"
PACKAGE_SERVICE = "package-service"
API_GATEWAY = "api-gateway"

LIST_AGENTS = Method(AGENT_STATE, "list_agents", agents.ListAgentsRequest, agents.ListAgentsReply)
GET_AGENT = Method(AGENT_STATE, "get_agent", agents.GetAgentRequest, agents.GetAgentReply)
DELETE_AGENT = Method(AGENT_STATE, "delete_agent", agents.DeleteAgentRequest, agents.DeleteAgentReply)
GET_STATUS_SUMMARY = Method(
    AGENT_STATE, "get_status_summary", agents.GetStatusSummaryRequest, agents.GetStatusSummaryReply
)
LIST_CONNECTIONS = Method(AGENT_STATE, "list_connections", agents.ListConnectionsRequest, agents.ListConnectionsReply)
GET_ACTIVE_CONNECTION = Method(
    AGENT_STATE, "get_active_connection", agents.GetActiveConnectionRequest, agents.GetActiveConnectionReply
)
ALLOCATE_EPOCHS = Method(AGENT_STATE, "allocate_epochs", agents.AllocateEpochsRequest, agents.AllocateEpochsReply)
CREATE_ENROLMENT_TOKEN = Method(
    AGENT_STATE,
    "create_enrolment_token",
    agents.CreateEnrolmentTokenRequest,
    agents.CreateEnrolmentTokenReply,
)
LIST_ENROLMENT_TOKENS = Method(
    AGENT_STATE, "list_enrolment_tokens", agents.ListEnrolmentTokensRequest, agents.ListEnrolmentTokensReply
)
REVOKE_ENROLMENT_TOKEN = Method(
    AGENT_STATE,
    "revoke_enrolment_token",
    agents.RevokeEnrolmentTokenRequest,
    agents.RevokeEnrolmentTokenReply,
)
AUTHENTICATE_AGENTS = Method(
    AGENT_STATE, "authenticate_agents", identity.AuthenticateAgentsRequest, identity.AuthenticateAgentsReply
)
ADMIT_AGENT = Method(AGENT_STATE, "admit_agent", identity.AdmitAgentRequest, identity.AdmitAgentReply)
REQUEST_CERTIFICATE = Method(
    AGENT_STATE, "request_certificate", identity.RequestCertificateRequest, identity.RequestCertificateReply
)
GET_CERTIFICATE_AUTHORITY = Method(
    AGENT_STATE,
    "get_certificate_authority",
    identity.GetCertificateAuthorityRequest,
    identity.GetCertificateAuthorityReply,
)
LIST_AGENT_CREDENTIALS = Method(
    AGENT_STATE, "list_agent_credentials", identity.ListAgentCredentialsRequest, identity.ListAgentCredentialsReply
)
REVOKE_AGENT_ACCESS = Method(
    AGENT_STATE, "revoke_agent_access", identity.RevokeAgentAccessRequest, identity.RevokeAgentAccessReply
)
ROTATE_AGENT_CREDENTIAL = Method(
    AGENT_STATE,
    "rotate_agent_credential",
    identity.RotateAgentCredentialRequest,
    identity.RotateAgentCredentialReply,
)
DECIDE_AGENT = Method(AGENT_STATE, "decide_agent", identity.DecideAgentRequest, identity.DecideAgentReply)
TELL_AGENT = Method(AGENT_STATE, "tell_agent", identity.TellAgentRequest, identity.TellAgentReply)
PUT_CONNECTION_SETTINGS_POLICY = Method(
    AGENT_STATE,
    "put_connection_settings_policy",
    settings.PutConnectionSettingsPolicyRequest,
    settings.PutConnectionSettingsPolicyReply,
)
GET_CONNECTION_SETTINGS_POLICY = Method(
    AGENT_STATE,
    "get_connection_settings_policy",
    settings.GetConnectionSettingsPolicyRequest,
    settings.GetConnectionSettingsPolicyReply,
)
LIST_CONNECTION_SETTINGS_POLICIES = Method(
    AGENT_STATE,
    "list_connection_settings_policies",
    settings.ListConnectionSettingsPoliciesRequest,
    settings.ListConnectionSettingsPoliciesReply,
)
DELETE_CONNECTION_SETTINGS_POLICY = Method(
    AGENT_STATE,
    "delete_connection_settings_policy",
    settings.DeleteConnectionSettingsPolicyRequest,
    settings.DeleteConnectionSettingsPolicyReply,
)
GET_AGENT_CONNECTION_SETTINGS = Method(
    AGENT_STATE,
    "get_agent_connection_settings",
    settings.GetAgentConnectionSettingsRequest,
    settings.GetAgentConnectionSettingsReply,
)
RETRY_CONNECTION_SETTINGS = Method(
    AGENT_STATE,
    "retry_connection_settings",
    settings.RetryConnectionSettingsRequest,
    settings.RetryConnectionSettingsReply,
)

CREATE_CONFIGURATION = Method(
    CONFIG_SERVICE,
    "create_configuration",
    configs.CreateConfigurationRequest,
    configs.CreateConfigurationReply,
)
UPDATE_CONFIGURATION = Method(
    CONFIG_SERVICE,
    "update_configuration",
    configs.UpdateConfigurationRequest,
    configs.UpdateConfigurationReply,
)
GET_CONFIGURATION = Method(
    CONFIG_SERVICE, "get_configuration", configs.GetConfigurationRequest, configs.GetConfigurationReply
)
LIST_CONFIGURATIONS = Method(
    CONFIG_SERVICE, "list_configurations", configs.ListConfigurationsRequest, configs.ListConfigurationsReply
)
DELETE_CONFIGURATION = Method(
    CONFIG_SERVICE,
    "delete_configuration",
    configs.DeleteConfigurationRequest,
    configs.DeleteConfigurationReply,
)
LIST_VERSIONS = Method(CONFIG_SERVICE, "list_versions", configs.ListVersionsRequest, configs.ListVersionsReply)
GET_VERSION = Method(CONFIG_SERVICE, "get_version", configs.GetVersionRequest, configs.GetVersionReply)
ROLLBACK_CONFIGURATION = Method(
    CONFIG_SERVICE,
    "rollback_configuration",
    configs.RollbackConfigurationRequest,
    configs.RollbackConfigurationReply,
)
PUSH_CONFIGURATION = Method(
    CONFIG_SERVICE, "push_configuration", configs.PushConfigurationRequest, configs.PushConfigurationReply
)
LIST_ATTEMPTS = Method(CONFIG_SERVICE, "list_attempts", configs.ListAttemptsRequest, configs.ListAttemptsReply)
GET_CONFIGURATION_STATUS = Method(
    CONFIG_SERVICE,
    "get_configuration_status",
    configs.GetConfigurationStatusRequest,
    configs.GetConfigurationStatusReply,
)
GET_AGENT_CONFIGURATIONS = Method(
    CONFIG_SERVICE,
    "get_agent_configurations",
    configs.GetAgentConfigurationsRequest,
    configs.GetAgentConfigurationsReply,
)
ASSIGN_CONFIGURATION = Method(
    CONFIG_SERVICE,
    "assign_configuration",
    configs.AssignConfigurationRequest,
    configs.AssignConfigurationReply,
)
CLEAR_FAILURE = Method(CONFIG_SERVICE, "clear_failure", configs.ClearFailureRequest, configs.ClearFailureReply)

LIST_PACKAGES = Method(PACKAGE_SERVICE, "list_packages", packages.ListPackagesRequest, packages.ListPackagesReply)
GET_PACKAGE = Method(PACKAGE_SERVICE, "get_package", packages.GetPackageRequest, packages.GetPackageReply)
SET_PACKAGE_ACTIVE = Method(
    PACKAGE_SERVICE, "set_package_active", packages.SetPackageActiveRequest, packages.SetPackageActiveReply
)
DELETE_PACKAGE = Method(PACKAGE_SERVICE, "delete_package", packages.DeletePackageRequest, packages.DeletePackageReply)
LIST_PACKAGE_VERSIONS = Method(
    PACKAGE_SERVICE,
    "list_package_versions",
    packages.ListPackageVersionsRequest,
    packages.ListPackageVersionsReply,
)
GET_LATEST_PACKAGE = Method(
    PACKAGE_SERVICE, "get_latest_package", packages.GetLatestPackageRequest, packages.GetLatestPackageReply
)
GET_PACKAGE_STATISTICS = Method(
    PACKAGE_SERVICE,
    "get_package_statistics",
    packages.GetPackageStatisticsRequest,
    packages.GetPackageStatisticsReply,
)
BEGIN_UPLOAD = Method(PACKAGE_SERVICE, "begin_upload", packages.BeginUploadRequest, packages.BeginUploadReply)
GET_UPLOAD = Method(PACKAGE_SERVICE, "get_upload", packages.GetUploadRequest, packages.GetUploadReply)
GIVE_UP_UPLOAD = Method(PACKAGE_SERVICE, "give_up_upload", packages.GiveUpUploadRequest, packages.GiveUpUploadReply)

CREATE_PACKAGE_ASSIGNMENT = Method(
    PACKAGE_SERVICE,
    "create_package_assignment",
    package_offers.CreatePackageAssignmentRequest,
    package_offers.CreatePackageAssignmentReply,
)
UPDATE_PACKAGE_ASSIGNMENT = Method(
    PACKAGE_SERVICE,
    "update_package_assignment",
    package_offers.UpdatePackageAssignmentRequest,
    package_offers.UpdatePackageAssignmentReply,
)
GET_PACKAGE_ASSIGNMENT = Method(
    PACKAGE_SERVICE,
    "get_package_assignment",
    package_offers.GetPackageAssignmentRequest,
    package_offers.GetPackageAssignmentReply,
)
LIST_PACKAGE_ASSIGNMENTS = Method(
    PACKAGE_SERVICE,
    "list_package_assignments",
    package_offers.ListPackageAssignmentsRequest,
    package_offers.ListPackageAssignmentsReply,
)
DELETE_PACKAGE_ASSIGNMENT = Method(
    PACKAGE_SERVICE,
    "delete_package_assignment",
    package_offers.DeletePackageAssignmentRequest,
    package_offers.DeletePackageAssignmentReply,
)
LIST_ASSIGNMENT_AGENTS = Method(
    PACKAGE_SERVICE,
    "list_assignment_agents",
    package_offers.ListAssignmentAgentsRequest,
    package_offers.ListAssignmentAgentsReply,
)
GET_AGENT_PACKAGES = Method(
    PACKAGE_SERVICE,
    "get_agent_packages",
    package_offers.GetAgentPackagesRequest,
    package_offers.GetAgentPackagesReply,
)
RETRY_AGENT_PACKAGE = Method(
    PACKAGE_SERVICE,
    "retry_agent_package",
    package_offers.RetryAgentPackageRequest,
    package_offers.RetryAgentPackageReply,
)
LIST_PACKAGE_ATTEMPTS = Method(
    PACKAGE_SERVICE,
    "list_package_attempts",
    package_offers.ListPackageAttemptsRequest,
    package_offers.ListPackageAttemptsReply,
)

CREATE_CAMPAIGN = Method(
    PACKAGE_SERVICE, "create_campaign", campaigns.CreateCampaignRequest, campaigns.CreateCampaignReply
)
UPDATE_CAMPAIGN = Method(
    PACKAGE_SERVICE, "update_campaign", campaigns.UpdateCampaignRequest, campaigns.UpdateCampaignReply
)
GET_CAMPAIGN = Method(PACKAGE_SERVICE, "get_campaign", campaigns.GetCampaignRequest, campaigns.GetCampaignReply)
LIST_CAMPAIGNS = Method(PACKAGE_SERVICE, "list_campaigns", campaigns.ListCampaignsRequest, campaigns.ListCampaignsReply)
DELETE_CAMPAIGN = Method(
    PACKAGE_SERVICE, "delete_campaign", campaigns.DeleteCampaignRequest, campaigns.DeleteCampaignReply
)
STEER_CAMPAIGN = Method(PACKAGE_SERVICE, "steer_campaign", campaigns.SteerCampaignRequest, campaigns.SteerCampaignReply)
LIST_CAMPAIGN_AGENTS = Method(
    PACKAGE_SERVICE, "list_campaign_agents", campaigns.ListCampaignAgentsRequest, campaigns.ListCampaignAgentsReply
)
GET_CAMPAIGN_FAILURES = Method(
    PACKAGE_SERVICE, "get_campaign_failures", campaigns.GetCampaignFailuresRequest, campaigns.GetCampaignFailuresReply
)

LIST_PACKAGE_SIGNATURES = Method(
    PACKAGE_SERVICE, "list_package_signatures", signing.ListPackageSignaturesRequest, signing.ListPackageSignaturesReply
)
ADD_PACKAGE_SIGNATURE = Method(
    PACKAGE_SERVICE, "add_package_signature", signing.AddPackageSignatureRequest, signing.AddPackageSignatureReply
)
SIGN_PACKAGE = Method(PACKAGE_SERVICE, "sign_package", signing.SignPackageRequest, signing.SignPackageReply)
DELETE_PACKAGE_SIGNATURE = Method(
    PACKAGE_SERVICE,
    "delete_package_signature",
    signing.DeletePackageSignatureRequest,
    signing.DeletePackageSignatureReply,
)
LIST_PACKAGE_KEYS = Method(
    PACKAGE_SERVICE, "list_package_keys", signing.ListPackageKeysRequest, signing.ListPackageKeysReply
)
ADD_PACKAGE_KEY = Method(PACKAGE_SERVICE, "add_package_key", signing.AddPackageKeyRequest, signing.AddPackageKeyReply)
REVOKE_PACKAGE_KEY = Method(
    PACKAGE_SERVICE, "revoke_package_key", signing.RevokePackageKeyRequest, signing.RevokePackageKeyReply
)
GET_PACKAGE_MANIFEST = Method(
    PACKAGE_SERVICE, "get_package_manifest", signing.GetPackageManifestRequest, signing.GetPackageManifestReply
)
DRAFT_PACKAGE_MANIFEST = Method(
    PACKAGE_SERVICE, "draft_package_manifest", signing.DraftPackageManifestRequest, signing.DraftPackageManifestReply
)
PUBLISH_PACKAGE_MANIFEST = Method(
    PACKAGE_SERVICE,
    "publish_package_manifest",
    signing.PublishPackageManifestRequest,
    signing.PublishPackageManifestReply,
)

GET_TICKET_KEYS = Method(API_GATEWAY, "get_ticket_keys", packages.GetTicketKeysRequest, packages.GetTicketKeysReply)

METHODS: tuple[Method[Message, Message], ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Method)
)
"""Every method above."""

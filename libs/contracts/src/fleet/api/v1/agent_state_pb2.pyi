import datetime

from fleet.api.v1 import page_pb2 as _page_pb2
from fleet.events.v1 import facts_pb2 as _facts_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from opamp.v1 import opamp_pb2 as _opamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Agent(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "name", "version", "hostname", "os_type", "architecture", "status", "link", "health_state", "config_state", "config_error", "health_error", "last_seen_at", "last_connected_at", "last_disconnected_at", "disconnect_reason", "labels", "transport", "remote_address", "gateway_id", "epoch", "agent_sequence_num", "capabilities", "remote_config_hash", "created_at", "updated_at", "approval", "stamped_labels", "enrolment_token_id", "ephemeral_seconds", "description", "health", "effective_config", "components", "custom_capabilities", "package_statuses", "connection_settings_status")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class StampedLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    OS_TYPE_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    HEALTH_STATE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_STATE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_ERROR_FIELD_NUMBER: _ClassVar[int]
    HEALTH_ERROR_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_CONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_DISCONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    DISCONNECT_REASON_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    AGENT_SEQUENCE_NUM_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    REMOTE_CONFIG_HASH_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    STAMPED_LABELS_FIELD_NUMBER: _ClassVar[int]
    ENROLMENT_TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_STATUSES_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_SETTINGS_STATUS_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    name: str
    version: str
    hostname: str
    os_type: str
    architecture: str
    status: str
    link: str
    health_state: str
    config_state: str
    config_error: str
    health_error: str
    last_seen_at: _timestamp_pb2.Timestamp
    last_connected_at: _timestamp_pb2.Timestamp
    last_disconnected_at: _timestamp_pb2.Timestamp
    disconnect_reason: str
    labels: _containers.ScalarMap[str, str]
    transport: _facts_pb2.Transport
    remote_address: str
    gateway_id: str
    epoch: int
    agent_sequence_num: int
    capabilities: int
    remote_config_hash: bytes
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    approval: str
    stamped_labels: _containers.ScalarMap[str, str]
    enrolment_token_id: str
    ephemeral_seconds: int
    description: _opamp_pb2.AgentDescription
    health: _opamp_pb2.ComponentHealth
    effective_config: _opamp_pb2.EffectiveConfig
    components: _opamp_pb2.AvailableComponents
    custom_capabilities: _opamp_pb2.CustomCapabilities
    package_statuses: _opamp_pb2.PackageStatuses
    connection_settings_status: _opamp_pb2.ConnectionSettingsStatus
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., hostname: _Optional[str] = ..., os_type: _Optional[str] = ..., architecture: _Optional[str] = ..., status: _Optional[str] = ..., link: _Optional[str] = ..., health_state: _Optional[str] = ..., config_state: _Optional[str] = ..., config_error: _Optional[str] = ..., health_error: _Optional[str] = ..., last_seen_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_connected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_disconnected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., disconnect_reason: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., transport: _Optional[_Union[_facts_pb2.Transport, str]] = ..., remote_address: _Optional[str] = ..., gateway_id: _Optional[str] = ..., epoch: _Optional[int] = ..., agent_sequence_num: _Optional[int] = ..., capabilities: _Optional[int] = ..., remote_config_hash: _Optional[bytes] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., approval: _Optional[str] = ..., stamped_labels: _Optional[_Mapping[str, str]] = ..., enrolment_token_id: _Optional[str] = ..., ephemeral_seconds: _Optional[int] = ..., description: _Optional[_Union[_opamp_pb2.AgentDescription, _Mapping]] = ..., health: _Optional[_Union[_opamp_pb2.ComponentHealth, _Mapping]] = ..., effective_config: _Optional[_Union[_opamp_pb2.EffectiveConfig, _Mapping]] = ..., components: _Optional[_Union[_opamp_pb2.AvailableComponents, _Mapping]] = ..., custom_capabilities: _Optional[_Union[_opamp_pb2.CustomCapabilities, _Mapping]] = ..., package_statuses: _Optional[_Union[_opamp_pb2.PackageStatuses, _Mapping]] = ..., connection_settings_status: _Optional[_Union[_opamp_pb2.ConnectionSettingsStatus, _Mapping]] = ...) -> None: ...

class ListAgentsRequest(_message.Message):
    __slots__ = ("tenant_id", "page", "statuses", "search", "labels", "sort", "descending", "config_states", "health_states", "approvals")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    DESCENDING_FIELD_NUMBER: _ClassVar[int]
    CONFIG_STATES_FIELD_NUMBER: _ClassVar[int]
    HEALTH_STATES_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    page: _page_pb2.PageRequest
    statuses: _containers.RepeatedScalarFieldContainer[str]
    search: str
    labels: _containers.ScalarMap[str, str]
    sort: str
    descending: bool
    config_states: _containers.RepeatedScalarFieldContainer[str]
    health_states: _containers.RepeatedScalarFieldContainer[str]
    approvals: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tenant_id: _Optional[str] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ..., statuses: _Optional[_Iterable[str]] = ..., search: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., sort: _Optional[str] = ..., descending: _Optional[bool] = ..., config_states: _Optional[_Iterable[str]] = ..., health_states: _Optional[_Iterable[str]] = ..., approvals: _Optional[_Iterable[str]] = ...) -> None: ...

class ListAgentsReply(_message.Message):
    __slots__ = ("agents", "page")
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[Agent]
    page: _page_pb2.PageReply
    def __init__(self, agents: _Optional[_Iterable[_Union[Agent, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ...) -> None: ...

class GetAgentRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ...) -> None: ...

class GetAgentReply(_message.Message):
    __slots__ = ("agent",)
    AGENT_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ...) -> None: ...

class DeleteAgentRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ...) -> None: ...

class DeleteAgentReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusSummaryRequest(_message.Message):
    __slots__ = ("tenant_id",)
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    def __init__(self, tenant_id: _Optional[str] = ...) -> None: ...

class GetStatusSummaryReply(_message.Message):
    __slots__ = ("total", "by_status", "by_link", "by_health_state", "by_config_state", "live_gateways")
    class ByStatusEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ByLinkEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ByHealthStateEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ByConfigStateEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    BY_STATUS_FIELD_NUMBER: _ClassVar[int]
    BY_LINK_FIELD_NUMBER: _ClassVar[int]
    BY_HEALTH_STATE_FIELD_NUMBER: _ClassVar[int]
    BY_CONFIG_STATE_FIELD_NUMBER: _ClassVar[int]
    LIVE_GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    total: int
    by_status: _containers.ScalarMap[str, int]
    by_link: _containers.ScalarMap[str, int]
    by_health_state: _containers.ScalarMap[str, int]
    by_config_state: _containers.ScalarMap[str, int]
    live_gateways: int
    def __init__(self, total: _Optional[int] = ..., by_status: _Optional[_Mapping[str, int]] = ..., by_link: _Optional[_Mapping[str, int]] = ..., by_health_state: _Optional[_Mapping[str, int]] = ..., by_config_state: _Optional[_Mapping[str, int]] = ..., live_gateways: _Optional[int] = ...) -> None: ...

class Connection(_message.Message):
    __slots__ = ("id", "instance_uid", "epoch", "connected_at", "disconnected_at", "duration_seconds", "disconnect_reason", "remote_address", "gateway_id", "transport", "updated_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    DISCONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DISCONNECT_REASON_FIELD_NUMBER: _ClassVar[int]
    REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: int
    instance_uid: bytes
    epoch: int
    connected_at: _timestamp_pb2.Timestamp
    disconnected_at: _timestamp_pb2.Timestamp
    duration_seconds: float
    disconnect_reason: str
    remote_address: str
    gateway_id: str
    transport: _facts_pb2.Transport
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[int] = ..., instance_uid: _Optional[bytes] = ..., epoch: _Optional[int] = ..., connected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., disconnected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration_seconds: _Optional[float] = ..., disconnect_reason: _Optional[str] = ..., remote_address: _Optional[str] = ..., gateway_id: _Optional[str] = ..., transport: _Optional[_Union[_facts_pb2.Transport, str]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListConnectionsRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "page")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    page: _page_pb2.PageRequest
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class ListConnectionsReply(_message.Message):
    __slots__ = ("connections", "page")
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    connections: _containers.RepeatedCompositeFieldContainer[Connection]
    page: _page_pb2.PageReply
    def __init__(self, connections: _Optional[_Iterable[_Union[Connection, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ...) -> None: ...

class GetActiveConnectionRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ...) -> None: ...

class GetActiveConnectionReply(_message.Message):
    __slots__ = ("connection",)
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    connection: Connection
    def __init__(self, connection: _Optional[_Union[Connection, _Mapping]] = ...) -> None: ...

class AllocateEpochsRequest(_message.Message):
    __slots__ = ("gateway_id", "count")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    count: int
    def __init__(self, gateway_id: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class AllocateEpochsReply(_message.Message):
    __slots__ = ("first",)
    FIRST_FIELD_NUMBER: _ClassVar[int]
    first: int
    def __init__(self, first: _Optional[int] = ...) -> None: ...

class EnrolmentToken(_message.Message):
    __slots__ = ("id", "tenant_id", "name", "created_at", "expires_at", "revoked_at", "created_by", "rules", "uses")
    ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    id: str
    tenant_id: str
    name: str
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    revoked_at: _timestamp_pb2.Timestamp
    created_by: str
    rules: EnrolmentRules
    uses: int
    def __init__(self, id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_by: _Optional[str] = ..., rules: _Optional[_Union[EnrolmentRules, _Mapping]] = ..., uses: _Optional[int] = ...) -> None: ...

class EnrolmentRules(_message.Message):
    __slots__ = ("max_uses", "cidrs", "labels", "group", "requires_approval", "ephemeral_seconds", "issues", "credential_lifetime_seconds")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MAX_USES_FIELD_NUMBER: _ClassVar[int]
    CIDRS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    REQUIRES_APPROVAL_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ISSUES_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_LIFETIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    max_uses: int
    cidrs: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.ScalarMap[str, str]
    group: str
    requires_approval: bool
    ephemeral_seconds: int
    issues: str
    credential_lifetime_seconds: int
    def __init__(self, max_uses: _Optional[int] = ..., cidrs: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., group: _Optional[str] = ..., requires_approval: _Optional[bool] = ..., ephemeral_seconds: _Optional[int] = ..., issues: _Optional[str] = ..., credential_lifetime_seconds: _Optional[int] = ...) -> None: ...

class CreateEnrolmentTokenRequest(_message.Message):
    __slots__ = ("tenant_id", "name", "lifetime_seconds", "created_by", "rules")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    lifetime_seconds: int
    created_by: str
    rules: EnrolmentRules
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., lifetime_seconds: _Optional[int] = ..., created_by: _Optional[str] = ..., rules: _Optional[_Union[EnrolmentRules, _Mapping]] = ...) -> None: ...

class CreateEnrolmentTokenReply(_message.Message):
    __slots__ = ("token", "secret")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    token: EnrolmentToken
    secret: str
    def __init__(self, token: _Optional[_Union[EnrolmentToken, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class ListEnrolmentTokensRequest(_message.Message):
    __slots__ = ("tenant_id", "page")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    page: _page_pb2.PageRequest
    def __init__(self, tenant_id: _Optional[str] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class ListEnrolmentTokensReply(_message.Message):
    __slots__ = ("tokens", "page")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedCompositeFieldContainer[EnrolmentToken]
    page: _page_pb2.PageReply
    def __init__(self, tokens: _Optional[_Iterable[_Union[EnrolmentToken, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ...) -> None: ...

class RevokeEnrolmentTokenRequest(_message.Message):
    __slots__ = ("tenant_id", "id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    id: str
    def __init__(self, tenant_id: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class RevokeEnrolmentTokenReply(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: EnrolmentToken
    def __init__(self, token: _Optional[_Union[EnrolmentToken, _Mapping]] = ...) -> None: ...

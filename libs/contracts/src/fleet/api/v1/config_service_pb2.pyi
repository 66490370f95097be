import datetime

from fleet.api.v1 import page_pb2 as _page_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Component(_message.Message):
    __slots__ = ("name", "type", "parameters_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    parameters_json: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., parameters_json: _Optional[str] = ...) -> None: ...

class Platform(_message.Message):
    __slots__ = ("sources", "processors", "destinations")
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    PROCESSORS_FIELD_NUMBER: _ClassVar[int]
    DESTINATIONS_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[Component]
    processors: _containers.RepeatedCompositeFieldContainer[Component]
    destinations: _containers.RepeatedCompositeFieldContainer[Component]
    def __init__(self, sources: _Optional[_Iterable[_Union[Component, _Mapping]]] = ..., processors: _Optional[_Iterable[_Union[Component, _Mapping]]] = ..., destinations: _Optional[_Iterable[_Union[Component, _Mapping]]] = ...) -> None: ...

class Configuration(_message.Message):
    __slots__ = ("tenant_id", "name", "display_name", "description", "content_type", "raw_config", "config_hash", "version", "selector", "priority", "platform", "created_at", "updated_at", "last_applied_at", "author", "comment", "rolled_back_to", "version_id")
    class SelectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    RAW_CONFIG_FIELD_NUMBER: _ClassVar[int]
    CONFIG_HASH_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_APPLIED_AT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    ROLLED_BACK_TO_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    display_name: str
    description: str
    content_type: str
    raw_config: str
    config_hash: bytes
    version: int
    selector: _containers.ScalarMap[str, str]
    priority: int
    platform: Platform
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    last_applied_at: _timestamp_pb2.Timestamp
    author: str
    comment: str
    rolled_back_to: int
    version_id: int
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., content_type: _Optional[str] = ..., raw_config: _Optional[str] = ..., config_hash: _Optional[bytes] = ..., version: _Optional[int] = ..., selector: _Optional[_Mapping[str, str]] = ..., priority: _Optional[int] = ..., platform: _Optional[_Union[Platform, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_applied_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., author: _Optional[str] = ..., comment: _Optional[str] = ..., rolled_back_to: _Optional[int] = ..., version_id: _Optional[int] = ...) -> None: ...

class ConfigurationDraft(_message.Message):
    __slots__ = ("display_name", "description", "content_type", "raw_config", "selector", "priority", "platform")
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    RAW_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    display_name: str
    description: str
    content_type: str
    raw_config: str
    selector: Selector
    priority: int
    platform: Platform
    def __init__(self, display_name: _Optional[str] = ..., description: _Optional[str] = ..., content_type: _Optional[str] = ..., raw_config: _Optional[str] = ..., selector: _Optional[_Union[Selector, _Mapping]] = ..., priority: _Optional[int] = ..., platform: _Optional[_Union[Platform, _Mapping]] = ...) -> None: ...

class Selector(_message.Message):
    __slots__ = ("match_labels",)
    class MatchLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MATCH_LABELS_FIELD_NUMBER: _ClassVar[int]
    match_labels: _containers.ScalarMap[str, str]
    def __init__(self, match_labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CreateConfigurationRequest(_message.Message):
    __slots__ = ("tenant_id", "name", "draft", "author", "comment", "dry_run")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    draft: ConfigurationDraft
    author: str
    comment: str
    dry_run: bool
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., draft: _Optional[_Union[ConfigurationDraft, _Mapping]] = ..., author: _Optional[str] = ..., comment: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class CreateConfigurationReply(_message.Message):
    __slots__ = ("configuration",)
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    configuration: Configuration
    def __init__(self, configuration: _Optional[_Union[Configuration, _Mapping]] = ...) -> None: ...

class UpdateConfigurationRequest(_message.Message):
    __slots__ = ("tenant_id", "name", "draft", "expected_version", "author", "comment", "dry_run")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    draft: ConfigurationDraft
    expected_version: int
    author: str
    comment: str
    dry_run: bool
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., draft: _Optional[_Union[ConfigurationDraft, _Mapping]] = ..., expected_version: _Optional[int] = ..., author: _Optional[str] = ..., comment: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class UpdateConfigurationReply(_message.Message):
    __slots__ = ("configuration", "changed")
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    configuration: Configuration
    changed: bool
    def __init__(self, configuration: _Optional[_Union[Configuration, _Mapping]] = ..., changed: _Optional[bool] = ...) -> None: ...

class GetConfigurationRequest(_message.Message):
    __slots__ = ("tenant_id", "name")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class GetConfigurationReply(_message.Message):
    __slots__ = ("configuration",)
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    configuration: Configuration
    def __init__(self, configuration: _Optional[_Union[Configuration, _Mapping]] = ...) -> None: ...

class ListConfigurationsRequest(_message.Message):
    __slots__ = ("tenant_id", "page", "search", "sort", "descending", "without_body", "content_types")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    DESCENDING_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_BODY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPES_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    page: _page_pb2.PageRequest
    search: str
    sort: str
    descending: bool
    without_body: bool
    content_types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tenant_id: _Optional[str] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ..., search: _Optional[str] = ..., sort: _Optional[str] = ..., descending: _Optional[bool] = ..., without_body: _Optional[bool] = ..., content_types: _Optional[_Iterable[str]] = ...) -> None: ...

class ListConfigurationsReply(_message.Message):
    __slots__ = ("configurations", "page")
    CONFIGURATIONS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    configurations: _containers.RepeatedCompositeFieldContainer[Configuration]
    page: _page_pb2.PageReply
    def __init__(self, configurations: _Optional[_Iterable[_Union[Configuration, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ...) -> None: ...

class DeleteConfigurationRequest(_message.Message):
    __slots__ = ("tenant_id", "name", "expected_version", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    expected_version: int
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., expected_version: _Optional[int] = ..., author: _Optional[str] = ...) -> None: ...

class DeleteConfigurationReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListVersionsRequest(_message.Message):
    __slots__ = ("tenant_id", "name", "page")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    page: _page_pb2.PageRequest
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class ListVersionsReply(_message.Message):
    __slots__ = ("versions", "page")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[Configuration]
    page: _page_pb2.PageReply
    def __init__(self, versions: _Optional[_Iterable[_Union[Configuration, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ...) -> None: ...

class GetVersionRequest(_message.Message):
    __slots__ = ("tenant_id", "name", "version")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    version: int
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GetVersionReply(_message.Message):
    __slots__ = ("configuration",)
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    configuration: Configuration
    def __init__(self, configuration: _Optional[_Union[Configuration, _Mapping]] = ...) -> None: ...

class RollbackConfigurationRequest(_message.Message):
    __slots__ = ("tenant_id", "name", "version", "expected_version", "author", "comment")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    version: int
    expected_version: int
    author: str
    comment: str
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[int] = ..., expected_version: _Optional[int] = ..., author: _Optional[str] = ..., comment: _Optional[str] = ...) -> None: ...

class RollbackConfigurationReply(_message.Message):
    __slots__ = ("configuration",)
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    configuration: Configuration
    def __init__(self, configuration: _Optional[_Union[Configuration, _Mapping]] = ...) -> None: ...

class PushConfigurationRequest(_message.Message):
    __slots__ = ("tenant_id", "name", "instance_uids", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UIDS_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    instance_uids: _containers.RepeatedScalarFieldContainer[bytes]
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., instance_uids: _Optional[_Iterable[bytes]] = ..., author: _Optional[str] = ...) -> None: ...

class PushConfigurationReply(_message.Message):
    __slots__ = ("affected_uids", "failed")
    AFFECTED_UIDS_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    affected_uids: _containers.RepeatedScalarFieldContainer[bytes]
    failed: _containers.RepeatedCompositeFieldContainer[PushFailure]
    def __init__(self, affected_uids: _Optional[_Iterable[bytes]] = ..., failed: _Optional[_Iterable[_Union[PushFailure, _Mapping]]] = ...) -> None: ...

class PushFailure(_message.Message):
    __slots__ = ("instance_uid", "reason")
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    instance_uid: bytes
    reason: str
    def __init__(self, instance_uid: _Optional[bytes] = ..., reason: _Optional[str] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("id", "instance_uid", "configuration_name", "version", "config_hash", "attempt", "status", "error_message", "cause", "requested_by", "created_at", "offered_at", "applied_at", "updated_at", "confirmed")
    ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_HASH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    OFFERED_AT_FIELD_NUMBER: _ClassVar[int]
    APPLIED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    id: int
    instance_uid: bytes
    configuration_name: str
    version: int
    config_hash: bytes
    attempt: int
    status: str
    error_message: str
    cause: str
    requested_by: str
    created_at: _timestamp_pb2.Timestamp
    offered_at: _timestamp_pb2.Timestamp
    applied_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    confirmed: bool
    def __init__(self, id: _Optional[int] = ..., instance_uid: _Optional[bytes] = ..., configuration_name: _Optional[str] = ..., version: _Optional[int] = ..., config_hash: _Optional[bytes] = ..., attempt: _Optional[int] = ..., status: _Optional[str] = ..., error_message: _Optional[str] = ..., cause: _Optional[str] = ..., requested_by: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., offered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., applied_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., confirmed: _Optional[bool] = ...) -> None: ...

class ListAttemptsRequest(_message.Message):
    __slots__ = ("tenant_id", "name", "instance_uid", "statuses", "page")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    instance_uid: bytes
    statuses: _containers.RepeatedScalarFieldContainer[str]
    page: _page_pb2.PageRequest
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., statuses: _Optional[_Iterable[str]] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class ListAttemptsReply(_message.Message):
    __slots__ = ("attempts", "page", "status_counts")
    class StatusCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_COUNTS_FIELD_NUMBER: _ClassVar[int]
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    page: _page_pb2.PageReply
    status_counts: _containers.ScalarMap[str, int]
    def __init__(self, attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ..., status_counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class GetConfigurationStatusRequest(_message.Message):
    __slots__ = ("tenant_id", "name")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class GetConfigurationStatusReply(_message.Message):
    __slots__ = ("desired", "connected", "by_state")
    class ByStateEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    DESIRED_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    BY_STATE_FIELD_NUMBER: _ClassVar[int]
    desired: int
    connected: int
    by_state: _containers.ScalarMap[str, int]
    def __init__(self, desired: _Optional[int] = ..., connected: _Optional[int] = ..., by_state: _Optional[_Mapping[str, int]] = ...) -> None: ...

class AgentConfiguration(_message.Message):
    __slots__ = ("instance_uid", "configuration_name", "version", "desired_hash", "offered_hash", "reported_hash", "state", "error_message", "reason", "candidates", "quarantined", "assigned_name")
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DESIRED_HASH_FIELD_NUMBER: _ClassVar[int]
    OFFERED_HASH_FIELD_NUMBER: _ClassVar[int]
    REPORTED_HASH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_NAME_FIELD_NUMBER: _ClassVar[int]
    instance_uid: bytes
    configuration_name: str
    version: int
    desired_hash: bytes
    offered_hash: bytes
    reported_hash: bytes
    state: str
    error_message: str
    reason: str
    candidates: _containers.RepeatedScalarFieldContainer[str]
    quarantined: bool
    assigned_name: str
    def __init__(self, instance_uid: _Optional[bytes] = ..., configuration_name: _Optional[str] = ..., version: _Optional[int] = ..., desired_hash: _Optional[bytes] = ..., offered_hash: _Optional[bytes] = ..., reported_hash: _Optional[bytes] = ..., state: _Optional[str] = ..., error_message: _Optional[str] = ..., reason: _Optional[str] = ..., candidates: _Optional[_Iterable[str]] = ..., quarantined: _Optional[bool] = ..., assigned_name: _Optional[str] = ...) -> None: ...

class GetAgentConfigurationsRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uids")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UIDS_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetAgentConfigurationsReply(_message.Message):
    __slots__ = ("agents",)
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[AgentConfiguration]
    def __init__(self, agents: _Optional[_Iterable[_Union[AgentConfiguration, _Mapping]]] = ...) -> None: ...

class AssignConfigurationRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "name", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    name: str
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., name: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class AssignConfigurationReply(_message.Message):
    __slots__ = ("agent",)
    AGENT_FIELD_NUMBER: _ClassVar[int]
    agent: AgentConfiguration
    def __init__(self, agent: _Optional[_Union[AgentConfiguration, _Mapping]] = ...) -> None: ...

class ClearFailureRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., author: _Optional[str] = ...) -> None: ...

class ClearFailureReply(_message.Message):
    __slots__ = ("agent",)
    AGENT_FIELD_NUMBER: _ClassVar[int]
    agent: AgentConfiguration
    def __init__(self, agent: _Optional[_Union[AgentConfiguration, _Mapping]] = ...) -> None: ...

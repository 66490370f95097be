from fleet.events.v1 import facts_pb2 as _facts_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AgentEvent(_message.Message):
    __slots__ = ("event_id", "tenant_id", "instance_uid", "epoch", "sequence", "time_unix_nano", "traceparent", "online", "offline", "described", "health_changed", "deleted", "config_applied", "config_failed", "enrolled", "approved", "rejected", "revoked", "connection_settings_applied", "connection_settings_failed")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    ONLINE_FIELD_NUMBER: _ClassVar[int]
    OFFLINE_FIELD_NUMBER: _ClassVar[int]
    DESCRIBED_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHANGED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    CONFIG_APPLIED_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FAILED_FIELD_NUMBER: _ClassVar[int]
    ENROLLED_FIELD_NUMBER: _ClassVar[int]
    APPROVED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_SETTINGS_APPLIED_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_SETTINGS_FAILED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    tenant_id: str
    instance_uid: bytes
    epoch: int
    sequence: int
    time_unix_nano: int
    traceparent: str
    online: AgentOnline
    offline: AgentOffline
    described: AgentDescribed
    health_changed: AgentHealthChanged
    deleted: AgentDeleted
    config_applied: AgentConfigApplied
    config_failed: AgentConfigFailed
    enrolled: AgentEnrolled
    approved: AgentApproved
    rejected: AgentRejected
    revoked: AgentRevoked
    connection_settings_applied: AgentConnectionSettingsApplied
    connection_settings_failed: AgentConnectionSettingsFailed
    def __init__(self, event_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., time_unix_nano: _Optional[int] = ..., traceparent: _Optional[str] = ..., online: _Optional[_Union[AgentOnline, _Mapping]] = ..., offline: _Optional[_Union[AgentOffline, _Mapping]] = ..., described: _Optional[_Union[AgentDescribed, _Mapping]] = ..., health_changed: _Optional[_Union[AgentHealthChanged, _Mapping]] = ..., deleted: _Optional[_Union[AgentDeleted, _Mapping]] = ..., config_applied: _Optional[_Union[AgentConfigApplied, _Mapping]] = ..., config_failed: _Optional[_Union[AgentConfigFailed, _Mapping]] = ..., enrolled: _Optional[_Union[AgentEnrolled, _Mapping]] = ..., approved: _Optional[_Union[AgentApproved, _Mapping]] = ..., rejected: _Optional[_Union[AgentRejected, _Mapping]] = ..., revoked: _Optional[_Union[AgentRevoked, _Mapping]] = ..., connection_settings_applied: _Optional[_Union[AgentConnectionSettingsApplied, _Mapping]] = ..., connection_settings_failed: _Optional[_Union[AgentConnectionSettingsFailed, _Mapping]] = ...) -> None: ...

class AgentOnline(_message.Message):
    __slots__ = ("gateway_id", "transport", "first_seen")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    transport: _facts_pb2.Transport
    first_seen: bool
    def __init__(self, gateway_id: _Optional[str] = ..., transport: _Optional[_Union[_facts_pb2.Transport, str]] = ..., first_seen: _Optional[bool] = ...) -> None: ...

class AgentOffline(_message.Message):
    __slots__ = ("reason", "duration_seconds")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    reason: str
    duration_seconds: float
    def __init__(self, reason: _Optional[str] = ..., duration_seconds: _Optional[float] = ...) -> None: ...

class AgentDescribed(_message.Message):
    __slots__ = ("name", "version", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    labels: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AgentHealthChanged(_message.Message):
    __slots__ = ("healthy", "last_error", "status")
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    healthy: bool
    last_error: str
    status: str
    def __init__(self, healthy: _Optional[bool] = ..., last_error: _Optional[str] = ..., status: _Optional[str] = ...) -> None: ...

class AgentDeleted(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AgentConfigApplied(_message.Message):
    __slots__ = ("configuration_name", "version", "config_hash")
    CONFIGURATION_NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_HASH_FIELD_NUMBER: _ClassVar[int]
    configuration_name: str
    version: int
    config_hash: bytes
    def __init__(self, configuration_name: _Optional[str] = ..., version: _Optional[int] = ..., config_hash: _Optional[bytes] = ...) -> None: ...

class AgentConfigFailed(_message.Message):
    __slots__ = ("configuration_name", "version", "config_hash", "error_message")
    CONFIGURATION_NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_HASH_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    configuration_name: str
    version: int
    config_hash: bytes
    error_message: str
    def __init__(self, configuration_name: _Optional[str] = ..., version: _Optional[int] = ..., config_hash: _Optional[bytes] = ..., error_message: _Optional[str] = ...) -> None: ...

class AgentEnrolled(_message.Message):
    __slots__ = ("enrolment_token_id",)
    ENROLMENT_TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    enrolment_token_id: str
    def __init__(self, enrolment_token_id: _Optional[str] = ...) -> None: ...

class AgentApproved(_message.Message):
    __slots__ = ("author", "comment")
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    author: str
    comment: str
    def __init__(self, author: _Optional[str] = ..., comment: _Optional[str] = ...) -> None: ...

class AgentRejected(_message.Message):
    __slots__ = ("author", "comment")
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    author: str
    comment: str
    def __init__(self, author: _Optional[str] = ..., comment: _Optional[str] = ...) -> None: ...

class AgentRevoked(_message.Message):
    __slots__ = ("author", "comment", "credential_id")
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    author: str
    comment: str
    credential_id: str
    def __init__(self, author: _Optional[str] = ..., comment: _Optional[str] = ..., credential_id: _Optional[str] = ...) -> None: ...

class AgentConnectionSettingsApplied(_message.Message):
    __slots__ = ("settings_hash", "policies")
    SETTINGS_HASH_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    settings_hash: bytes
    policies: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, settings_hash: _Optional[bytes] = ..., policies: _Optional[_Iterable[str]] = ...) -> None: ...

class AgentConnectionSettingsFailed(_message.Message):
    __slots__ = ("settings_hash", "policies", "error_message")
    SETTINGS_HASH_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    settings_hash: bytes
    policies: _containers.RepeatedScalarFieldContainer[str]
    error_message: str
    def __init__(self, settings_hash: _Optional[bytes] = ..., policies: _Optional[_Iterable[str]] = ..., error_message: _Optional[str] = ...) -> None: ...

import datetime

from fleet.api.v1 import page_pb2 as _page_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from opamp.v1 import opamp_pb2 as _opamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConnectionSettingsPolicy(_message.Message):
    __slots__ = ("tenant_id", "name", "selector", "priority", "settings", "version", "created_at", "updated_at", "author")
    class SelectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    selector: _containers.ScalarMap[str, str]
    priority: int
    settings: _opamp_pb2.ConnectionSettingsOffers
    version: int
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., selector: _Optional[_Mapping[str, str]] = ..., priority: _Optional[int] = ..., settings: _Optional[_Union[_opamp_pb2.ConnectionSettingsOffers, _Mapping]] = ..., version: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., author: _Optional[str] = ...) -> None: ...

class PutConnectionSettingsPolicyRequest(_message.Message):
    __slots__ = ("policy", "expected_version")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    policy: ConnectionSettingsPolicy
    expected_version: int
    def __init__(self, policy: _Optional[_Union[ConnectionSettingsPolicy, _Mapping]] = ..., expected_version: _Optional[int] = ...) -> None: ...

class PutConnectionSettingsPolicyReply(_message.Message):
    __slots__ = ("policy", "created")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    policy: ConnectionSettingsPolicy
    created: bool
    def __init__(self, policy: _Optional[_Union[ConnectionSettingsPolicy, _Mapping]] = ..., created: _Optional[bool] = ...) -> None: ...

class GetConnectionSettingsPolicyRequest(_message.Message):
    __slots__ = ("tenant_id", "name")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class GetConnectionSettingsPolicyReply(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: ConnectionSettingsPolicy
    def __init__(self, policy: _Optional[_Union[ConnectionSettingsPolicy, _Mapping]] = ...) -> None: ...

class ListConnectionSettingsPoliciesRequest(_message.Message):
    __slots__ = ("tenant_id", "page")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    page: _page_pb2.PageRequest
    def __init__(self, tenant_id: _Optional[str] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class ListConnectionSettingsPoliciesReply(_message.Message):
    __slots__ = ("policies", "page")
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    policies: _containers.RepeatedCompositeFieldContainer[ConnectionSettingsPolicy]
    page: _page_pb2.PageReply
    def __init__(self, policies: _Optional[_Iterable[_Union[ConnectionSettingsPolicy, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ...) -> None: ...

class DeleteConnectionSettingsPolicyRequest(_message.Message):
    __slots__ = ("tenant_id", "name")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class DeleteConnectionSettingsPolicyReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetAgentConnectionSettingsRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ...) -> None: ...

class GetAgentConnectionSettingsReply(_message.Message):
    __slots__ = ("desired", "desired_hash", "offered_hash", "offered_at", "reported_hash", "state", "error_message", "policies")
    DESIRED_FIELD_NUMBER: _ClassVar[int]
    DESIRED_HASH_FIELD_NUMBER: _ClassVar[int]
    OFFERED_HASH_FIELD_NUMBER: _ClassVar[int]
    OFFERED_AT_FIELD_NUMBER: _ClassVar[int]
    REPORTED_HASH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    desired: _opamp_pb2.ConnectionSettingsOffers
    desired_hash: bytes
    offered_hash: bytes
    offered_at: _timestamp_pb2.Timestamp
    reported_hash: bytes
    state: str
    error_message: str
    policies: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, desired: _Optional[_Union[_opamp_pb2.ConnectionSettingsOffers, _Mapping]] = ..., desired_hash: _Optional[bytes] = ..., offered_hash: _Optional[bytes] = ..., offered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reported_hash: _Optional[bytes] = ..., state: _Optional[str] = ..., error_message: _Optional[str] = ..., policies: _Optional[_Iterable[str]] = ...) -> None: ...

class RetryConnectionSettingsRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., author: _Optional[str] = ...) -> None: ...

class RetryConnectionSettingsReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

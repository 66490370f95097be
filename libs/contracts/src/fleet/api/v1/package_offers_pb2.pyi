import datetime

from fleet.api.v1 import page_pb2 as _page_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PackageAssignment(_message.Message):
    __slots__ = ("id", "tenant_id", "name", "package", "channel", "version", "selector", "groups", "instance_uids", "priority", "enabled", "revision", "created_by", "created_at", "updated_by", "updated_at", "states")
    class SelectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class StatesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UIDS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    id: str
    tenant_id: str
    name: str
    package: str
    channel: str
    version: str
    selector: _containers.ScalarMap[str, str]
    groups: _containers.RepeatedScalarFieldContainer[str]
    instance_uids: _containers.RepeatedScalarFieldContainer[bytes]
    priority: int
    enabled: bool
    revision: int
    created_by: str
    created_at: _timestamp_pb2.Timestamp
    updated_by: str
    updated_at: _timestamp_pb2.Timestamp
    states: _containers.ScalarMap[str, int]
    def __init__(self, id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., package: _Optional[str] = ..., channel: _Optional[str] = ..., version: _Optional[str] = ..., selector: _Optional[_Mapping[str, str]] = ..., groups: _Optional[_Iterable[str]] = ..., instance_uids: _Optional[_Iterable[bytes]] = ..., priority: _Optional[int] = ..., enabled: _Optional[bool] = ..., revision: _Optional[int] = ..., created_by: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_by: _Optional[str] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., states: _Optional[_Mapping[str, int]] = ...) -> None: ...

class PackageAssignmentDraft(_message.Message):
    __slots__ = ("package", "channel", "version", "selector", "groups", "agents", "priority", "enabled")
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    package: str
    channel: str
    version: str
    selector: PackageSelector
    groups: PackageGroups
    agents: PackageAgents
    priority: int
    enabled: bool
    def __init__(self, package: _Optional[str] = ..., channel: _Optional[str] = ..., version: _Optional[str] = ..., selector: _Optional[_Union[PackageSelector, _Mapping]] = ..., groups: _Optional[_Union[PackageGroups, _Mapping]] = ..., agents: _Optional[_Union[PackageAgents, _Mapping]] = ..., priority: _Optional[int] = ..., enabled: _Optional[bool] = ...) -> None: ...

class PackageSelector(_message.Message):
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

class PackageGroups(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class PackageAgents(_message.Message):
    __slots__ = ("instance_uids",)
    INSTANCE_UIDS_FIELD_NUMBER: _ClassVar[int]
    instance_uids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, instance_uids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class CreatePackageAssignmentRequest(_message.Message):
    __slots__ = ("tenant_id", "name", "draft", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    draft: PackageAssignmentDraft
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., draft: _Optional[_Union[PackageAssignmentDraft, _Mapping]] = ..., author: _Optional[str] = ...) -> None: ...

class CreatePackageAssignmentReply(_message.Message):
    __slots__ = ("assignment",)
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    assignment: PackageAssignment
    def __init__(self, assignment: _Optional[_Union[PackageAssignment, _Mapping]] = ...) -> None: ...

class UpdatePackageAssignmentRequest(_message.Message):
    __slots__ = ("tenant_id", "id", "draft", "expected_revision", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    id: str
    draft: PackageAssignmentDraft
    expected_revision: int
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., id: _Optional[str] = ..., draft: _Optional[_Union[PackageAssignmentDraft, _Mapping]] = ..., expected_revision: _Optional[int] = ..., author: _Optional[str] = ...) -> None: ...

class UpdatePackageAssignmentReply(_message.Message):
    __slots__ = ("assignment",)
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    assignment: PackageAssignment
    def __init__(self, assignment: _Optional[_Union[PackageAssignment, _Mapping]] = ...) -> None: ...

class GetPackageAssignmentRequest(_message.Message):
    __slots__ = ("tenant_id", "id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    id: str
    def __init__(self, tenant_id: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class GetPackageAssignmentReply(_message.Message):
    __slots__ = ("assignment",)
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    assignment: PackageAssignment
    def __init__(self, assignment: _Optional[_Union[PackageAssignment, _Mapping]] = ...) -> None: ...

class ListPackageAssignmentsRequest(_message.Message):
    __slots__ = ("tenant_id", "page", "package", "search", "enabled")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    page: _page_pb2.PageRequest
    package: str
    search: str
    enabled: bool
    def __init__(self, tenant_id: _Optional[str] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ..., package: _Optional[str] = ..., search: _Optional[str] = ..., enabled: _Optional[bool] = ...) -> None: ...

class ListPackageAssignmentsReply(_message.Message):
    __slots__ = ("assignments", "page")
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    assignments: _containers.RepeatedCompositeFieldContainer[PackageAssignment]
    page: _page_pb2.PageReply
    def __init__(self, assignments: _Optional[_Iterable[_Union[PackageAssignment, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ...) -> None: ...

class DeletePackageAssignmentRequest(_message.Message):
    __slots__ = ("tenant_id", "id", "expected_revision", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    id: str
    expected_revision: int
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., id: _Optional[str] = ..., expected_revision: _Optional[int] = ..., author: _Optional[str] = ...) -> None: ...

class DeletePackageAssignmentReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AgentPackage(_message.Message):
    __slots__ = ("instance_uid", "package", "assignment_id", "assignment_name", "version", "state", "percent", "error_message", "reported_version", "healthy", "connected", "since", "file_id", "package_hash", "given_up")
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REPORTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_HASH_FIELD_NUMBER: _ClassVar[int]
    GIVEN_UP_FIELD_NUMBER: _ClassVar[int]
    instance_uid: bytes
    package: str
    assignment_id: str
    assignment_name: str
    version: str
    state: str
    percent: float
    error_message: str
    reported_version: str
    healthy: bool
    connected: bool
    since: _timestamp_pb2.Timestamp
    file_id: str
    package_hash: bytes
    given_up: bool
    def __init__(self, instance_uid: _Optional[bytes] = ..., package: _Optional[str] = ..., assignment_id: _Optional[str] = ..., assignment_name: _Optional[str] = ..., version: _Optional[str] = ..., state: _Optional[str] = ..., percent: _Optional[float] = ..., error_message: _Optional[str] = ..., reported_version: _Optional[str] = ..., healthy: _Optional[bool] = ..., connected: _Optional[bool] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., file_id: _Optional[str] = ..., package_hash: _Optional[bytes] = ..., given_up: _Optional[bool] = ...) -> None: ...

class ListAssignmentAgentsRequest(_message.Message):
    __slots__ = ("tenant_id", "id", "page", "states")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    id: str
    page: _page_pb2.PageRequest
    states: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tenant_id: _Optional[str] = ..., id: _Optional[str] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ..., states: _Optional[_Iterable[str]] = ...) -> None: ...

class ListAssignmentAgentsReply(_message.Message):
    __slots__ = ("agents", "page", "states")
    class StatesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[AgentPackage]
    page: _page_pb2.PageReply
    states: _containers.ScalarMap[str, int]
    def __init__(self, agents: _Optional[_Iterable[_Union[AgentPackage, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ..., states: _Optional[_Mapping[str, int]] = ...) -> None: ...

class GetAgentPackagesRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ...) -> None: ...

class GetAgentPackagesReply(_message.Message):
    __slots__ = ("packages", "accepts", "platform", "arch", "desired_hash", "offered_hash", "reported_hash", "held", "error_message")
    PACKAGES_FIELD_NUMBER: _ClassVar[int]
    ACCEPTS_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    ARCH_FIELD_NUMBER: _ClassVar[int]
    DESIRED_HASH_FIELD_NUMBER: _ClassVar[int]
    OFFERED_HASH_FIELD_NUMBER: _ClassVar[int]
    REPORTED_HASH_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    packages: _containers.RepeatedCompositeFieldContainer[AgentPackage]
    accepts: bool
    platform: str
    arch: str
    desired_hash: bytes
    offered_hash: bytes
    reported_hash: bytes
    held: str
    error_message: str
    def __init__(self, packages: _Optional[_Iterable[_Union[AgentPackage, _Mapping]]] = ..., accepts: _Optional[bool] = ..., platform: _Optional[str] = ..., arch: _Optional[str] = ..., desired_hash: _Optional[bytes] = ..., offered_hash: _Optional[bytes] = ..., reported_hash: _Optional[bytes] = ..., held: _Optional[str] = ..., error_message: _Optional[str] = ...) -> None: ...

class RetryAgentPackageRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "package", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    package: str
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., package: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class RetryAgentPackageReply(_message.Message):
    __slots__ = ("package",)
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    package: AgentPackage
    def __init__(self, package: _Optional[_Union[AgentPackage, _Mapping]] = ...) -> None: ...

class PackageAttempt(_message.Message):
    __slots__ = ("id", "instance_uid", "package", "version", "package_hash", "assignment_id", "attempt", "state", "error_message", "requested_by", "created_at", "updated_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_HASH_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: int
    instance_uid: bytes
    package: str
    version: str
    package_hash: bytes
    assignment_id: str
    attempt: int
    state: str
    error_message: str
    requested_by: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[int] = ..., instance_uid: _Optional[bytes] = ..., package: _Optional[str] = ..., version: _Optional[str] = ..., package_hash: _Optional[bytes] = ..., assignment_id: _Optional[str] = ..., attempt: _Optional[int] = ..., state: _Optional[str] = ..., error_message: _Optional[str] = ..., requested_by: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListPackageAttemptsRequest(_message.Message):
    __slots__ = ("tenant_id", "page", "instance_uid", "package", "states")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    page: _page_pb2.PageRequest
    instance_uid: bytes
    package: str
    states: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tenant_id: _Optional[str] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ..., instance_uid: _Optional[bytes] = ..., package: _Optional[str] = ..., states: _Optional[_Iterable[str]] = ...) -> None: ...

class ListPackageAttemptsReply(_message.Message):
    __slots__ = ("attempts", "page")
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    attempts: _containers.RepeatedCompositeFieldContainer[PackageAttempt]
    page: _page_pb2.PageReply
    def __init__(self, attempts: _Optional[_Iterable[_Union[PackageAttempt, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ...) -> None: ...

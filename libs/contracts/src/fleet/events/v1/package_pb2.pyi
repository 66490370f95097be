from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PackageEvent(_message.Message):
    __slots__ = ("event_id", "tenant_id", "file_id", "name", "version", "platform", "arch", "sha256", "size", "author", "time_unix_nano", "traceparent", "published", "activated", "deactivated", "deleted", "damaged")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    ARCH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TIME_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    ACTIVATED_FIELD_NUMBER: _ClassVar[int]
    DEACTIVATED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    tenant_id: str
    file_id: str
    name: str
    version: str
    platform: str
    arch: str
    sha256: bytes
    size: int
    author: str
    time_unix_nano: int
    traceparent: str
    published: PackagePublished
    activated: PackageActivated
    deactivated: PackageDeactivated
    deleted: PackageDeleted
    damaged: PackageDamaged
    def __init__(self, event_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., file_id: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., platform: _Optional[str] = ..., arch: _Optional[str] = ..., sha256: _Optional[bytes] = ..., size: _Optional[int] = ..., author: _Optional[str] = ..., time_unix_nano: _Optional[int] = ..., traceparent: _Optional[str] = ..., published: _Optional[_Union[PackagePublished, _Mapping]] = ..., activated: _Optional[_Union[PackageActivated, _Mapping]] = ..., deactivated: _Optional[_Union[PackageDeactivated, _Mapping]] = ..., deleted: _Optional[_Union[PackageDeleted, _Mapping]] = ..., damaged: _Optional[_Union[PackageDamaged, _Mapping]] = ...) -> None: ...

class PackagePublished(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PackageActivated(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PackageDeactivated(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PackageDeleted(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PackageDamaged(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

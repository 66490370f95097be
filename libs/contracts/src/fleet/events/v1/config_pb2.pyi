from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConfigEvent(_message.Message):
    __slots__ = ("event_id", "tenant_id", "name", "version", "config_hash", "author", "comment", "time_unix_nano", "traceparent", "created", "changed", "deleted", "pushed")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_HASH_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    TIME_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    PUSHED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    tenant_id: str
    name: str
    version: int
    config_hash: bytes
    author: str
    comment: str
    time_unix_nano: int
    traceparent: str
    created: ConfigCreated
    changed: ConfigChanged
    deleted: ConfigDeleted
    pushed: ConfigPushed
    def __init__(self, event_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[int] = ..., config_hash: _Optional[bytes] = ..., author: _Optional[str] = ..., comment: _Optional[str] = ..., time_unix_nano: _Optional[int] = ..., traceparent: _Optional[str] = ..., created: _Optional[_Union[ConfigCreated, _Mapping]] = ..., changed: _Optional[_Union[ConfigChanged, _Mapping]] = ..., deleted: _Optional[_Union[ConfigDeleted, _Mapping]] = ..., pushed: _Optional[_Union[ConfigPushed, _Mapping]] = ...) -> None: ...

class ConfigCreated(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ConfigChanged(_message.Message):
    __slots__ = ("rolled_back_to",)
    ROLLED_BACK_TO_FIELD_NUMBER: _ClassVar[int]
    rolled_back_to: int
    def __init__(self, rolled_back_to: _Optional[int] = ...) -> None: ...

class ConfigDeleted(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ConfigPushed(_message.Message):
    __slots__ = ("agents",)
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    agents: int
    def __init__(self, agents: _Optional[int] = ...) -> None: ...

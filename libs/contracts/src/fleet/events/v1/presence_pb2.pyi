from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Presence(_message.Message):
    __slots__ = ("gateway_id", "heard", "leaving", "connections")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    heard: _containers.RepeatedCompositeFieldContainer[HeardFrom]
    leaving: bool
    connections: int
    def __init__(self, gateway_id: _Optional[str] = ..., heard: _Optional[_Iterable[_Union[HeardFrom, _Mapping]]] = ..., leaving: _Optional[bool] = ..., connections: _Optional[int] = ...) -> None: ...

class HeardFrom(_message.Message):
    __slots__ = ("tenant_id", "uids", "epochs")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    UIDS_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    uids: bytes
    epochs: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, tenant_id: _Optional[str] = ..., uids: _Optional[bytes] = ..., epochs: _Optional[_Iterable[int]] = ...) -> None: ...

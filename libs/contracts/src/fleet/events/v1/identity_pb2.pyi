from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class IdentityChanged(_message.Message):
    __slots__ = ("tenant_id", "credential_ids", "instance_uids", "close", "reason")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_IDS_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UIDS_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    credential_ids: _containers.RepeatedScalarFieldContainer[str]
    instance_uids: _containers.RepeatedScalarFieldContainer[bytes]
    close: bool
    reason: str
    def __init__(self, tenant_id: _Optional[str] = ..., credential_ids: _Optional[_Iterable[str]] = ..., instance_uids: _Optional[_Iterable[bytes]] = ..., close: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

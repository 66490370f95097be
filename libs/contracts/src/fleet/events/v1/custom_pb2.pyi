import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from opamp.v1 import opamp_pb2 as _opamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CustomMessageHeard(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "gateway_id", "at", "message")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    gateway_id: str
    at: _timestamp_pb2.Timestamp
    message: _opamp_pb2.CustomMessage
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., gateway_id: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., message: _Optional[_Union[_opamp_pb2.CustomMessage, _Mapping]] = ...) -> None: ...

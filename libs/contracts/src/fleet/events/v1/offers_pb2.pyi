from fleet.events.v1 import facts_pb2 as _facts_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Offer(_message.Message):
    __slots__ = ("offer_id", "tenant_id", "kind", "content_hash", "content", "targets", "traceparent", "reason")
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    offer_id: str
    tenant_id: str
    kind: _facts_pb2.OfferKind
    content_hash: bytes
    content: bytes
    targets: _containers.RepeatedCompositeFieldContainer[OfferTarget]
    traceparent: str
    reason: str
    def __init__(self, offer_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., kind: _Optional[_Union[_facts_pb2.OfferKind, str]] = ..., content_hash: _Optional[bytes] = ..., content: _Optional[bytes] = ..., targets: _Optional[_Iterable[_Union[OfferTarget, _Mapping]]] = ..., traceparent: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class OfferTarget(_message.Message):
    __slots__ = ("instance_uid", "epoch")
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    instance_uid: bytes
    epoch: int
    def __init__(self, instance_uid: _Optional[bytes] = ..., epoch: _Optional[int] = ...) -> None: ...

class OfferReply(_message.Message):
    __slots__ = ("gateway_id", "accepted", "unknown_uids", "content_missing", "incapable_uids")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_UIDS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_MISSING_FIELD_NUMBER: _ClassVar[int]
    INCAPABLE_UIDS_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    accepted: int
    unknown_uids: bytes
    content_missing: bool
    incapable_uids: bytes
    def __init__(self, gateway_id: _Optional[str] = ..., accepted: _Optional[int] = ..., unknown_uids: _Optional[bytes] = ..., content_missing: _Optional[bool] = ..., incapable_uids: _Optional[bytes] = ...) -> None: ...

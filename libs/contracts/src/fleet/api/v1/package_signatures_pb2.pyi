import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PackageSignature(_message.Message):
    __slots__ = ("id", "file_id", "format", "key_id", "signature", "created_by", "created_at", "trusted", "chosen")
    ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    id: str
    file_id: str
    format: str
    key_id: str
    signature: bytes
    created_by: str
    created_at: _timestamp_pb2.Timestamp
    trusted: bool
    chosen: bool
    def __init__(self, id: _Optional[str] = ..., file_id: _Optional[str] = ..., format: _Optional[str] = ..., key_id: _Optional[str] = ..., signature: _Optional[bytes] = ..., created_by: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., trusted: _Optional[bool] = ..., chosen: _Optional[bool] = ...) -> None: ...

class ListPackageSignaturesRequest(_message.Message):
    __slots__ = ("tenant_id", "file_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    file_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., file_id: _Optional[str] = ...) -> None: ...

class ListPackageSignaturesReply(_message.Message):
    __slots__ = ("signatures", "vetted_at", "refusal")
    SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    VETTED_AT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    signatures: _containers.RepeatedCompositeFieldContainer[PackageSignature]
    vetted_at: _timestamp_pb2.Timestamp
    refusal: str
    def __init__(self, signatures: _Optional[_Iterable[_Union[PackageSignature, _Mapping]]] = ..., vetted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refusal: _Optional[str] = ...) -> None: ...

class AddPackageSignatureRequest(_message.Message):
    __slots__ = ("tenant_id", "file_id", "format", "key_id", "signature", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    file_id: str
    format: str
    key_id: str
    signature: bytes
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., file_id: _Optional[str] = ..., format: _Optional[str] = ..., key_id: _Optional[str] = ..., signature: _Optional[bytes] = ..., author: _Optional[str] = ...) -> None: ...

class AddPackageSignatureReply(_message.Message):
    __slots__ = ("signature", "made")
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    MADE_FIELD_NUMBER: _ClassVar[int]
    signature: PackageSignature
    made: bool
    def __init__(self, signature: _Optional[_Union[PackageSignature, _Mapping]] = ..., made: _Optional[bool] = ...) -> None: ...

class SignPackageRequest(_message.Message):
    __slots__ = ("tenant_id", "file_id", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    file_id: str
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., file_id: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class SignPackageReply(_message.Message):
    __slots__ = ("signature", "made")
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    MADE_FIELD_NUMBER: _ClassVar[int]
    signature: PackageSignature
    made: bool
    def __init__(self, signature: _Optional[_Union[PackageSignature, _Mapping]] = ..., made: _Optional[bool] = ...) -> None: ...

class DeletePackageSignatureRequest(_message.Message):
    __slots__ = ("tenant_id", "file_id", "signature_id", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    file_id: str
    signature_id: str
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., file_id: _Optional[str] = ..., signature_id: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class DeletePackageSignatureReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PackageKey(_message.Message):
    __slots__ = ("id", "public_key", "name", "origin", "created_by", "created_at", "revoked_by", "revoked_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_BY_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    public_key: bytes
    name: str
    origin: str
    created_by: str
    created_at: _timestamp_pb2.Timestamp
    revoked_by: str
    revoked_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., public_key: _Optional[bytes] = ..., name: _Optional[str] = ..., origin: _Optional[str] = ..., created_by: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoked_by: _Optional[str] = ..., revoked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListPackageKeysRequest(_message.Message):
    __slots__ = ("tenant_id",)
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    def __init__(self, tenant_id: _Optional[str] = ...) -> None: ...

class ListPackageKeysReply(_message.Message):
    __slots__ = ("keys", "signature_required")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[PackageKey]
    signature_required: bool
    def __init__(self, keys: _Optional[_Iterable[_Union[PackageKey, _Mapping]]] = ..., signature_required: _Optional[bool] = ...) -> None: ...

class AddPackageKeyRequest(_message.Message):
    __slots__ = ("tenant_id", "public_key", "name", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    public_key: bytes
    name: str
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., public_key: _Optional[bytes] = ..., name: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class AddPackageKeyReply(_message.Message):
    __slots__ = ("key", "made")
    KEY_FIELD_NUMBER: _ClassVar[int]
    MADE_FIELD_NUMBER: _ClassVar[int]
    key: PackageKey
    made: bool
    def __init__(self, key: _Optional[_Union[PackageKey, _Mapping]] = ..., made: _Optional[bool] = ...) -> None: ...

class RevokePackageKeyRequest(_message.Message):
    __slots__ = ("tenant_id", "id", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    id: str
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., id: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class RevokePackageKeyReply(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: PackageKey
    def __init__(self, key: _Optional[_Union[PackageKey, _Mapping]] = ...) -> None: ...

class PackageManifest(_message.Message):
    __slots__ = ("channel", "version", "expires_at", "envelope", "created_by", "created_at")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    channel: str
    version: int
    expires_at: _timestamp_pb2.Timestamp
    envelope: bytes
    created_by: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, channel: _Optional[str] = ..., version: _Optional[int] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., envelope: _Optional[bytes] = ..., created_by: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetPackageManifestRequest(_message.Message):
    __slots__ = ("tenant_id", "channel")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    channel: str
    def __init__(self, tenant_id: _Optional[str] = ..., channel: _Optional[str] = ...) -> None: ...

class GetPackageManifestReply(_message.Message):
    __slots__ = ("manifest",)
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    manifest: PackageManifest
    def __init__(self, manifest: _Optional[_Union[PackageManifest, _Mapping]] = ...) -> None: ...

class DraftPackageManifestRequest(_message.Message):
    __slots__ = ("tenant_id", "channel")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    channel: str
    def __init__(self, tenant_id: _Optional[str] = ..., channel: _Optional[str] = ...) -> None: ...

class DraftPackageManifestReply(_message.Message):
    __slots__ = ("payload",)
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    def __init__(self, payload: _Optional[bytes] = ...) -> None: ...

class PublishPackageManifestRequest(_message.Message):
    __slots__ = ("tenant_id", "channel", "envelope", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    channel: str
    envelope: bytes
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., channel: _Optional[str] = ..., envelope: _Optional[bytes] = ..., author: _Optional[str] = ...) -> None: ...

class PublishPackageManifestReply(_message.Message):
    __slots__ = ("manifest", "made")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    MADE_FIELD_NUMBER: _ClassVar[int]
    manifest: PackageManifest
    made: bool
    def __init__(self, manifest: _Optional[_Union[PackageManifest, _Mapping]] = ..., made: _Optional[bool] = ...) -> None: ...

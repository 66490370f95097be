import datetime

from fleet.api.v1 import agent_state_pb2 as _agent_state_pb2
from fleet.api.v1 import page_pb2 as _page_pb2
from fleet.events.v1 import facts_pb2 as _facts_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from opamp.v1 import opamp_pb2 as _opamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Proof(_message.Message):
    __slots__ = ("token_hash", "certificate_sha256", "certificate_uid", "outside_ca", "remote_ip", "instance_uid")
    TOKEN_HASH_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_SHA256_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_UID_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_CA_FIELD_NUMBER: _ClassVar[int]
    REMOTE_IP_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    token_hash: bytes
    certificate_sha256: bytes
    certificate_uid: bytes
    outside_ca: bool
    remote_ip: str
    instance_uid: bytes
    def __init__(self, token_hash: _Optional[bytes] = ..., certificate_sha256: _Optional[bytes] = ..., certificate_uid: _Optional[bytes] = ..., outside_ca: _Optional[bool] = ..., remote_ip: _Optional[str] = ..., instance_uid: _Optional[bytes] = ...) -> None: ...

class AuthenticateAgentsRequest(_message.Message):
    __slots__ = ("proofs",)
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    proofs: _containers.RepeatedCompositeFieldContainer[Proof]
    def __init__(self, proofs: _Optional[_Iterable[_Union[Proof, _Mapping]]] = ...) -> None: ...

class AuthenticateAgentsReply(_message.Message):
    __slots__ = ("verdicts",)
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedCompositeFieldContainer[Verdict]
    def __init__(self, verdicts: _Optional[_Iterable[_Union[Verdict, _Mapping]]] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("refusal", "tenant_id", "credential_id", "expires_at", "bound_uid", "needs_admission", "cache_seconds", "labels", "approval")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    BOUND_UID_FIELD_NUMBER: _ClassVar[int]
    NEEDS_ADMISSION_FIELD_NUMBER: _ClassVar[int]
    CACHE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    refusal: str
    tenant_id: str
    credential_id: str
    expires_at: _timestamp_pb2.Timestamp
    bound_uid: bytes
    needs_admission: bool
    cache_seconds: int
    labels: _containers.ScalarMap[str, str]
    approval: str
    def __init__(self, refusal: _Optional[str] = ..., tenant_id: _Optional[str] = ..., credential_id: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., bound_uid: _Optional[bytes] = ..., needs_admission: _Optional[bool] = ..., cache_seconds: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., approval: _Optional[str] = ...) -> None: ...

class AdmitAgentRequest(_message.Message):
    __slots__ = ("tenant_id", "credential_id", "instance_uid", "remote_ip", "capabilities", "transport", "description", "last_connection_settings_hash", "renamed_elsewhere")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    REMOTE_IP_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LAST_CONNECTION_SETTINGS_HASH_FIELD_NUMBER: _ClassVar[int]
    RENAMED_ELSEWHERE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    credential_id: str
    instance_uid: bytes
    remote_ip: str
    capabilities: int
    transport: _facts_pb2.Transport
    description: _opamp_pb2.AgentDescription
    last_connection_settings_hash: bytes
    renamed_elsewhere: bool
    def __init__(self, tenant_id: _Optional[str] = ..., credential_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., remote_ip: _Optional[str] = ..., capabilities: _Optional[int] = ..., transport: _Optional[_Union[_facts_pb2.Transport, str]] = ..., description: _Optional[_Union[_opamp_pb2.AgentDescription, _Mapping]] = ..., last_connection_settings_hash: _Optional[bytes] = ..., renamed_elsewhere: _Optional[bool] = ...) -> None: ...

class AdmitAgentReply(_message.Message):
    __slots__ = ("approval", "labels", "connection_settings", "connection_settings_hash")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_SETTINGS_HASH_FIELD_NUMBER: _ClassVar[int]
    approval: str
    labels: _containers.ScalarMap[str, str]
    connection_settings: bytes
    connection_settings_hash: bytes
    def __init__(self, approval: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., connection_settings: _Optional[bytes] = ..., connection_settings_hash: _Optional[bytes] = ...) -> None: ...

class RequestCertificateRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "credential_id", "csr", "capabilities", "transport")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    CSR_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    credential_id: str
    csr: bytes
    capabilities: int
    transport: _facts_pb2.Transport
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., credential_id: _Optional[str] = ..., csr: _Optional[bytes] = ..., capabilities: _Optional[int] = ..., transport: _Optional[_Union[_facts_pb2.Transport, str]] = ...) -> None: ...

class RequestCertificateReply(_message.Message):
    __slots__ = ("connection_settings", "connection_settings_hash")
    CONNECTION_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_SETTINGS_HASH_FIELD_NUMBER: _ClassVar[int]
    connection_settings: bytes
    connection_settings_hash: bytes
    def __init__(self, connection_settings: _Optional[bytes] = ..., connection_settings_hash: _Optional[bytes] = ...) -> None: ...

class GetCertificateAuthorityRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCertificateAuthorityReply(_message.Message):
    __slots__ = ("certificates_pem",)
    CERTIFICATES_PEM_FIELD_NUMBER: _ClassVar[int]
    certificates_pem: str
    def __init__(self, certificates_pem: _Optional[str] = ...) -> None: ...

class AgentCredential(_message.Message):
    __slots__ = ("id", "instance_uid", "kind", "state", "created_at", "expires_at", "first_used_at", "revoked_at", "enrolment_token_id", "fingerprint", "revoked_by")
    ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    FIRST_USED_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    ENROLMENT_TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_BY_FIELD_NUMBER: _ClassVar[int]
    id: str
    instance_uid: bytes
    kind: str
    state: str
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    first_used_at: _timestamp_pb2.Timestamp
    revoked_at: _timestamp_pb2.Timestamp
    enrolment_token_id: str
    fingerprint: str
    revoked_by: str
    def __init__(self, id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., kind: _Optional[str] = ..., state: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., first_used_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., enrolment_token_id: _Optional[str] = ..., fingerprint: _Optional[str] = ..., revoked_by: _Optional[str] = ...) -> None: ...

class ListAgentCredentialsRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "page")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    page: _page_pb2.PageRequest
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class ListAgentCredentialsReply(_message.Message):
    __slots__ = ("credentials", "page")
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    credentials: _containers.RepeatedCompositeFieldContainer[AgentCredential]
    page: _page_pb2.PageReply
    def __init__(self, credentials: _Optional[_Iterable[_Union[AgentCredential, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ...) -> None: ...

class RevokeAgentAccessRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "credential_id", "author", "comment")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    credential_id: str
    author: str
    comment: str
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., credential_id: _Optional[str] = ..., author: _Optional[str] = ..., comment: _Optional[str] = ...) -> None: ...

class RevokeAgentAccessReply(_message.Message):
    __slots__ = ("revoked",)
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    revoked: _containers.RepeatedCompositeFieldContainer[AgentCredential]
    def __init__(self, revoked: _Optional[_Iterable[_Union[AgentCredential, _Mapping]]] = ...) -> None: ...

class RotateAgentCredentialRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., author: _Optional[str] = ...) -> None: ...

class RotateAgentCredentialReply(_message.Message):
    __slots__ = ("credential",)
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    credential: AgentCredential
    def __init__(self, credential: _Optional[_Union[AgentCredential, _Mapping]] = ...) -> None: ...

class DecideAgentRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "decision", "author", "comment")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    decision: str
    author: str
    comment: str
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., decision: _Optional[str] = ..., author: _Optional[str] = ..., comment: _Optional[str] = ...) -> None: ...

class DecideAgentReply(_message.Message):
    __slots__ = ("agent",)
    AGENT_FIELD_NUMBER: _ClassVar[int]
    agent: _agent_state_pb2.Agent
    def __init__(self, agent: _Optional[_Union[_agent_state_pb2.Agent, _Mapping]] = ...) -> None: ...

class TellAgentRequest(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "command", "custom_message", "report_available_components", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REPORT_AVAILABLE_COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    command: _opamp_pb2.ServerToAgentCommand
    custom_message: _opamp_pb2.CustomMessage
    report_available_components: bool
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., command: _Optional[_Union[_opamp_pb2.ServerToAgentCommand, _Mapping]] = ..., custom_message: _Optional[_Union[_opamp_pb2.CustomMessage, _Mapping]] = ..., report_available_components: _Optional[bool] = ..., author: _Optional[str] = ...) -> None: ...

class TellAgentReply(_message.Message):
    __slots__ = ("gateway_id", "at_once")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    AT_ONCE_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    at_once: bool
    def __init__(self, gateway_id: _Optional[str] = ..., at_once: _Optional[bool] = ...) -> None: ...

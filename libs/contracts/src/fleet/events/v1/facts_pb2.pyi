from opamp.v1 import opamp_pb2 as _opamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Transport(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSPORT_UNSPECIFIED: _ClassVar[Transport]
    TRANSPORT_WEBSOCKET: _ClassVar[Transport]
    TRANSPORT_HTTP: _ClassVar[Transport]

class OfferKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OFFER_KIND_UNSPECIFIED: _ClassVar[OfferKind]
    OFFER_KIND_REMOTE_CONFIG: _ClassVar[OfferKind]
    OFFER_KIND_PACKAGES: _ClassVar[OfferKind]
    OFFER_KIND_CONNECTION_SETTINGS: _ClassVar[OfferKind]
    OFFER_KIND_COMMAND: _ClassVar[OfferKind]
    OFFER_KIND_CUSTOM_MESSAGE: _ClassVar[OfferKind]
    OFFER_KIND_REPORT_FULL_STATE: _ClassVar[OfferKind]
    OFFER_KIND_CLOSE: _ClassVar[OfferKind]
    OFFER_KIND_REPORT_AVAILABLE_COMPONENTS: _ClassVar[OfferKind]
TRANSPORT_UNSPECIFIED: Transport
TRANSPORT_WEBSOCKET: Transport
TRANSPORT_HTTP: Transport
OFFER_KIND_UNSPECIFIED: OfferKind
OFFER_KIND_REMOTE_CONFIG: OfferKind
OFFER_KIND_PACKAGES: OfferKind
OFFER_KIND_CONNECTION_SETTINGS: OfferKind
OFFER_KIND_COMMAND: OfferKind
OFFER_KIND_CUSTOM_MESSAGE: OfferKind
OFFER_KIND_REPORT_FULL_STATE: OfferKind
OFFER_KIND_CLOSE: OfferKind
OFFER_KIND_REPORT_AVAILABLE_COMPONENTS: OfferKind

class FactBatch(_message.Message):
    __slots__ = ("gateway_id", "facts")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    facts: _containers.RepeatedCompositeFieldContainer[Fact]
    def __init__(self, gateway_id: _Optional[str] = ..., facts: _Optional[_Iterable[_Union[Fact, _Mapping]]] = ...) -> None: ...

class Fact(_message.Message):
    __slots__ = ("tenant_id", "instance_uid", "epoch", "sequence", "time_unix_nano", "traceparent", "agent_sequence_num", "connected", "disconnected", "described", "health_reported", "effective_config_reported", "remote_config_status_reported", "package_statuses_reported", "connection_settings_status_reported", "connection_settings_requested", "components_reported", "custom_message_received", "offer_delivered")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    AGENT_SEQUENCE_NUM_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    DISCONNECTED_FIELD_NUMBER: _ClassVar[int]
    DESCRIBED_FIELD_NUMBER: _ClassVar[int]
    HEALTH_REPORTED_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_CONFIG_REPORTED_FIELD_NUMBER: _ClassVar[int]
    REMOTE_CONFIG_STATUS_REPORTED_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_STATUSES_REPORTED_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_SETTINGS_STATUS_REPORTED_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_SETTINGS_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_REPORTED_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_MESSAGE_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    OFFER_DELIVERED_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    instance_uid: bytes
    epoch: int
    sequence: int
    time_unix_nano: int
    traceparent: str
    agent_sequence_num: int
    connected: Connected
    disconnected: Disconnected
    described: Described
    health_reported: HealthReported
    effective_config_reported: EffectiveConfigReported
    remote_config_status_reported: RemoteConfigStatusReported
    package_statuses_reported: PackageStatusesReported
    connection_settings_status_reported: ConnectionSettingsStatusReported
    connection_settings_requested: ConnectionSettingsRequested
    components_reported: ComponentsReported
    custom_message_received: CustomMessageReceived
    offer_delivered: OfferDelivered
    def __init__(self, tenant_id: _Optional[str] = ..., instance_uid: _Optional[bytes] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., time_unix_nano: _Optional[int] = ..., traceparent: _Optional[str] = ..., agent_sequence_num: _Optional[int] = ..., connected: _Optional[_Union[Connected, _Mapping]] = ..., disconnected: _Optional[_Union[Disconnected, _Mapping]] = ..., described: _Optional[_Union[Described, _Mapping]] = ..., health_reported: _Optional[_Union[HealthReported, _Mapping]] = ..., effective_config_reported: _Optional[_Union[EffectiveConfigReported, _Mapping]] = ..., remote_config_status_reported: _Optional[_Union[RemoteConfigStatusReported, _Mapping]] = ..., package_statuses_reported: _Optional[_Union[PackageStatusesReported, _Mapping]] = ..., connection_settings_status_reported: _Optional[_Union[ConnectionSettingsStatusReported, _Mapping]] = ..., connection_settings_requested: _Optional[_Union[ConnectionSettingsRequested, _Mapping]] = ..., components_reported: _Optional[_Union[ComponentsReported, _Mapping]] = ..., custom_message_received: _Optional[_Union[CustomMessageReceived, _Mapping]] = ..., offer_delivered: _Optional[_Union[OfferDelivered, _Mapping]] = ...) -> None: ...

class Connected(_message.Message):
    __slots__ = ("gateway_id", "transport", "remote_address", "capabilities", "credential_id", "labels", "withheld")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    WITHHELD_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    transport: Transport
    remote_address: str
    capabilities: int
    credential_id: str
    labels: _containers.ScalarMap[str, str]
    withheld: bool
    def __init__(self, gateway_id: _Optional[str] = ..., transport: _Optional[_Union[Transport, str]] = ..., remote_address: _Optional[str] = ..., capabilities: _Optional[int] = ..., credential_id: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., withheld: _Optional[bool] = ...) -> None: ...

class Disconnected(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Described(_message.Message):
    __slots__ = ("description", "capabilities", "custom_capabilities")
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    description: _opamp_pb2.AgentDescription
    capabilities: int
    custom_capabilities: _opamp_pb2.CustomCapabilities
    def __init__(self, description: _Optional[_Union[_opamp_pb2.AgentDescription, _Mapping]] = ..., capabilities: _Optional[int] = ..., custom_capabilities: _Optional[_Union[_opamp_pb2.CustomCapabilities, _Mapping]] = ...) -> None: ...

class HealthReported(_message.Message):
    __slots__ = ("health",)
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    health: _opamp_pb2.ComponentHealth
    def __init__(self, health: _Optional[_Union[_opamp_pb2.ComponentHealth, _Mapping]] = ...) -> None: ...

class EffectiveConfigReported(_message.Message):
    __slots__ = ("effective_config",)
    EFFECTIVE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    effective_config: _opamp_pb2.EffectiveConfig
    def __init__(self, effective_config: _Optional[_Union[_opamp_pb2.EffectiveConfig, _Mapping]] = ...) -> None: ...

class RemoteConfigStatusReported(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: _opamp_pb2.RemoteConfigStatus
    def __init__(self, status: _Optional[_Union[_opamp_pb2.RemoteConfigStatus, _Mapping]] = ...) -> None: ...

class PackageStatusesReported(_message.Message):
    __slots__ = ("statuses",)
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    statuses: _opamp_pb2.PackageStatuses
    def __init__(self, statuses: _Optional[_Union[_opamp_pb2.PackageStatuses, _Mapping]] = ...) -> None: ...

class ConnectionSettingsStatusReported(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: _opamp_pb2.ConnectionSettingsStatus
    def __init__(self, status: _Optional[_Union[_opamp_pb2.ConnectionSettingsStatus, _Mapping]] = ...) -> None: ...

class ConnectionSettingsRequested(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: _opamp_pb2.ConnectionSettingsRequest
    def __init__(self, request: _Optional[_Union[_opamp_pb2.ConnectionSettingsRequest, _Mapping]] = ...) -> None: ...

class ComponentsReported(_message.Message):
    __slots__ = ("components",)
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    components: _opamp_pb2.AvailableComponents
    def __init__(self, components: _Optional[_Union[_opamp_pb2.AvailableComponents, _Mapping]] = ...) -> None: ...

class CustomMessageReceived(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: _opamp_pb2.CustomMessage
    def __init__(self, message: _Optional[_Union[_opamp_pb2.CustomMessage, _Mapping]] = ...) -> None: ...

class OfferDelivered(_message.Message):
    __slots__ = ("kind", "content_hash", "offer_id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    kind: OfferKind
    content_hash: bytes
    offer_id: str
    def __init__(self, kind: _Optional[_Union[OfferKind, str]] = ..., content_hash: _Optional[bytes] = ..., offer_id: _Optional[str] = ...) -> None: ...

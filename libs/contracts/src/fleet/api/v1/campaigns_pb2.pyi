import datetime

from fleet.api.v1 import page_pb2 as _page_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CampaignPlan(_message.Message):
    __slots__ = ("stages", "max_in_flight", "watch_seconds", "timeout_seconds", "failure_threshold", "window", "rollback")
    STAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    WATCH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    ROLLBACK_FIELD_NUMBER: _ClassVar[int]
    stages: _containers.RepeatedCompositeFieldContainer[CampaignStage]
    max_in_flight: int
    watch_seconds: int
    timeout_seconds: int
    failure_threshold: CampaignThreshold
    window: CampaignWindow
    rollback: bool
    def __init__(self, stages: _Optional[_Iterable[_Union[CampaignStage, _Mapping]]] = ..., max_in_flight: _Optional[int] = ..., watch_seconds: _Optional[int] = ..., timeout_seconds: _Optional[int] = ..., failure_threshold: _Optional[_Union[CampaignThreshold, _Mapping]] = ..., window: _Optional[_Union[CampaignWindow, _Mapping]] = ..., rollback: _Optional[bool] = ...) -> None: ...

class CampaignStage(_message.Message):
    __slots__ = ("percent", "selector")
    class SelectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    percent: int
    selector: _containers.ScalarMap[str, str]
    def __init__(self, percent: _Optional[int] = ..., selector: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CampaignThreshold(_message.Message):
    __slots__ = ("percent", "count")
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    percent: int
    count: int
    def __init__(self, percent: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class CampaignWindow(_message.Message):
    __slots__ = ("time_zone", "days", "to")
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    time_zone: str
    days: _containers.RepeatedScalarFieldContainer[str]
    to: str
    def __init__(self, time_zone: _Optional[str] = ..., days: _Optional[_Iterable[str]] = ..., to: _Optional[str] = ..., **kwargs) -> None: ...

class Campaign(_message.Message):
    __slots__ = ("id", "tenant_id", "name", "assignment_id", "package", "from_version", "to_version", "plan", "state", "reason", "stage", "agents", "opens_at", "revision", "created_by", "created_at", "updated_by", "updated_at", "started_at", "ended_at")
    class AgentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    OPENS_AT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    tenant_id: str
    name: str
    assignment_id: str
    package: str
    from_version: str
    to_version: str
    plan: CampaignPlan
    state: str
    reason: str
    stage: int
    agents: _containers.ScalarMap[str, int]
    opens_at: _timestamp_pb2.Timestamp
    revision: int
    created_by: str
    created_at: _timestamp_pb2.Timestamp
    updated_by: str
    updated_at: _timestamp_pb2.Timestamp
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., assignment_id: _Optional[str] = ..., package: _Optional[str] = ..., from_version: _Optional[str] = ..., to_version: _Optional[str] = ..., plan: _Optional[_Union[CampaignPlan, _Mapping]] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., stage: _Optional[int] = ..., agents: _Optional[_Mapping[str, int]] = ..., opens_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision: _Optional[int] = ..., created_by: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_by: _Optional[str] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateCampaignRequest(_message.Message):
    __slots__ = ("tenant_id", "name", "assignment_id", "to_version", "plan", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    assignment_id: str
    to_version: str
    plan: CampaignPlan
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., assignment_id: _Optional[str] = ..., to_version: _Optional[str] = ..., plan: _Optional[_Union[CampaignPlan, _Mapping]] = ..., author: _Optional[str] = ...) -> None: ...

class CreateCampaignReply(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class UpdateCampaignRequest(_message.Message):
    __slots__ = ("tenant_id", "id", "name", "to_version", "plan", "expected_revision", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    id: str
    name: str
    to_version: str
    plan: CampaignPlan
    expected_revision: int
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., to_version: _Optional[str] = ..., plan: _Optional[_Union[CampaignPlan, _Mapping]] = ..., expected_revision: _Optional[int] = ..., author: _Optional[str] = ...) -> None: ...

class UpdateCampaignReply(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class GetCampaignRequest(_message.Message):
    __slots__ = ("tenant_id", "id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    id: str
    def __init__(self, tenant_id: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class GetCampaignReply(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class ListCampaignsRequest(_message.Message):
    __slots__ = ("tenant_id", "page", "states", "assignment_id", "package", "search")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    page: _page_pb2.PageRequest
    states: _containers.RepeatedScalarFieldContainer[str]
    assignment_id: str
    package: str
    search: str
    def __init__(self, tenant_id: _Optional[str] = ..., page: _Optional[_Union[_page_pb2.PageRequest, _Mapping]] = ..., states: _Optional[_Iterable[str]] = ..., assignment_id: _Optional[str] = ..., package: _Optional[str] = ..., search: _Optional[str] = ...) -> None: ...

class ListCampaignsReply(_message.Message):
    __slots__ = ("campaigns", "page")
    CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    campaigns: _containers.RepeatedCompositeFieldContainer[Campaign]
    page: _page_pb2.PageReply
    def __init__(self, campaigns: _Optional[_Iterable[_Union[Campaign, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ...) -> None: ...

class DeleteCampaignRequest(_message.Message):
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

class DeleteCampaignReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SteerCampaignRequest(_message.Message):
    __slots__ = ("tenant_id", "id", "action", "expected_revision", "author")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    id: str
    action: str
    expected_revision: int
    author: str
    def __init__(self, tenant_id: _Optional[str] = ..., id: _Optional[str] = ..., action: _Optional[str] = ..., expected_revision: _Optional[int] = ..., author: _Optional[str] = ...) -> None: ...

class SteerCampaignReply(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class ListCampaignAgentsRequest(_message.Message):
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

class CampaignAgent(_message.Message):
    __slots__ = ("instance_uid", "state", "stage", "since", "error_message", "put_back")
    INSTANCE_UID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PUT_BACK_FIELD_NUMBER: _ClassVar[int]
    instance_uid: bytes
    state: str
    stage: int
    since: _timestamp_pb2.Timestamp
    error_message: str
    put_back: bool
    def __init__(self, instance_uid: _Optional[bytes] = ..., state: _Optional[str] = ..., stage: _Optional[int] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error_message: _Optional[str] = ..., put_back: _Optional[bool] = ...) -> None: ...

class ListCampaignAgentsReply(_message.Message):
    __slots__ = ("agents", "page")
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[CampaignAgent]
    page: _page_pb2.PageReply
    def __init__(self, agents: _Optional[_Iterable[_Union[CampaignAgent, _Mapping]]] = ..., page: _Optional[_Union[_page_pb2.PageReply, _Mapping]] = ...) -> None: ...

class GetCampaignFailuresRequest(_message.Message):
    __slots__ = ("tenant_id", "id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    id: str
    def __init__(self, tenant_id: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class CampaignFailure(_message.Message):
    __slots__ = ("error_message", "count", "instance_uids")
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UIDS_FIELD_NUMBER: _ClassVar[int]
    error_message: str
    count: int
    instance_uids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, error_message: _Optional[str] = ..., count: _Optional[int] = ..., instance_uids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetCampaignFailuresReply(_message.Message):
    __slots__ = ("failures", "total")
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    failures: _containers.RepeatedCompositeFieldContainer[CampaignFailure]
    total: int
    def __init__(self, failures: _Optional[_Iterable[_Union[CampaignFailure, _Mapping]]] = ..., total: _Optional[int] = ...) -> None: ...

from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CampaignEvent(_message.Message):
    __slots__ = ("event_id", "tenant_id", "campaign_id", "name", "assignment_id", "package", "from_version", "to_version", "stage", "reason", "author", "time_unix_nano", "traceparent", "started", "paused", "resumed", "halted", "completed", "aborted")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TIME_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    HALTED_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    ABORTED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    tenant_id: str
    campaign_id: str
    name: str
    assignment_id: str
    package: str
    from_version: str
    to_version: str
    stage: int
    reason: str
    author: str
    time_unix_nano: int
    traceparent: str
    started: CampaignStarted
    paused: CampaignPaused
    resumed: CampaignResumed
    halted: CampaignHalted
    completed: CampaignCompleted
    aborted: CampaignAborted
    def __init__(self, event_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., name: _Optional[str] = ..., assignment_id: _Optional[str] = ..., package: _Optional[str] = ..., from_version: _Optional[str] = ..., to_version: _Optional[str] = ..., stage: _Optional[int] = ..., reason: _Optional[str] = ..., author: _Optional[str] = ..., time_unix_nano: _Optional[int] = ..., traceparent: _Optional[str] = ..., started: _Optional[_Union[CampaignStarted, _Mapping]] = ..., paused: _Optional[_Union[CampaignPaused, _Mapping]] = ..., resumed: _Optional[_Union[CampaignResumed, _Mapping]] = ..., halted: _Optional[_Union[CampaignHalted, _Mapping]] = ..., completed: _Optional[_Union[CampaignCompleted, _Mapping]] = ..., aborted: _Optional[_Union[CampaignAborted, _Mapping]] = ...) -> None: ...

class CampaignStarted(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CampaignPaused(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CampaignResumed(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CampaignHalted(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CampaignCompleted(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CampaignAborted(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

"""Rows as callers see them: database records to messages of fleet.api.v1. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from agent_state.agent import from_signed
from agent_state.credential import CERTIFICATE, REVOKED, state_at
from agent_state.enrolment import GROUP
from agent_state.report_store import REPORT_TABLES
from fleet.api.v1 import agent_state_pb2 as api
from fleet.api.v1 import identity_pb2 as identity

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from agent_state.credential import Credential
    from agent_state.token_store import EnrolmentToken


class Row(Protocol):
    """A record by column name: asyncpg's, or a dict."""

    def __getitem__(self, name: str, /) -> Any: ...


_TEXTS = (
    "tenant_id",
    "name",
    "version",
    "hostname",
    "os_type",
    "architecture",
    "status",
    "link",
    "health_state",
    "health_error",
    "config_state",
    "config_error",
    "disconnect_reason",
    "remote_address",
    "transport",
    "epoch",
    "remote_config_hash",
    "approval",
    "enrolment_token_id",
    "ephemeral_seconds",
)
_TIMES = ("last_connected_at", "last_disconnected_at", "last_seen_at", "created_at", "updated_at")
_MESSAGES = ("description", "effective_config", "components", *REPORT_TABLES)


def agent_of(row: Row, *, whole: bool) -> api.Agent:
    """Write one agent; *whole* adds what it reported of itself."""
    agent = api.Agent(
        instance_uid=row["agent_uid"],
        agent_sequence_num=from_signed(row["agent_sequence_num"]),
        capabilities=from_signed(row["capabilities"]),
        gateway_id=row["gateway_id"] or "",
        labels=row["labels"] or {},
        stamped_labels=row["stamped_labels"] or {},
        **{name: row[name] for name in _TEXTS},
    )
    for name in _TIMES:
        _set_time(getattr(agent, name), row[name])
    if whole:
        for name in _MESSAGES:
            if row[name] is not None:
                getattr(agent, name).ParseFromString(row[name])
                getattr(agent, name).SetInParent()
    return agent


def connection_of(row: Row) -> api.Connection:
    """Write one line of the history; a connection's number is also its id."""
    connection = api.Connection(
        id=row["epoch"],
        instance_uid=row["agent_uid"],
        epoch=row["epoch"],
        duration_seconds=row["duration_seconds"],
        disconnect_reason=row["disconnect_reason"],
        remote_address=row["remote_address"],
        gateway_id=row["gateway_id"],
        transport=row["transport"],
    )
    for name in ("connected_at", "disconnected_at", "updated_at"):
        _set_time(getattr(connection, name), row[name])
    return connection


def token_of(token: EnrolmentToken) -> api.EnrolmentToken:
    """Write one token, without its text."""
    rules = token.rules
    view = api.EnrolmentToken(
        id=token.id,
        tenant_id=token.tenant_id,
        name=token.name,
        created_by=token.created_by,
        rules=api.EnrolmentRules(
            max_uses=rules.max_uses,
            cidrs=rules.cidrs,
            labels={key: value for key, value in rules.labels.items() if key != GROUP},
            group=rules.labels.get(GROUP, ""),
            requires_approval=rules.requires_approval,
            ephemeral_seconds=rules.ephemeral_seconds,
            issues=rules.issues,
            credential_lifetime_seconds=rules.credential_lifetime_seconds,
        ),
        uses=token.uses,
    )
    for name in ("created_at", "expires_at", "revoked_at"):
        _set_time(getattr(view, name), getattr(token, name))
    return view


def credential_of(credential: Credential, now: datetime) -> identity.AgentCredential:
    """Write one credential of an agent; what has run out shows as expired."""
    view = identity.AgentCredential(
        id=credential.id,
        instance_uid=credential.uid,
        kind=credential.kind,
        state=state_at(credential, now),
        enrolment_token_id=credential.enrolment_token_id,
        fingerprint=credential.proof_hash.hex() if credential.kind == CERTIFICATE else "",
        revoked_by=credential.revoked_by,
    )
    for name in ("created_at", "expires_at", "first_used_at"):
        _set_time(getattr(view, name), getattr(credential, name))
    if credential.state == REVOKED:
        _set_time(view.revoked_at, credential.ended_at)
    return view


def _set_time(field: Timestamp, value: datetime | None) -> None:
    if value is not None:
        field.FromDatetime(value)

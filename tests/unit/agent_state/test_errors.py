from __future__ import annotations

import pytest

from agent_state.errors import (
    AgentNotFound,
    AgentRefused,
    CannotTell,
    CertificateRefused,
    ConnectionNotFound,
    CredentialNotFound,
    DecisionNotAllowed,
    InvalidPolicy,
    InvalidQuery,
    NoCredentialKey,
    NothingToRotate,
    PolicyNotFound,
    PolicyVersionMismatch,
    TokenNotFound,
)
from servicekit.errors import Kind, Problem, ServiceError


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (InvalidQuery("limit", "too large"), Kind.INVALID, "invalid_query"),
        (AgentNotFound(), Kind.NOT_FOUND, "agent_not_found"),
        (ConnectionNotFound(), Kind.NOT_FOUND, "connection_not_found"),
        (TokenNotFound(), Kind.NOT_FOUND, "token_not_found"),
        (AgentRefused("no"), Kind.UNAUTHENTICATED, "agent_refused"),
        (CertificateRefused("no"), Kind.INVALID, "certificate_refused"),
        (NoCredentialKey(), Kind.INVALID, "no_credential_key"),
        (DecisionNotAllowed("no"), Kind.CONFLICT, "decision_not_allowed"),
        (NothingToRotate("no"), Kind.CONFLICT, "nothing_to_rotate"),
        (CredentialNotFound(), Kind.NOT_FOUND, "credential_not_found"),
        (InvalidPolicy([Problem("name", "no")]), Kind.INVALID, "invalid_connection_settings"),
        (PolicyNotFound(), Kind.NOT_FOUND, "connection_settings_not_found"),
        (PolicyVersionMismatch(), Kind.PRECONDITION_FAILED, "version_mismatch"),
        (CannotTell("no"), Kind.CONFLICT, "cannot_tell_agent"),
    ],
)
def test_kinds_and_codes_are_stable(error: ServiceError, kind: Kind, code: str) -> None:
    """Callers decide by these; they do not change."""
    assert (error.kind, error.stable_code) == (kind, code)
    assert error.public


def test_invalid_query_names_its_field() -> None:
    """The details say where."""
    assert InvalidQuery("limit", "too large").details[0].field == "limit"

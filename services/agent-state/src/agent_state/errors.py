"""
What callers of agent-state may be told.

    ServiceError
    ├── Invalid
    │   ├── CertificateRefused    a certificate is asked for that is not given
    │   ├── InvalidPolicy         connection settings no agent should get
    │   ├── InvalidQuery          a filter, sort, page or id that cannot be understood
    │   └── NoCredentialKey       tokens cannot issue credentials without a key
    ├── Conflict
    │   ├── CannotTell            the agent is not there, not approved, or not able
    │   ├── DecisionNotAllowed    the agent's approval does not allow it
    │   └── NothingToRotate       the agent has no credential the platform could renew
    ├── PreconditionFailed
    │   └── PolicyVersionMismatch
    ├── Unauthenticated
    │   └── AgentRefused          this agent is not let in; the sentence says why
    └── NotFound
        ├── AgentNotFound
        ├── ConnectionNotFound    the agent has no open connection
        ├── CredentialNotFound
        ├── PolicyNotFound
        └── TokenNotFound
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicekit.errors import Conflict, Invalid, NotFound, PreconditionFailed, Problem, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Sequence


class InvalidQuery(Invalid):
    """A filter, sort, page or id cannot be understood; the details name the field."""

    code = "invalid_query"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", details=[Problem(field, message)])


class AgentRefused(Unauthenticated):
    """This agent is not let in: its token is used up, it was rejected, and the like; the sentence says which."""

    code = "agent_refused"


class CertificateRefused(Invalid):
    """A certificate is asked for that is not given; the sentence is told to the agent."""

    code = "certificate_refused"


class NoCredentialKey(Invalid):
    """Tokens that issue credentials need a key to derive them from."""

    code = "no_credential_key"

    def __init__(self) -> None:
        super().__init__(
            "This platform issues no credentials: set AGENT_STATE_CREDENTIAL_KEY_FILE to a file of 32 random bytes or "
            "more, or make the token with issues = none.",
            details=[Problem("issues", "needs AGENT_STATE_CREDENTIAL_KEY")],
        )


class DecisionNotAllowed(Conflict):
    """The agent's approval does not allow this decision."""

    code = "decision_not_allowed"


class CredentialNotFound(NotFound):
    """The agent has no credential with this id."""

    code = "credential_not_found"

    def __init__(self) -> None:
        super().__init__("The agent has no such credential.")


class NothingToRotate(Conflict):
    """The agent has no credential the platform could renew."""

    code = "nothing_to_rotate"


class AgentNotFound(NotFound):
    """No agent with this id, or not for this tenant."""

    code = "agent_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such agent.")


class ConnectionNotFound(NotFound):
    """The agent is known but not connected."""

    code = "connection_not_found"

    def __init__(self) -> None:
        super().__init__("The agent has no open connection.")


class TokenNotFound(NotFound):
    """No enrolment token with this id, or not for this tenant."""

    code = "token_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such enrolment token.")


class InvalidPolicy(Invalid):
    """Connection settings that no agent should get; the details name every fault."""

    code = "invalid_connection_settings"

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        super().__init__(f"{first.field}: {first.message}", details=problems)


class PolicyNotFound(NotFound):
    """No connection settings policy of this name, or not for this tenant."""

    code = "connection_settings_not_found"

    def __init__(self) -> None:
        super().__init__("There are no connection settings of this name.")


class PolicyVersionMismatch(PreconditionFailed):
    """Somebody else changed the policy since it was read."""

    code = "version_mismatch"

    def __init__(self) -> None:
        super().__init__("These connection settings were changed meanwhile; read them again.")


class CannotTell(Conflict):
    """The agent cannot be told this now; the sentence says why."""

    code = "cannot_tell_agent"

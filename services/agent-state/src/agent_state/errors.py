"""
What callers of agent-state may be told.

    ServiceError
    ├── Invalid
    │   ├── InvalidPolicy         connection settings no agent should get
    │   └── InvalidQuery          a filter, sort, page or id that cannot be understood
    ├── Conflict
    │   └── CannotTell            the agent is not there, not approved, or not able
    ├── PreconditionFailed
    │   └── PolicyVersionMismatch
    ├── Unauthenticated
    │   └── UnknownToken          nobody's token, or expired, or revoked
    └── NotFound
        ├── AgentNotFound
        ├── ConnectionNotFound    the agent has no open connection
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


class UnknownToken(Unauthenticated):
    """The enrolment token is nobody's, has expired or was revoked; which of them is not told."""

    code = "unknown_token"

    def __init__(self) -> None:
        super().__init__("This enrolment token is not valid.")


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

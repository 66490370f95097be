"""
What callers of agent-state may be told.

    ServiceError
    ├── Invalid
    │   └── InvalidQuery          a filter, sort, page or id that cannot be understood
    ├── Unauthenticated
    │   └── UnknownToken          nobody's token, or expired, or revoked
    └── NotFound
        ├── AgentNotFound
        ├── ConnectionNotFound    the agent has no open connection
        └── TokenNotFound
"""

from __future__ import annotations

from servicekit.errors import Invalid, NotFound, Problem, Unauthenticated


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

"""
What can go wrong here, and the HTTP status each error becomes.

    ServiceError
    ├── Invalid
    │   ├── Malformed               400  cannot be read: not JSON, a bad parameter, a bad header
    │   │   ├── BodyTooLarge        413
    │   │   ├── BodyTooSlow         408
    │   │   └── BodyEncoded         415
    │   └── Unprocessable           422  could be read, and its content is refused
    ├── Unauthenticated
    │   ├── BadCredentials          401  login refused; never says which half was wrong
    │   └── TokenRefused            401  access or refresh token refused
    │       └── RefreshTokenReused  401  and the session is ended
    ├── Forbidden
    │   ├── NotPermitted            403  the role lacks the permission
    │   ├── CapabilityNotPermitted  403  the role may not send custom messages of this capability
    │   └── RegistrationDisabled    403
    ├── NotFound
    │   ├── UnknownRoute            404
    │   ├── MethodNotAllowed        405
    │   ├── UnknownUser             404
    │   └── AgentNotFound            404
    ├── Conflict
    │   ├── UserExists              409
    │   ├── LastAdministrator       409
    │   └── NothingPushed           409  every agent of a push refused it
    ├── PreconditionFailed
    │   └── VersionChanged          412  If-Match names a version that is not current
    ├── TooMany
    │   ├── RateLimited             429
    │   └── TooManyWaiting          429  too many calls wait for answers of agents
    └── Unavailable
        └── NoReply                 504  the agent did not answer a custom message in time
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from servicekit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Kind,
    NotFound,
    PreconditionFailed,
    Problem,
    ServiceError,
    TooMany,
    Unauthenticated,
    Unavailable,
)

STATUS_OF_KIND: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.PRECONDITION_FAILED: 412,
    Kind.TOO_MANY: 429,
    Kind.UNAVAILABLE: 503,
    Kind.INTERNAL: 500,
}


class Malformed(Invalid):
    """The request cannot be read."""

    code = "malformed_request"
    status: ClassVar[int] = 400


class BodyTooLarge(Malformed):
    """The body is longer than MAX_BODY_BYTES."""

    code = "body_too_large"
    status = 413


class BodyTooSlow(Malformed):
    """The body did not arrive in time."""

    code = "body_too_slow"
    status = 408


class BodyEncoded(Malformed):
    """The body is compressed; requests here are small, and what inflates can hurt."""

    code = "body_encoded"
    status = 415


class Unprocessable(Invalid):
    """The request was read, and its content is refused."""

    code = "validation_failed"
    status: ClassVar[int] = 422


class BadCredentials(Unauthenticated):
    """Login refused. The sentence is the same for an unknown user, a wrong password and a disabled account."""

    code = "bad_credentials"


class TokenRefused(Unauthenticated):
    """The access or refresh token is missing, forged, expired, used up or revoked."""

    code = "token_refused"


class RefreshTokenReused(TokenRefused):
    """A refresh token was shown a second time: somebody has a copy. Its family is revoked."""

    code = "refresh_token_reused"


class NotPermitted(Forbidden):
    """The caller's role lacks the permission the route declares."""

    code = "not_permitted"


class CapabilityNotPermitted(Forbidden):
    """The caller's role may not send custom messages of this capability."""

    code = "capability_not_permitted"


class RegistrationDisabled(Forbidden):
    """Accounts are made by administrators here."""

    code = "registration_disabled"


class UnknownRoute(NotFound):
    """No such path."""

    code = "unknown_route"


class MethodNotAllowed(NotFound):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    status: ClassVar[int] = 405


class UnknownUser(NotFound):
    """No such user in this tenant."""

    code = "unknown_user"


class AgentNotFound(NotFound):
    """No such agent in this tenant, or an id that cannot be one; agent-state's code and sentence."""

    code = "agent_not_found"

    def __init__(self, *, details: Sequence[Problem] = ()) -> None:
        super().__init__("There is no such agent.", details=details)


class UserExists(Conflict):
    """The username or e-mail address is taken."""

    code = "user_exists"


class LastAdministrator(Conflict):
    """The change would leave nobody who can manage users."""

    code = "last_administrator"


class NothingPushed(Conflict):
    """
    Every agent of a push refused it.

    Args:
        public: Sentence.

        details: One per agent.

        extra: Keys of the push answer, repeated in the problem.
    """

    code = "nothing_pushed"

    def __init__(self, public: str, *, details: Sequence[Problem], extra: Mapping[str, Any]) -> None:
        super().__init__(public, details=details)
        self.extra = extra


class VersionChanged(PreconditionFailed):
    """
    If-Match names a version that is not the current one.

    Args:
        public: Sentence.

        current_version: What a client should read before trying again; None when it could not be told.
    """

    code = "version_changed"

    def __init__(self, public: str, *, current_version: int | None) -> None:
        super().__init__(public)
        self.current_version = current_version
        self.extra: Mapping[str, Any] = {} if current_version is None else {"current_version": current_version}


class RateLimited(TooMany):
    """A rate limit is reached."""

    code = "rate_limited"


class TooManyWaiting(TooMany):
    """As many calls as this replica holds wait for answers of agents already."""

    code = "too_many_waiting"


class NoReply(Unavailable):
    """The agent was told, and did not answer in time; it may still have acted on the message."""

    code = "no_reply"
    status: ClassVar[int] = 504


def status_of(error: ServiceError, *, has_body: bool) -> int:
    """
    Tell the HTTP status of an error.

    Args:
        error: Raised here or on the other side of the bus.

        has_body: Whether the request carried a document. Content a service refuses is then 422,
            since the request itself could be read.
    """
    own: int | None = getattr(error, "status", None)
    if own is not None:
        return own
    if error.kind is Kind.INVALID and has_body:
        return Unprocessable.status
    return STATUS_OF_KIND[error.kind]


_TOO_LARGE = "file_too_large"
_BAD_PACKAGE = "invalid_package"
_BAD_CAMPAIGN = "invalid_campaign"


def package_error(error: ServiceError) -> ServiceError:
    """
    Tell what an error of package-service is here.

    Names, versions, files and campaigns it refuses are 422 wherever they stood, in a form, a path or a query; a file
    that is too long is 413. Code, sentence and details stay its own.
    """
    known: dict[str, type[Invalid]] = {
        _TOO_LARGE: BodyTooLarge,
        _BAD_PACKAGE: Unprocessable,
        _BAD_CAMPAIGN: Unprocessable,
    }
    own = known.get(error.stable_code)
    if own is None:
        return error
    told = own(error.public, details=error.details)
    told.remote_code = error.stable_code
    return told

"""Whether what was made at an earlier start still lets a person and an agent in; only a plain no counts as no."""

from __future__ import annotations

import urllib.error
import urllib.request

from devstack.errors import StackError
from devstack.rest import UNAUTHENTICATED, Refused, Rest

ADMIN_ROLE = "admin"
TIMEOUT_SECONDS = 10.0


def admin_is_refused(api_url: str, username: str, password: str) -> bool:
    """
    Log in as the administrator we remember.

    Returns:
        True when the password was changed, or the user was disabled, removed or is no administrator any more.
        False also when the API does not say: to make another administrator needs better reasons.
    """
    rest = Rest(api_url, username, password)
    try:
        rest.login()
    except Refused as exc:
        return exc.status == UNAUTHENTICATED
    except StackError:
        return False
    return rest.role != ADMIN_ROLE


def token_is_refused(opamp_http_url: str, token: str) -> bool:
    """
    Knock where agents do, with the token we remember and a message that introduces nobody.

    Returns:
        True when it was revoked, has expired or is unknown; False also when the gateway does not say.
    """
    request = urllib.request.Request(  # noqa: S310  # our own http address
        opamp_http_url,
        method="POST",
        data=b"",
        headers={"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310  # the same
            return False
    except urllib.error.HTTPError as exc:
        exc.close()
        return exc.code == UNAUTHENTICATED
    except (OSError, ValueError):
        return False

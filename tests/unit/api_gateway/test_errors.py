"""Errors and their HTTP status."""

from __future__ import annotations

import pytest

from api_gateway import errors
from servicekit import errors as kit


@pytest.mark.parametrize(
    ("error", "has_body", "status"),
    [
        (kit.Invalid("x"), False, 400),
        (kit.Invalid("x"), True, 422),
        (errors.Malformed("x"), True, 400),
        (errors.BodyTooLarge("x"), True, 413),
        (errors.BodyTooSlow("x"), True, 408),
        (errors.Unprocessable("x"), False, 422),
        (errors.BadCredentials("x"), True, 401),
        (errors.NotPermitted("x"), False, 403),
        (kit.NotFound("x"), False, 404),
        (errors.MethodNotAllowed("x"), False, 405),
        (kit.Conflict("x"), True, 409),
        (errors.VersionChanged("x", current_version=3), True, 412),
        (kit.TooMany("x"), False, 429),
        (kit.Unavailable("x"), True, 503),
        (kit.InternalError("x"), True, 500),
    ],
)
def test_every_kind_has_its_status(error: kit.ServiceError, status: int, *, has_body: bool) -> None:
    """What a service calls invalid is 422 when a document was sent, 400 when only parameters were."""
    assert errors.status_of(error, has_body=has_body) == status


def test_a_changed_version_is_told() -> None:
    """The client knows what to read next."""
    assert errors.VersionChanged("x", current_version=3).extra == {"current_version": 3}
    assert errors.VersionChanged("x", current_version=None).extra == {}

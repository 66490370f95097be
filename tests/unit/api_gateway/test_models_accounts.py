"""What accounts may look like."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api_gateway.models.accounts import Credentials, NewUser, PasswordChange, RefreshToken, Registration, UserChange
from api_gateway.permissions import Role

GOOD = {"username": "jo-the.user_1", "email": "jo@example.org", "password": "correct horse"}


@pytest.mark.parametrize(
    "change",
    [
        {"username": "jo"},
        {"username": "x" * 33},
        {"username": "jo user"},
        {"username": "-joe"},
        {"username": "joe\n"},
        {"username": "ĵoe"},
        {"email": "nobody"},
        {"email": "a@b c"},
        {"email": "x" * 260 + "@y"},
        {"password": "short"},
        {"password": "x" * 257},
    ],
)
def test_impossible_accounts_are_refused(change: dict[str, str]) -> None:
    """Names of 3 to 32 plain characters, something like an address, 8 to 256 characters of password."""
    with pytest.raises(ValidationError):
        Registration.model_validate(GOOD | change)


def test_who_registers_cannot_choose_a_role() -> None:
    """Mass assignment of rights."""
    made = Registration.model_validate({**GOOD, "role": "admin", "is_active": True, "id": "1"})

    assert set(made.model_dump()) == {"username", "email", "password"}


def test_an_admin_chooses_role_and_may_leave_the_password_out() -> None:
    """The least role unless said otherwise; a username is fixed."""
    assert NewUser.model_validate({"username": "joe"}).role is Role.VIEWER
    assert UserChange.model_validate({"username": "amy", "role": "operator"}).model_fields_set == {"role"}
    with pytest.raises(ValidationError):
        NewUser.model_validate({"username": "joe", "role": "root"})


def test_no_document_shows_its_secret_when_printed() -> None:
    """A traceback or a careless log line names the field and not the value."""
    hush = "hush-hush-hush"
    documents = (
        Credentials(username="joe", password=hush),
        Registration(username="joe", email="j@x", password=hush),
        RefreshToken(refresh_token=hush),
        PasswordChange(current_password=hush, new_password=hush),
        NewUser(username="joe", password=hush),
        UserChange(password=hush),
    )

    assert [document for document in documents if hush in repr(document)] == []

"""Who asks: proven by the token, confirmed by the table."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from api_gateway.account import Account
from api_gateway.authentication import Authenticator
from api_gateway.errors import TokenRefused
from api_gateway.permissions import Role
from api_gateway.tokens import AccessTokens, load_keys

NOW = datetime.now(UTC)
FAMILY = str(uuid.uuid4())
TOKENS = AccessTokens(load_keys(None), lifetime_seconds=600)


def account(role: Role = Role.OPERATOR, version: int = 1) -> Account:
    """Make an account."""
    return Account(
        tenant_id="default",
        user_id=str(uuid.UUID(int=1)),
        username="jo",
        email="",
        role=role,
        is_active=True,
        session_version=version,
        created_at=NOW,
        updated_at=NOW,
        last_login_at=None,
    )


class Table:
    """A session table in memory that can be taken away."""

    def __init__(self) -> None:
        self.account: Account | None = account()
        self.error: Exception | None = None
        self.asked = 0

    async def standing(self, tenant_id: str, user_id: str, family_id: str) -> Account | None:
        """Answer, or be away."""
        assert (tenant_id, user_id, family_id) == ("default", str(uuid.UUID(int=1)), FAMILY)
        self.asked += 1
        if self.error:
            raise self.error
        return self.account


class Hand:
    """A clock moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def made() -> tuple[Authenticator, Table, Hand, str]:
    """Make an authenticator, its table and clock, and a header that is good."""
    table, clock = Table(), Hand()
    header = f"Bearer {TOKENS.sign(account().principal(FAMILY), 1, datetime.now(UTC))}"
    return Authenticator(TOKENS, table, clock, recheck_seconds=30), table, clock, header


async def test_a_session_is_confirmed_once_in_a_while() -> None:
    """Not at every request."""
    authenticator, table, clock, header = made()

    for _ in range(5):
        assert (await authenticator.principal(header)).username == "jo"
    assert table.asked == 1
    clock.now = 30
    await authenticator.principal(header)
    assert table.asked == 2


async def test_the_role_is_todays_not_the_tokens() -> None:
    """Demoting somebody does not wait for the token to expire."""
    authenticator, table, clock, header = made()
    await authenticator.principal(header)
    table.account = account(Role.VIEWER)
    clock.now = 31

    assert (await authenticator.principal(header)).role is Role.VIEWER


@pytest.mark.parametrize("standing", [None, account(version=2)])
async def test_an_ended_session_is_refused(standing: Account | None) -> None:
    """Logged out, disabled, or with a new password."""
    authenticator, table, _, header = made()
    await authenticator.principal(header)
    table.account = standing
    authenticator.forget(str(uuid.UUID(int=1)))

    with pytest.raises(TokenRefused, match="ended"):
        await authenticator.principal(header)


async def test_while_the_database_is_away_the_last_word_counts() -> None:
    """Whoever was confirmed goes on; whoever was not waits."""
    authenticator, table, clock, header = made()
    table.error = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        await authenticator.principal(header)
    table.error = None
    await authenticator.principal(header)
    table.error = ConnectionResetError()
    clock.now = 1000

    assert (await authenticator.principal(header)).username == "jo"


async def test_a_bug_is_not_taken_for_an_outage() -> None:
    """Only a database that is away is forgiven."""
    authenticator, table, clock, header = made()
    await authenticator.principal(header)
    table.error = RuntimeError()
    clock.now = 1000

    with pytest.raises(RuntimeError):
        await authenticator.principal(header)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic am86am8=", "token", "Bearer x y"])
async def test_a_header_without_a_token_is_refused(header: str | None) -> None:
    """Each in words that help."""
    with pytest.raises(TokenRefused):
        await made()[0].principal(header)


async def test_a_session_opened_here_needs_no_second_look() -> None:
    """The login has just asked the database."""
    authenticator, table, _, header = made()
    table.error = ConnectionResetError()
    authenticator.confirm(account(), FAMILY, authenticator.mark())

    assert (await authenticator.principal(header)).username == "jo"


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest session is asked about again."""
    monkeypatch.setattr("api_gateway.authentication.MAX_CONFIRMED", 3)
    authenticator, table, _, header = made()
    authenticator.confirm(account(), FAMILY, authenticator.mark())
    for number in range(3):
        authenticator.confirm(account(), str(number), authenticator.mark())

    await authenticator.principal(header)

    assert table.asked == 1


async def test_an_answer_from_before_a_logout_is_not_kept() -> None:
    """Neither that of a request, nor that of a refresh: the logout counts at once."""
    header = made()[3]

    class Overtaken(Table):
        """A table whose user logs out while it answers."""

        async def standing(self, tenant_id: str, user_id: str, family_id: str) -> Account | None:
            """Answer with what was true a moment ago."""
            found = await super().standing(tenant_id, user_id, family_id)
            authenticator.forget(user_id)
            self.account = None
            return found

    authenticator = Authenticator(TOKENS, Overtaken(), Hand(), recheck_seconds=30)
    await authenticator.principal(header)
    with pytest.raises(TokenRefused):
        await authenticator.principal(header)

    authenticator, table, _, header = made()
    mark = authenticator.mark()
    authenticator.forget(account().user_id)
    table.account = None
    authenticator.confirm(account(), FAMILY, mark)
    with pytest.raises(TokenRefused):
        await authenticator.principal(header)

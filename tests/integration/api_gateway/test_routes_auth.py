"""Login, refresh, logout, one's own password; and those who try to get in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import asyncpg
import pytest
from argon2 import PasswordHasher

from api_gateway.account import AccountChange
from api_gateway.passwords import Passwords
from api_gateway.permissions import Role

LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
ME = "/api/v1/me"
PASSWORD = "correct horse battery"
CHEAP = Passwords(time_cost=1, memory_kib=64)


async def test_a_login_gives_a_session_and_a_user_without_secrets(api: Any) -> None:
    """{token, user} as the original, and what a short token needs besides."""
    await api.user("Jo", Role.OPERATOR)

    session = await api.login("jO")
    me = await api.call("GET", ME, token=session["token"])
    alias = await api.call("GET", "/api/v1/auth/me", token=session["token"])

    assert set(session) == {"token", "refresh_token", "expires_in", "user"}
    assert session["expires_in"] == 600
    assert me.status == 200
    assert me.body == alias.body
    assert me.body["username"] == "Jo"
    assert me.body["role"] == "operator"
    assert me.body["last_login_at"]
    assert "password" not in me.text


async def test_a_refused_login_never_says_why(api: Any) -> None:
    """Unknown user, wrong password, disabled account: the same words and the same status."""
    user_id = await api.user("gone", Role.VIEWER)
    await api.user("here", Role.VIEWER)
    await api.users.change("default", user_id, AccountChange(is_active=False))

    replies = [
        await api.call("POST", LOGIN, json={"username": name, "password": password})
        for name, password in (("nobody", PASSWORD), ("here", "wrong"), ("gone", PASSWORD), ("gone", "wrong"))
    ]

    assert {reply.status for reply in replies} == {401}
    assert len({(reply.body["error"], reply.body["code"]) for reply in replies}) == 1
    assert replies[0].body["error"] == "wrong username or password"
    assert replies[0].headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_unknown_name_takes_no_less_time_than_a_wrong_password(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both work through one argon2 hash; the decoy costs what a password stored today costs."""
    await api.user("here", Role.VIEWER)
    worked: list[str] = []
    verify = PasswordHasher.verify

    def spied(hasher: PasswordHasher, stored: str, password: str) -> bool:
        worked.append(stored.rsplit("$", 2)[0])
        return verify(hasher, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", spied)
    for name in ("nobody", "here"):
        assert (await api.call("POST", LOGIN, json={"username": name, "password": "wrong"})).status == 401

    assert worked == ["$argon2id$v=19$m=19456,t=2,p=1", "$argon2id$v=19$m=64,t=1,p=1"]


async def test_passwords_hashed_with_old_parameters_are_hashed_anew(api: Any, postgres: Any) -> None:
    """A login is when the password is at hand."""
    await api.user("jo", Role.VIEWER)
    await api.login("jo")

    connection = await asyncpg.connect(postgres.url_for("api-gateway"))
    stored = await connection.fetchval("SELECT password_hash FROM user_account WHERE username = 'jo'")
    await connection.close()

    assert "m=19456,t=2,p=1" in stored
    await api.login("jo")


async def attempts_until_refused(api: Any, names: Iterable[str], **more: Any) -> tuple[int, float]:
    """Guess until 429; gives how many guesses got an answer, and the seconds they took."""
    start, answered = time.monotonic(), 0
    for name in names:
        reply = await api.call("POST", LOGIN, json={"username": name, "password": "wrong"}, **more)
        if reply.status == 429:
            assert 0 < int(reply.headers["Retry-After"]) <= 12
            break
        assert reply.status == 401
        answered += 1
    return answered, time.monotonic() - start


async def test_guessing_one_account_is_stopped_after_five(api: Any) -> None:
    """429 with Retry-After, for the right password too; another account is not affected; case does not help."""
    await api.user("jo", Role.VIEWER)
    await api.user("al", Role.VIEWER)

    answered, seconds = await attempts_until_refused(api, ["jo", "JO", "Jo", "jO"] * 5)
    right = await api.call("POST", LOGIN, json={"username": "jo", "password": PASSWORD})

    assert 5 <= answered <= 5 + seconds / 12
    assert right.status == 429
    assert await api.login("al")


async def test_guessing_names_from_one_address_is_stopped_after_twenty(api: Any) -> None:
    """Spraying one password over many accounts is limited per address; X-Forwarded-For does not help."""
    names = (f"user-{number}" for number in range(200))

    answered, seconds = await attempts_until_refused(api, names, headers={"X-Forwarded-For": "198.51.100.1"})

    assert 20 <= answered <= 20 + seconds / 3


async def test_logins_that_succeed_do_not_count(api: Any) -> None:
    """Scripts may log in as often as they like, also all at once."""
    await api.user("jo", Role.VIEWER)

    for _ in range(3):
        await asyncio.gather(*(api.login("jo") for _ in range(8)))


async def test_guessing_in_parallel_gets_no_more_guesses(api: Any) -> None:
    """Whoever waits for a turn is counted like whoever comes later; two are tried at a time."""
    await api.user("jo", Role.VIEWER)
    start = time.monotonic()

    guess = {"username": "jo", "password": "wrong"}
    replies = await asyncio.gather(*(api.call("POST", LOGIN, json=guess) for _ in range(40)))

    answered = [reply.status for reply in replies].count(401)
    assert 5 <= answered <= 6 + (time.monotonic() - start) / 12
    assert {reply.status for reply in replies} == {401, 429}


class TestBehindAProxy:
    """Clients of many addresses."""

    @pytest.fixture
    def settings_overrides(self) -> dict[str, Any]:
        """Believe what the test says its address is; few failures per account, to get there."""
        return {"trusted_proxies": ("127.0.0.0/8",), "login_per_account_per_minute": 12}

    async def test_a_stranger_does_not_lock_an_account_out(self, api: Any) -> None:
        """Wrong passwords count where they come from; from everywhere together they count too, roomily."""
        await api.user("jo", Role.VIEWER)

        async def log_in(address: str, password: str) -> int:
            body = {"username": "jo", "password": password}
            reply = await api.call("POST", LOGIN, json=body, headers={"X-Forwarded-For": address})
            status: int = reply.status
            return status

        stranger = [await log_in("198.51.100.1", "wrong") for _ in range(8)]
        owner = await log_in("192.0.2.1", PASSWORD)
        many = [await log_in(f"198.51.100.{number}", "wrong") for number in range(2, 20)]

        assert (stranger[:5], stranger[-1]) == ([401] * 5, 429)
        assert owner == 200
        assert (many[0], many[-1]) == (401, 429)


async def test_a_refused_login_is_logged_with_the_name_of_an_account_only(
    api: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """People type their password where the name belongs; that must not end up in a log."""
    await api.user("jo", Role.VIEWER)

    for name in ("JO", "hunter2-my-secret"):
        await api.call("POST", LOGIN, json={"username": name, "password": "wrong"})

    said = "".join(capfd.readouterr())
    assert said.count("login_refused") == 2
    assert "account=jo" in said.replace("\x1b[35m", "").replace("\x1b[36m", "").replace("\x1b[0m", "")
    assert "hunter2" not in said


async def test_a_login_waiting_while_the_password_changes_opens_no_session(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It proved the old password; 401 as for any other wrong one, and the new one stays."""
    user_id = await api.user("jo", Role.VIEWER)
    new = await CHEAP.hash("another horse")

    real = Passwords.verify

    async def verify(passwords: Passwords, *arguments: Any, **more: Any) -> bool:
        monkeypatch.setattr(Passwords, "verify", real)
        await api.users.change("default", user_id, AccountChange(password_hash=new))
        return await real(passwords, *arguments, **more)

    monkeypatch.setattr(Passwords, "verify", verify)

    late = await api.call("POST", LOGIN, json={"username": "jo", "password": PASSWORD})

    assert (late.status, late.body["code"]) == (401, "bad_credentials")
    assert (await api.call("POST", LOGIN, json={"username": "jo", "password": PASSWORD})).status == 401
    assert await api.login("jo", "another horse")


async def test_a_refresh_token_works_once_and_its_second_use_ends_the_session(api: Any) -> None:
    """Whoever copied it and whoever owns it: both are out, and the access token with them."""
    await api.user("jo", Role.VIEWER)
    first = await api.login("jo")
    other = await api.login("jo")

    second = await api.call("POST", REFRESH, json={"refresh_token": first["refresh_token"]})
    reused = await api.call("POST", REFRESH, json={"refresh_token": first["refresh_token"]})
    third = await api.call("POST", REFRESH, json={"refresh_token": second.body["refresh_token"]})
    untouched = await api.call("POST", REFRESH, json={"refresh_token": other["refresh_token"]})

    assert second.status == 200
    assert second.body["refresh_token"] != first["refresh_token"]
    assert (reused.status, reused.body["code"]) == (401, "refresh_token_reused")
    assert (third.status, third.body["code"]) == (401, "token_refused")
    assert untouched.status == 200
    assert (await api.call("GET", ME, token=untouched.body["token"])).status == 200


async def test_of_many_uses_at_once_one_wins(api: Any) -> None:
    """A race cannot split a session into two."""
    await api.user("jo", Role.VIEWER)
    token = (await api.login("jo"))["refresh_token"]

    replies = await asyncio.gather(*(api.call("POST", REFRESH, json={"refresh_token": token}) for _ in range(8)))

    assert sorted(reply.status for reply in replies) == [200] + [401] * 7


async def test_invented_refresh_tokens_are_refused(api: Any) -> None:
    """Neither form nor luck."""
    zeros = "0" * 32 + "_" + "0" * 64
    for token in ("x", f"ort_default_{zeros}", f"ort_other_{zeros}"):
        reply = await api.call("POST", REFRESH, json={"refresh_token": token})

        assert reply.status == 401


async def test_a_right_id_with_a_wrong_secret_harms_nobody(api: Any) -> None:
    """Knowing a token's id is not enough to end its session."""
    await api.user("jo", Role.VIEWER)
    token = (await api.login("jo"))["refresh_token"]
    guessed = token[:-4] + ("0000" if not token.endswith("0000") else "1111")

    assert (await api.call("POST", REFRESH, json={"refresh_token": guessed})).status == 401
    assert (await api.call("POST", REFRESH, json={"refresh_token": token})).status == 200


async def test_logout_ends_this_session_and_no_other(api: Any) -> None:
    """At once where it happened."""
    await api.user("jo", Role.VIEWER)
    here, there = await api.login("jo"), await api.login("jo")

    out = await api.call("POST", "/api/v1/auth/logout", token=here["token"])

    assert (out.status, out.body) == (200, {"message": "logged out"})
    assert (await api.call("GET", ME, token=here["token"])).status == 401
    assert (await api.call("POST", REFRESH, json={"refresh_token": here["refresh_token"]})).status == 401
    assert (await api.call("GET", ME, token=there["token"])).status == 200


async def test_a_new_password_ends_every_session_and_opens_one(api: Any) -> None:
    """The current one must be known, the new one must not be everybody's."""
    await api.user("jo", Role.VIEWER)
    old, other = await api.login("jo"), await api.login("jo")

    async def change(current: str, new: str) -> Any:
        body = {"current_password": current, "new_password": new}
        return await api.call("PUT", "/api/v1/me/password", token=old["token"], json=body)

    wrong = await change("not it", "another horse")
    weak = await change(PASSWORD, "password123")
    done = await change(PASSWORD, "another horse")

    assert (wrong.status, wrong.body["details"][0]["field"]) == (422, "current_password")
    assert (weak.status, weak.body["details"][0]["field"]) == (422, "new_password")
    assert done.status == 200
    assert (await api.call("GET", ME, token=old["token"])).status == 401
    assert (await api.call("GET", ME, token=other["token"])).status == 401
    assert (await api.call("POST", REFRESH, json={"refresh_token": other["refresh_token"]})).status == 401
    assert (await api.call("GET", ME, token=done.body["token"])).status == 200
    assert await api.login("jo", "another horse")


async def test_registration_is_off(api: Any) -> None:
    """Nobody lets themselves in unless somebody decided so."""
    reply = await api.call(
        "POST", "/api/v1/auth/register", json={"username": "new", "email": "n@x", "password": "correct horse"}
    )

    assert (reply.status, reply.body["code"]) == (403, "registration_disabled")


class TestWithRegistration:
    """The same with registration on."""

    @pytest.fixture
    def settings_overrides(self) -> dict[str, Any]:
        """Turn it on."""
        return {"registration_enabled": True}

    async def test_whoever_registers_is_a_viewer(self, api: Any) -> None:
        """Whatever role they ask for."""
        body = {"username": "new", "email": "n@x", "password": "correct horse", "role": "admin", "is_active": True}

        made = await api.call("POST", "/api/v1/auth/register", json=body)
        again = await api.call("POST", "/api/v1/auth/register", json={**body, "username": "NEW", "email": "m@x"})
        same_mail = await api.call("POST", "/api/v1/auth/register", json={**body, "username": "newer", "email": "N@X"})
        write = await api.call("POST", "/api/v1/configurations", token=made.body["token"], json={"name": "x"})

        assert made.status == 201
        assert made.body["user"]["role"] == "viewer"
        assert (again.status, again.body["details"][0]["field"]) == (409, "username")
        assert (same_mail.status, same_mail.body["details"][0]["field"]) == (409, "email")
        assert write.status == 403

    async def test_faults_are_told_in_the_language_asked_for(self, api: Any) -> None:
        """{error, details: [{field, message}]}, in Chinese for those who read it."""
        reply = await api.call(
            "POST", "/api/v1/auth/register", json={"username": "n"}, headers={"Accept-Language": "zh-CN"}
        )

        assert reply.status == 422
        assert {"field": "email", "message": "为必填项"} in reply.body["details"]

"""Users, as administrators manage them."""

from __future__ import annotations

import asyncio
from typing import Any

from api_gateway.permissions import Role

USERS = "/api/v1/users"
PASSWORD = "correct horse battery"


async def test_an_admin_makes_a_user_whose_password_is_told_once(api: Any) -> None:
    """Generated when none was given, and good for a login."""
    admin = await api.as_role(Role.ADMIN)

    made = await api.call("POST", USERS, token=admin, json={"username": "joe", "role": "operator"})
    read = await api.call("GET", made.headers["Location"], token=admin)
    chosen = await api.call("POST", USERS, token=admin, json={"username": "ali", "password": PASSWORD})

    assert made.status == 201
    assert "password" not in read.body
    assert read.body["role"] == "operator"
    assert (await api.login("joe", made.body["password"]))["user"]["username"] == "joe"
    assert "password" not in chosen.body
    assert chosen.body["role"] == "viewer"


async def test_names_are_taken_once_also_in_a_race(api: Any) -> None:
    """409 for all but one; the original answered 500 here."""
    admin = await api.as_role(Role.ADMIN)

    replies = await asyncio.gather(
        *(
            api.call("POST", USERS, token=admin, json={"username": name, "password": PASSWORD})
            for name in ("jo0", "JO0", "Jo0")
        )
    )

    assert sorted(reply.status for reply in replies) == [201, 409, 409]


async def test_a_disabled_user_is_out_at_once_and_can_come_back(api: Any) -> None:
    """Not when the token expires."""
    admin = await api.as_role(Role.ADMIN)
    user_id = await api.user("jo", Role.OPERATOR)
    session = await api.login("jo")
    assert (await api.call("GET", "/api/v1/me", token=session["token"])).status == 200

    disabled = await api.call("PATCH", f"{USERS}/{user_id}", token=admin, json={"is_active": False})

    assert disabled.body["is_active"] is False
    assert (await api.call("GET", "/api/v1/me", token=session["token"])).status == 401
    refresh = {"refresh_token": session["refresh_token"]}
    assert (await api.call("POST", "/api/v1/auth/refresh", json=refresh)).status == 401
    await api.call("PATCH", f"{USERS}/{user_id}", token=admin, json={"is_active": True})
    assert await api.login("jo")


async def test_a_role_change_counts_from_the_next_request(api: Any) -> None:
    """The token still says operator; the table says viewer."""
    admin = await api.as_role(Role.ADMIN)
    user_id = await api.user("jo", Role.OPERATOR)
    token = (await api.login("jo"))["token"]
    path = "/api/v1/configurations/edge"
    assert (await api.call("DELETE", path, token=token)).status == 200

    await api.call("PATCH", f"{USERS}/{user_id}", token=admin, json={"role": "viewer"})

    assert (await api.call("DELETE", path, token=token)).status == 403


async def test_the_last_administrator_stays(api: Any) -> None:
    """Neither demoted nor disabled, not even by two who do it to each other at once."""
    admin = await api.as_role(Role.ADMIN)
    me = (await api.call("GET", "/api/v1/me", token=admin)).body["id"]
    for change in ({"role": "viewer"}, {"is_active": False}):
        reply = await api.call("PATCH", f"{USERS}/{me}", token=admin, json=change)
        assert (reply.status, reply.body["code"]) == (409, "last_administrator")

    second = await api.user("second", Role.ADMIN)
    replies = await asyncio.gather(
        api.call("PATCH", f"{USERS}/{me}", token=admin, json={"role": "viewer"}),
        api.call("PATCH", f"{USERS}/{second}", token=admin, json={"role": "viewer"}),
    )

    assert 409 in {reply.status for reply in replies} or 403 in {reply.status for reply in replies}
    assert [reply.status for reply in replies].count(200) == 1


async def test_an_admin_sets_a_new_password(api: Any) -> None:
    """For those who forgot theirs; their sessions end."""
    admin = await api.as_role(Role.ADMIN)
    user_id = await api.user("jo", Role.VIEWER)
    token = (await api.login("jo"))["token"]

    reply = await api.call("PATCH", f"{USERS}/{user_id}", token=admin, json={"password": "another horse"})

    assert reply.status == 200
    assert (await api.call("GET", "/api/v1/me", token=token)).status == 401
    assert await api.login("jo", "another horse")


async def test_users_are_listed_in_pages(api: Any) -> None:
    """By name, with search; following the cursor gives each once."""
    admin = await api.as_role(Role.ADMIN)
    for number in range(5):
        await api.user(f"user-{number}", Role.VIEWER)

    found, path = [], f"{USERS}?limit=2"
    while path:
        reply = await api.call("GET", path, token=admin)
        found += [user["username"] for user in reply.body["users"]]
        assert reply.body["total"] == 6
        path = reply.headers["Link"].split(">")[0].lstrip("<") if "Link" in reply.headers else ""
    searched = await api.call("GET", f"{USERS}?search=ER-3", token=admin)

    assert found == ["the-admin", *(f"user-{number}" for number in range(5))]
    assert [user["username"] for user in searched.body["users"]] == ["user-3"]
    assert (await api.call("GET", f"{USERS}?cursor=%FF", token=admin)).status == 400


async def test_what_does_not_exist_is_404(api: Any) -> None:
    """A well-formed id of nobody, and an id that cannot be one."""
    admin = await api.as_role(Role.ADMIN)

    for user_id in ("00000000-0000-0000-0000-000000000000", "42"):
        assert (await api.call("GET", f"{USERS}/{user_id}", token=admin)).status == 404
        assert (await api.call("PATCH", f"{USERS}/{user_id}", token=admin, json={"role": "viewer"})).status == 404

"""Every route, every role: who gets in. Generated from the registry, so a new route is in it by itself."""

from __future__ import annotations

import re
from typing import Any

from api_gateway.permissions import GRANTS, Permission, Role
from api_gateway.routes import all_routes
from contracts.ids import format_uid

ROUTES = all_routes().routes
UNREACHED = {401, 403}
"""What a caller gets who may not."""


def address(path: str) -> str:
    """Fill in a path so that a handler is reached."""
    values = {
        "id": format_uid(bytes(range(16))),
        "name": "edge",
        "version": "1",
        "file": "index.css",
        "credential_id": "c1",
        "upload_id": format_uid(bytes(16)),
        "signature_id": format_uid(bytes(16)),
        "key_id": "0" * 32,
        "channel": "stable",
    }
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], path)


async def test_each_route_lets_in_the_roles_that_hold_its_permission(api: Any) -> None:
    """No token 401, wrong role 403, right role anything else; aliases like the paths they stand for."""
    tokens = {role: await api.as_role(role) for role in Role}
    wrong = []
    for route in ROUTES:
        if route.name in {"logout", "change_password"}:
            continue  # they end the sessions this test lives on; see test_routes_auth
        for path in (route.path, *route.aliases):
            for role in (None, *Role):
                body = b"{}" if route.body else None
                reply = await api.call(route.method, address(path), token=tokens.get(role), data=body)
                if isinstance(route.permission, Permission):
                    expected = 401 if role is None else None if route.permission in GRANTS[role] else 403
                    fits = reply.status == expected if expected else reply.status not in UNREACHED
                else:
                    fits = reply.status not in UNREACHED or (route.name, reply.status) == ("register", 403)
                if not fits or reply.status >= 500:
                    wrong.append(f"{role} {route.method} {path}: {reply.status}")

    assert wrong == []


async def test_no_token_of_another_make_opens_any_route(api: Any) -> None:
    """A forged token is as good as none, everywhere."""
    forged = "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ."
    statuses = {
        (await api.call(route.method, address(route.path), token=forged)).status
        for route in ROUTES
        if isinstance(route.permission, Permission)
    }

    assert statuses == {401}

"""Hostile requests against every route: whatever is sent, the answer is a refusal, never a failure of ours."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from api_gateway.permissions import Role
from api_gateway.routes import all_routes

ROUTES = [route for route in all_routes().routes if route.name not in {"logout", "change_password"}]
TEXTS = (
    "", " ", "0", "-1", "9" * 40, "1e9", "null", "true", "'; DROP TABLE user; --", "../../etc/passwd", "%", "%00",
    "a\x00b", "\ud7ff\U0010ffff", "x" * 3000, "{}", "[]", "中文", "\r\nSet-Cookie: a=b", "${jndi:ldap://x}", "*", "\\",
)  # fmt: skip
VALUES: tuple[object, ...] = (
    None, True, 0, -1, 2**63, 1.5, "", "x", "x" * 5000, "中\u0000", [], [[]], {}, {"a": {"b": []}}, [None], ["x"] * 50,
)  # fmt: skip
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"If-Match": '"' + "9" * 18 + '"'},
    {"If-Match": ", ".join(['"1"'] * 100)},
    {"Accept-Language": "zh;q=x,,,"},
    {"Content-Encoding": "gzip"},
    {"X-Forwarded-For": "x" * 200},
    {"X-Request-Id": "é"},
    {"Range": "bytes=0-"},
)


def fields(route: Any) -> list[str]:
    """List the names a route knows, and one it does not."""
    known = list(route.query.model_fields) + (list(route.body.model_fields) if route.body else [])
    return [*known, "label.x", "unknown"]


async def test_no_request_makes_us_fail(api: Any) -> None:
    """Seeded nonsense in paths, queries, headers and bodies: 2xx, 3xx or 4xx, and 503 for nothing."""
    token = await api.as_role(Role.ADMIN)
    chance = random.Random(7)  # noqa: S311 - reproducible on purpose
    failures = []
    for _ in range(12):
        for route in ROUTES:
            names = fields(route)
            path = route.path
            for name in ("id", "name", "version", "file"):
                path = path.replace(f"{{{name}}}", quote(chance.choice(TEXTS) or "x", safe="") or "x")
            query = "&".join(
                f"{quote(chance.choice(names))}={quote(chance.choice(TEXTS))}" for _ in range(chance.randint(0, 3))
            )
            document = {chance.choice(names): chance.choice(VALUES) for _ in range(chance.randint(0, 4))}
            body = chance.choice((orjson.dumps(document), b"", b"{", b"[" * 500, b"\xff", b"\x00" * 10))
            try:
                reply = await api.call(
                    route.method, f"{path}?{query}", token=token, data=body, headers=chance.choice(HEADERS)
                )
            except aiohttp.ClientError as error:
                failures.append(f"{route.method} {path[:80]}: {error!r}")
                continue
            if reply.status >= 500 and route.name not in {"get_health", "get_ready"}:
                failures.append(f"{route.method} {path[:80]}?{query[:80]} {body[:80]!r}: {reply.status} {reply.text}")

    assert failures == []


async def test_a_token_header_of_any_content_is_refused(api: Any) -> None:
    """Odd schemes, odd bytes, odd lengths: 401."""
    for text in ("Bearer é", "Bearer " + "x" * 7000, "Bearer a.b.c", "Basic x", "bearer", "Bearer\tx", "Negotiate"):
        reply = await api.call("GET", "/api/v1/agents", headers={"Authorization": text})
        assert reply.status == 401, text

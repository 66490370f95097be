"""Bytes through api-gateway: what goes out, what comes back, and what happens when either side stops."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from api_gateway.permissions import Role
from contracts import subjects
from fleet.api.v1 import package_service_pb2 as messages
from world.eventually import wait_until

ROOT = "/api/v1/packages"
FILE = messages.PackageFile(
    id="p1", name="collector", version="1.0.0", platform="linux", arch="amd64", sha256=b"x" * 32
)


async def test_a_form_is_carried_as_it_is(api: Any, stand: Any, files: Any, conforms: Any) -> None:
    """Bytes and content type unchanged, with a ticket instead of the person's token."""
    stand.answer(subjects.GET_PACKAGE, messages.GetPackageReply(file=FILE))
    files.status = 201
    token = await api.as_role(Role.OPERATOR)
    body = b"--b\r\nanything\r\n" * 50_000

    reply = await api.call(
        "POST", ROOT, token=token, data=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )

    conforms(reply, ("POST", ROOT))
    assert (reply.status, reply.headers["Location"]) == (201, f"{ROOT}/p1")
    method, path, sent, headers = files.asked[-1]
    assert (method, path, sent) == ("POST", "/internal/packages", body)
    assert headers["Content-Type"] == "multipart/form-data; boundary=b"
    assert headers["Authorization"] not in {"", f"Bearer {token}"}


async def test_bytes_of_an_upload_go_where_they_belong(api: Any, files: Any, conforms: Any) -> None:
    """The offset goes along, and the answer tells the next; ids are never read as paths."""
    token = await api.as_role(Role.OPERATOR)

    reply = await api.call("PUT", f"{ROOT}/uploads/u1?offset=7", token=token, data=b"bytes")
    await api.call("PUT", f"{ROOT}/uploads/..%2Ffiles?offset=7", token=token, data=b"bytes")

    conforms(reply, ("PUT", ROOT + "/uploads/{upload_id}"))
    assert reply.body == {"id": "p1", "offset": 5}
    assert files.asked[0][:3] == ("PUT", "/internal/uploads/u1?offset=7", b"bytes")
    assert files.asked[1][1].startswith("/internal/uploads/..%2Ffiles")


async def test_download_passes_headers_and_ranges(api: Any, files: Any) -> None:
    """What was asked for goes in, what describes the bytes comes out."""
    files.status, files.body = 206, b"part"
    files.headers = {"ETag": '"e"', "Content-Range": "bytes 0-3/9", "Digest": "sha-256=x", "X-Inner": "hidden"}
    token = await api.as_role(Role.VIEWER)

    reply = await api.call("GET", f"{ROOT}/p1/download", token=token, headers={"Range": "bytes=0-3"})

    assert (reply.status, reply.text) == (206, "part")
    assert (reply.headers["ETag"], reply.headers["Content-Range"]) == ('"e"', "bytes 0-3/9")
    assert reply.headers["Content-Length"] == "4"
    assert "X-Inner" not in reply.headers
    assert files.asked[-1][3]["Range"] == "bytes=0-3"


@pytest.mark.parametrize("status", [304, 307, 416])
async def test_answers_without_bytes(api: Any, files: Any, status: int) -> None:
    """They pass as they are."""
    files.status, files.body, files.headers = status, b"", {"Location": "https://s3.example/x", "ETag": '"e"'}

    reply = await api.call("GET", f"{ROOT}/p1/download", token=await api.as_role(Role.VIEWER))

    assert (reply.status, reply.headers["ETag"]) == (status, '"e"')


@pytest.mark.parametrize(
    ("status", "code", "seen"),
    [
        (400, "invalid_package", 422),
        (400, "file_too_large", 413),
        (400, "invalid", 400),
        (404, "package_not_found", 404),
        (409, "package_exists", 409),
        (429, "too_many_transfers", 429),
        (503, "store_away", 503),
        (401, "download_refused", 503),
    ],
)
async def test_refusals_keep_their_words(api: Any, files: Any, status: int, code: str, seen: int) -> None:
    """Code, sentence, fields and patience of package-service; a ticket it does not believe is our fault."""
    files.status = status
    files.body = b'{"error": "no", "code": "%s", "details": [{"field": "name", "message": "bad"}]}' % code.encode()
    files.headers = {"Retry-After": "5"}

    reply = await api.call("POST", ROOT, token=await api.as_role(Role.OPERATOR), data=b"x")

    assert reply.status == seen
    if status != 401:
        assert (reply.body["code"], reply.body["details"][0]["field"]) == (code, "name")
        assert seen == 422 or reply.headers.get("Retry-After") == "5" or seen in {400, 413}


async def test_answers_nobody_understands(api: Any, files: Any) -> None:
    """Whatever stands there instead of package-service: 503."""
    files.status, files.body = 502, b"<html>"

    reply = await api.call("GET", f"{ROOT}/p1/download", token=await api.as_role(Role.VIEWER))

    assert (reply.status, reply.body["code"]) == (503, "unavailable")


async def test_compressed_bodies_are_refused(api: Any) -> None:
    """Nothing here inflates."""
    reply = await api.call(
        "POST", ROOT, token=await api.as_role(Role.OPERATOR), data=b"x", headers={"Content-Encoding": "gzip"}
    )

    assert reply.status == 415


class TestAway:
    """package-service is not there."""

    @pytest.fixture
    def settings_overrides(self) -> dict[str, Any]:
        """Name an address where nobody listens."""
        return {"package_service_address": "http://127.0.0.1:9"}

    async def test_only_transfers_suffer(self, api: Any) -> None:
        """503 with Retry-After there, everything else as ever."""
        token = await api.as_role(Role.OPERATOR)

        for method, path in (("POST", ROOT), ("GET", f"{ROOT}/p1/download")):
            reply = await api.call(method, path, token=token, data=b"x" if method == "POST" else None)
            assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
        assert (await api.call("GET", "/api/v1/agents", token=token)).status == 200


class TestStalled:
    """A sender that stops sending."""

    @pytest.fixture
    def settings_overrides(self) -> dict[str, Any]:
        """Have little patience."""
        return {"transfer_idle_seconds": 0.3}

    async def test_is_told_so(self, api: Any) -> None:
        """408, and the connection is free again."""
        token = await api.as_role(Role.OPERATOR)
        ended = asyncio.Event()

        async def slow() -> Any:
            yield b"some"
            await ended.wait()

        async with aiohttp.ClientSession() as session:
            answer = await session.put(
                f"{api.url}{ROOT}/uploads/u1?offset=0", data=slow(), headers={"Authorization": f"Bearer {token}"}
            )
            status = answer.status
            answer.close()
            ended.set()

        assert status == 408


async def test_a_reader_that_leaves_ends_the_transfer(api: Any, files: Any) -> None:
    """Whoever hangs up in the middle leaves nothing running."""
    files.body = b"x" * 30_000_000
    token = await api.as_role(Role.VIEWER)
    async with aiohttp.ClientSession() as session:
        answer = await session.get(f"{api.url}{ROOT}/p1/download", headers={"Authorization": f"Bearer {token}"})
        await answer.content.read(1000)
        answer.close()

    async def well() -> bool:
        return bool((await api.call("GET", "/health/ready")).status == 200)

    await wait_until(well)

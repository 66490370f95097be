"""
Packages on the whole platform: long files, broken connections, killed services, a store that is away.

PACKAGE_MEGABYTES=300 makes the long file longer; the bound on memory is the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from world.eventually import wait_until
from world.platform import SERVERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from world.platform import Api, Platform

MIB = 1024 * 1024
LONG = int(os.environ.get("PACKAGE_MEGABYTES", "96")) * MIB
GROWTH = 40 * MIB
PATIENCE_SECONDS = 90
"""A machine under load may take long; how long is not what is tested here."""

OFFER = {"name": "collector", "platform": "linux", "arch": "amd64"}


def block(number: int) -> bytes:
    """Make a MiB nobody can guess from its neighbours; the first begins like a program."""
    seed = hashlib.sha256(str(number).encode()).digest()
    return b"\x7fELF" + (seed * (MIB // 32))[4:] if number == 0 else seed * (MIB // 32)


def program(size: int) -> bytes:
    """Make a file of so many bytes."""
    return b"".join(block(number) for number in range(size // MIB + 1))[:size]


async def blocks(start: int, end: int) -> AsyncIterator[bytes]:
    """Give the bytes of the long file from *start* to *end*, a MiB at a time; both are whole MiB."""
    for number in range(start // MIB, end // MIB):
        yield block(number)


class Peak:
    """How far the memory of each service rises meanwhile."""

    def __init__(self, platform: Platform) -> None:
        self._processes = {
            name: psutil.Process(process.pid)
            for name, process in platform.stack.processes.items()
            if name not in SERVERS
        }
        self._before = {name: process.memory_info().rss for name, process in self._processes.items()}
        self.growth = dict.fromkeys(self._processes, 0)

    def look(self) -> None:
        """Take a sample."""
        for name, process in self._processes.items():
            self.growth[name] = max(self.growth[name], process.memory_info().rss - self._before[name])


async def publish(api: Api, data: bytes, version: str, **more: str) -> httpx.Response:
    """Upload a file in one form."""
    fields = {**OFFER, "version": version, **more}
    return await api.ask("POST", "/packages", data=fields, files={"file": ("x", data)}, timeout=PATIENCE_SECONDS)


async def begin(api: Api, version: str, size: int) -> dict[str, Any]:
    """Begin an upload in parts."""
    begun: dict[str, Any] = await api.post("/packages/uploads", {**OFFER, "version": version, "size": size})
    upload: dict[str, Any] = begun["upload"]
    return upload


async def read_back(api: Api, package_id: str, peak: Peak | None = None) -> str:
    """Download a file and hash it."""
    digest = hashlib.sha256()
    async with api.client.stream("GET", f"/packages/{package_id}/download", timeout=PATIENCE_SECONDS) as answer:
        assert answer.status_code == httpx.codes.OK
        async for chunk in answer.aiter_bytes(MIB):
            digest.update(chunk)
            if peak is not None:
                peak.look()
    return digest.hexdigest()


@pytest.mark.timeout(500)
async def test_long_file_passes_through_in_little_memory(running: Platform) -> None:
    """It arrives and leaves byte by byte the same, and no service grows by more than 40 MB over it."""
    api = running.api
    small = (await publish(api, program(8 * MIB), "0.0.1")).json()
    await read_back(api, small["id"])
    expected = hashlib.sha256()
    peak = Peak(running)

    async def long_file() -> AsyncIterator[bytes]:
        async for piece in blocks(0, LONG):
            expected.update(piece)
            peak.look()
            yield piece

    upload = await begin(api, "1.0.0", LONG)
    sent = await api.ask("PUT", f"/packages/uploads/{upload['id']}?offset=0", content=long_file(), timeout=400)
    assert sent.json()["offset"] == LONG, sent.text
    watching = asyncio.Event()

    async def watch() -> None:
        while not watching.is_set():
            peak.look()
            await asyncio.sleep(0.02)

    watcher = asyncio.ensure_future(watch())
    made = await api.ask("POST", f"/packages/uploads/{upload['id']}/complete", timeout=400)
    watching.set()
    await watcher
    assert made.status_code == httpx.codes.CREATED, made.text
    package = made.json()

    assert package["checksum"] == expected.hexdigest()
    assert package["file_size"] == LONG
    assert await read_back(api, package["id"], peak) == expected.hexdigest()
    assert {name: grown // MIB for name, grown in peak.growth.items() if grown >= GROWTH} == {}


async def test_one_form_of_a_long_file(running: Platform, tmp_path: Path) -> None:
    """The original's way to upload: one form, streamed through."""
    path = tmp_path / "collector"
    data = program(33 * MIB)
    path.write_bytes(data)

    with path.open("rb") as file:
        made = await running.api.ask(
            "POST", "/packages", data={**OFFER, "version": "1.1.0"}, files={"file": file}, timeout=PATIENCE_SECONDS
        )

    assert made.status_code == httpx.codes.CREATED, made.text
    assert made.headers["Location"] == f"/api/v1/packages/{made.json()['id']}"
    assert await read_back(running.api, made.json()["id"]) == hashlib.sha256(data).hexdigest()


async def test_ranges_and_tags(running: Platform) -> None:
    """A part of a file, and nothing when it is held already."""
    data = program(100_000)
    package = (await publish(running.api, data, "1.2.0")).json()
    path = f"/packages/{package['id']}/download"

    part = await running.api.ask("GET", path, headers={"Range": "bytes=500-999"}, timeout=PATIENCE_SECONDS)
    held = await running.api.ask("GET", path, headers={"If-None-Match": f'"{package["checksum"]}"'})

    assert (part.status_code, part.content) == (206, data[500:1000])
    assert part.headers["Content-Range"] == "bytes 500-999/100000"
    assert part.headers["Content-Disposition"] == 'attachment; filename="collector-1.2.0-linux-amd64"'
    assert (held.status_code, held.content) == (304, b"")


async def test_other_bytes_for_the_same_version(running: Platform) -> None:
    """409, and the first stay; the same bytes again are the same package."""
    data = program(2 * MIB)
    first = await publish(running.api, data, "1.3.0")

    other = await publish(running.api, data + b"!", "1.3.0")
    same = await publish(running.api, data, "1.3.0")

    assert (other.status_code, other.json()["code"]) == (409, "package_exists")
    assert (same.status_code, same.json()["id"]) == (200, first.json()["id"])
    assert await read_back(running.api, first.json()["id"]) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\x00b", "n" * 300, "\u0441ollector", "Collector", "a/b", "con:", "a\u200bb"]
)
async def test_wrong_names_are_422_with_the_field(running: Platform, name: str) -> None:
    """In a form as in a document."""
    form = await publish(running.api, program(1000), "1.0.0", name=name)
    document = await running.api.ask(
        "POST", "/packages/uploads", json={**OFFER, "name": name, "version": "1.0.0", "size": 5}
    )

    for answer in (form, document):
        assert answer.status_code == 422, answer.text
    assert [problem["field"] for problem in form.json()["details"]] == ["name"]


async def test_kill_in_the_middle_leaves_nothing_visible_and_goes_on(running: Platform) -> None:
    """Kill -9 of package-service while bytes arrive: no package, and the upload goes on from its last part."""
    api, size = running.api, 20 * MIB
    upload = await begin(api, "1.4.0", size)
    path = f"/packages/uploads/{upload['id']}"
    killed = asyncio.Event()

    async def halting() -> AsyncIterator[bytes]:
        async for piece in blocks(0, 15 * MIB):
            yield piece
        await killed.wait()
        async for piece in blocks(15 * MIB, size):
            yield piece

    async def stands() -> bool:
        return bool((await api.get(path))["offset"] >= upload["part_size"])

    async def send() -> int:
        try:
            return (await api.ask("PUT", f"{path}?offset=0", content=halting(), timeout=PATIENCE_SECONDS)).status_code
        except httpx.TransportError:
            return 0

    sending = asyncio.ensure_future(send())
    await wait_until(stands, within=30)
    running.kill("package-service")
    killed.set()
    assert await sending in {0, 408, 503}
    await running.restart("package-service")

    listed = await api.get("/packages", version="1.4.0")
    assert listed["packages"] == []
    offset = (await api.get(path))["offset"]
    assert offset >= upload["part_size"]
    data = program(size)

    async def rest() -> AsyncIterator[bytes]:
        yield data[offset:]

    answer = await api.ask("PUT", f"{path}?offset={offset}", content=rest(), timeout=PATIENCE_SECONDS)
    assert answer.json()["offset"] == size, answer.text
    made = await api.ask(
        "POST", f"{path}/complete", json={"sha256": hashlib.sha256(data).hexdigest()}, timeout=PATIENCE_SECONDS
    )
    assert made.status_code == httpx.codes.CREATED, made.text
    assert await read_back(api, made.json()["id"]) == hashlib.sha256(data).hexdigest()


async def test_store_away_stops_package_bytes_only(running: Platform) -> None:
    """503 with Retry-After where bytes are needed; lists, agents and health go on; then all is well."""
    api, data = running.api, program(MIB)
    package = (await publish(api, data, "1.5.0")).json()
    running.kill("s3")

    try:
        for answer in (
            await publish(api, data, "1.5.1", name="other"),
            await api.ask("GET", f"/packages/{package['id']}/download", timeout=PATIENCE_SECONDS),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "store_away"), answer.text
            assert int(answer.headers["Retry-After"]) >= 1
        assert (await api.ask("GET", "/packages")).status_code == httpx.codes.OK
        assert (await api.ask("GET", "/agents")).status_code == httpx.codes.OK
        ready = await api.ask("GET", "/packages/statistics")
        assert ready.status_code == httpx.codes.OK
    finally:
        await running.restart("s3")

    assert await read_back(api, package["id"]) == hashlib.sha256(data).hexdigest()


async def test_versions_and_latest(running: Platform) -> None:
    """1.10 is newer than 1.9, and a version that is switched off is nobody's latest."""
    api = running.api
    for version in ("1.9.0", "1.10.0", "2.0.0-rc.1"):
        assert (await publish(api, program(1000), version, name="ordered")).status_code == httpx.codes.CREATED

    versions = await api.get("/packages/names/ordered/versions")
    latest = await api.get("/packages/names/ordered/latest", platform="linux", arch="amd64")
    await api.post(f"/packages/{latest['id']}/deactivate")
    before = await api.get("/packages/names/ordered/latest", platform="linux", arch="amd64")

    assert [package["version"] for package in versions["packages"]] == ["2.0.0-rc.1", "1.10.0", "1.9.0"]
    assert (latest["version"], before["version"]) == ("1.10.0", "1.9.0")
    assert await api.delete(f"/packages/{before['id']}") == {"message": "package deleted successfully"}
    assert (await api.ask("GET", f"/packages/{before['id']}")).status_code == httpx.codes.NOT_FOUND


async def test_agent_fetches_with_its_own_credential(running: Platform) -> None:
    """What lets an agent in at the gateway lets it fetch files; no user is needed, and a stranger gets nothing."""
    data = program(1000)
    package = (await publish(running.api, data, "1.6.0")).json()
    url = f"{running.run_json['files_url']}/v1/files/{package['id']}"

    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as agent:
        good = await agent.get(url, headers={"Authorization": f"Bearer {running.token}"})
        part = await agent.get(url, headers={"Secret-Key": running.token, "Range": "bytes=-10"})
        bad = await agent.get(url, headers={"Authorization": "Bearer oet_wrong"})
        none = await agent.get(url)

    assert (good.status_code, good.content) == (200, data)
    assert (part.status_code, part.content) == (206, data[-10:])
    assert (bad.status_code, none.status_code) == (401, 401)

"""Bytes in and out over HTTP: forms, uploads in parts, ranges, and who may ask."""

from __future__ import annotations

import base64
import contextlib
import os
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import subjects
from contracts.package_signing import statement_of
from devstack.ports import LOOPBACK
from fleet.api.v1 import package_service_pb2 as api
from fleet.events.v1 import identity_pb2
from package_service.file_tickets import FileTickets
from package_service.signing.signatures import Signatures
from package_service.ticket_keys import TicketKeys
from servicekit.clock import SystemClock
from servicekit.errors import Conflict
from world.eventually import wait_until

from .conftest import PART, TENANT, program, sha256

if TYPE_CHECKING:
    from devstack.s3 import S3Server

    from .conftest import Running

OK, MADE, CONFLICT, REFUSED, MISSING = 200, 201, 409, 401, 404


async def downloaded(service: Running, file_id: str, **headers: str) -> httpx.Response:
    """Download as a person does."""
    return await service.http.get(f"/internal/files/{file_id}", headers={**service.neighbours.ticket(), **headers})


def codes(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """Tell status, code and fields of an error."""
    body = answer.json()
    return answer.status_code, body["code"], [problem["field"] for problem in body["details"]]


async def test_form_is_published_and_read_back(service: Running) -> None:
    """A file of several parts comes back byte by byte, with its name, its hash and its length."""
    data = program(2 * PART + 12_345)

    made = await service.publish(data)

    assert made.status_code == MADE, made.text
    assert made.json()["sha256"] == sha256(data).hex()
    answer = await downloaded(service, made.json()["id"])
    assert answer.content == data
    assert answer.headers["Content-Disposition"] == 'attachment; filename="collector-1.0.0-linux-amd64"'
    assert answer.headers["ETag"] == f'"{sha256(data).hex()}"'
    assert answer.headers["Digest"] == "sha-256=" + base64.b64encode(sha256(data)).decode()
    assert int(answer.headers["Content-Length"]) == len(data)

    async def counted() -> bool:
        request = api.GetPackageRequest(tenant_id=TENANT, id=made.json()["id"])
        return (await service.bus.call(subjects.GET_PACKAGE, request)).file.downloads == 1

    await wait_until(counted)


async def test_same_content_again_is_the_same_file(service: Running) -> None:
    """A repeated upload changes nothing; other bytes for the same place are refused, and the first stay."""
    data = program()
    first = await service.publish(data)

    again = await service.publish(data)
    other = await service.publish(program())

    assert again.status_code == OK
    assert again.json()["id"] == first.json()["id"]
    assert codes(other) == (CONFLICT, "package_exists", ["version"])
    assert (await downloaded(service, first.json()["id"])).content == data
    assert len(await service.files()) == 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": "../etc/passwd"}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a" * 300}, "name"),
        ({"name": "\u0441\u043ellector"}, "name"),
        ({"version": "1.0"}, "version"),
        ({"version": "latest"}, "version"),
        ({"version": "1.0.0+" + "a" * 60}, "version"),
        ({"platform": "solaris"}, "platform"),
        ({"arch": "x86_64"}, "arch"),
        ({"type": "plugin"}, "type"),
        ({"description": "d" * 1025}, "description"),
        ({"sha256": "00" * 32}, "sha256"),
        ({"sha256": "nonsense"}, "sha256"),
        ({"platform": "windows"}, "file"),
        ({"name": ""}, "name"),
    ],
)
async def test_wrong_fields_are_named(service: Running, fields: dict[str, str], wrong: str) -> None:
    """Whatever is wrong is refused with its field, and nothing stays."""
    answer = await service.publish(program(), **fields)

    assert codes(answer) == (400, "invalid_package", [wrong])
    assert await service.files() == []
    assert await service.pool.fetchval("SELECT count(*) FROM upload") == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"content": b"not a form"}, 400),
        ({"data": {"name": "collector", "version": "1.0.0", "platform": "linux", "arch": "amd64"}}, 400),
        ({"files": {"file": ("a", b"")}, "data": {"name": "c", "version": "1.0.0"}}, 400),
        ({"files": {"file": ("a", program())}, "data": {"colour": "red"}}, 400),
        ({"files": [("file", ("a", program())), ("file", ("b", program()))]}, 400),
        ({"files": {"file": ("a", program())}, "data": {"name": "n" * 9000}}, 400),
    ],
)
async def test_forms_that_are_none(service: Running, arguments: dict[str, object], status: int) -> None:
    """A request that is no form of ours is refused, and nothing stays."""
    answer = await service.http.post("/internal/packages", headers=service.neighbours.ticket(), **arguments)  # type: ignore[arg-type] # as httpx takes them

    assert answer.status_code == status
    assert await service.files() == []
    assert await service.pool.fetchval("SELECT count(*) FROM upload") == 0


async def test_upload_in_parts_goes_on_where_it_stands(service: Running) -> None:
    """Whole parts stay when a sender breaks off; the file is published once all of it is there."""
    data = program(2 * PART + 500)
    upload = (await service.begin(data)).upload

    first = await service.send(upload.id, 0, data[: PART + 1000])
    assert first.json()["offset"] == PART
    early = await service.complete(upload.id)
    assert codes(early) == (CONFLICT, "upload_incomplete", ["offset"])
    elsewhere = await service.send(upload.id, PART + 1000, data[PART + 1000 :])
    assert codes(elsewhere) == (CONFLICT, "offset_conflict", ["offset"])
    rest = await service.send(upload.id, PART, data[PART:])
    assert rest.json()["offset"] == len(data)
    assert await service.files() == []

    made = await service.complete(upload.id, sha256(data).hex())
    again = await service.complete(upload.id)

    assert made.status_code == MADE, made.text
    assert again.status_code == OK
    assert (await downloaded(service, made.json()["id"])).content == data


async def test_more_than_announced_is_refused(service: Running) -> None:
    """An upload cannot grow beyond its size."""
    data = program()
    upload = (await service.begin(data)).upload

    answer = await service.send(upload.id, 0, data + b"more")

    assert codes(answer)[1] == "file_too_large"


async def test_other_hash_than_declared_ends_the_upload(service: Running) -> None:
    """What arrived is not what was meant: it is gone, and the sender begins again."""
    data = program()
    upload = (await service.begin(data, sha256=sha256(b"other"))).upload
    await service.send(upload.id, 0, data)

    answer = await service.complete(upload.id)

    assert codes(answer) == (400, "invalid_package", ["sha256"])
    assert (await service.send(upload.id, 0, data)).status_code == MISSING


async def test_ranges(service: Running) -> None:
    """One range is given as asked for, with If-Range only of the same content; what lies outside is 416."""
    data = program(600_000)
    file_id = (await service.publish(data)).json()["id"]

    part = await downloaded(service, file_id, Range="bytes=300000-300099")
    tail = await downloaded(service, file_id, Range="bytes=-100")
    other = await downloaded(service, file_id, Range="bytes=0-9", **{"If-Range": '"another"'})
    outside = await downloaded(service, file_id, Range="bytes=600000-")
    held = await downloaded(service, file_id, **{"If-None-Match": f'"{sha256(data).hex()}"'})

    assert (part.status_code, part.content) == (206, data[300_000:300_100])
    assert part.headers["Content-Range"] == "bytes 300000-300099/600000"
    assert (tail.status_code, tail.content) == (206, data[-100:])
    assert (other.status_code, other.content) == (OK, data)
    assert (outside.status_code, outside.headers["Content-Range"]) == (416, "bytes */600000")
    assert (held.status_code, held.content) == (304, b"")


async def test_agent_downloads_with_its_own_credential(service: Running) -> None:
    """No user is needed; agent-state vouches for the credential, and is believed for as long as it says."""
    service.neighbours.know("oac_good")
    service.neighbours.know("oac_new", approval="pending")
    data = program()
    file_id = (await service.publish(data)).json()["id"]
    path = f"/v1/files/{file_id}"

    for headers in ({"Authorization": "Bearer oac_good"}, {"Secret-Key": "oac_good"}):
        assert (await service.http.get(path, headers=headers)).content == data
    assert service.neighbours.asked == 1
    assert (await service.http.get(path)).status_code == REFUSED
    assert (await service.http.get(path, headers={"Authorization": "Bearer bad"})).status_code == REFUSED
    assert (await service.http.get(path, headers={"Authorization": "Bearer oac_new"})).status_code == 403
    assert (await service.http.get(path, headers=service.neighbours.ticket())).status_code == REFUSED

    service.neighbours.know("oac_good", refusal="it was revoked")
    changed = identity_pb2.IdentityChanged().SerializeToString()
    await service.bus.publish(subjects.IDENTITY, changed)

    async def refused() -> bool:
        answer = await service.http.get(path, headers={"Secret-Key": "oac_good"})
        return answer.status_code == REFUSED

    await wait_until(refused)


async def ticket_for(service: Running, file_id: str, tenant_id: str = TENANT) -> dict[str, str]:
    """Write the ticket an offer would carry."""
    tickets = FileTickets()
    await TicketKeys(service.pool, tickets, SystemClock()).refresh()
    return {"Authorization": f"Bearer {tickets.mint(tenant_id, uuid.UUID(file_id), datetime.now(UTC))}"}


async def test_agent_downloads_with_the_ticket_of_an_offer(service: Running) -> None:
    """It opens one file of one tenant, and agent-state is not asked; a forged or foreign one is refused."""
    data = program(600_000)
    file_id = (await service.publish(data)).json()["id"]
    other_id = (await service.publish(program(), "2.0.0")).json()["id"]
    ticket = await ticket_for(service, file_id)

    whole = await service.http.get(f"/v1/files/{file_id}", headers=ticket)
    part = await service.http.get(f"/v1/files/{file_id}", headers={**ticket, "Range": "bytes=5-9"})
    other = await service.http.get(f"/v1/files/{other_id}", headers=ticket)
    foreign = await service.http.get(f"/v1/files/{file_id}", headers=await ticket_for(service, file_id, "x"))
    forged = await service.http.get(
        f"/v1/files/{file_id}", headers={"Authorization": ticket["Authorization"][:-1] + "z"}
    )
    inside = await service.http.get(f"/internal/files/{file_id}", headers=ticket)

    assert whole.content == data
    assert part.content == data[5:10]
    assert (codes(other)[:2], codes(forged)[:2]) == ((REFUSED, "download_refused"), (REFUSED, "download_refused"))
    assert (foreign.status_code, inside.status_code) == (MISSING, REFUSED)
    assert service.neighbours.asked == 0


async def test_inactive_file_is_not_for_agents(service: Running) -> None:
    """People may still look at it."""
    service.neighbours.know("oac_good")
    file_id = (await service.publish(program())).json()["id"]
    request = api.SetPackageActiveRequest(tenant_id=TENANT, id=file_id, active=False, author="ann")

    await service.bus.call(subjects.SET_PACKAGE_ACTIVE, request)

    answer = await service.http.get(f"/v1/files/{file_id}", headers={"Secret-Key": "oac_good"})
    assert answer.status_code == MISSING
    assert (await downloaded(service, file_id)).status_code == OK


async def test_only_tickets_open_the_inner_doors(service: Running) -> None:
    """No ticket, an old one, one for somebody else, another key: 401. Another tenant's: there is nothing."""
    file_id = (await service.publish(program())).json()["id"]
    path = f"/internal/files/{file_id}"
    good = service.neighbours.ticket()["Authorization"]
    tampered = f"{good[:-6]}AAAAAA"
    old = int(time.time()) - 3600

    assert (await service.http.get(path)).status_code == REFUSED
    for wrong in (
        {"Authorization": tampered},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer " + "x" * 5000},
        service.neighbours.ticket(aud="opamp-platform-api"),
        service.neighbours.ticket(iat=old, exp=old + 60),
        service.neighbours.ticket(username=7),
    ):
        assert (await service.http.get(path, headers=wrong)).status_code == REFUSED
    assert (await service.http.get(path, headers=service.neighbours.ticket("another"))).status_code == MISSING


async def test_store_away(service: Running, s3_server: S3Server) -> None:
    """What needs bytes answers 503 and when to come back; the lists go on; then all is well again."""
    data = program()
    file_id = (await service.publish(data)).json()["id"]
    s3_server.kill()

    upload = await service.publish(data, "2.0.0")
    download = await downloaded(service, file_id)

    for answer in (upload, download):
        assert answer.status_code == 503
        assert answer.json()["code"] == "store_away"
        assert int(answer.headers["Retry-After"]) >= 1
    assert len(await service.files()) == 1

    s3_server.start()
    assert (await downloaded(service, file_id)).content == data
    assert (await service.publish(data, "2.0.0")).status_code == MADE


@pytest.mark.parametrize("size", [1000, 2 * 1024 * 1024])
async def test_tampered_bytes_are_never_given_whole(service: Running, s3_server: S3Server, size: int) -> None:
    """Whoever changed the blob, no reader gets all its bytes; it is marked, said, and healed by the right bytes."""
    data = program(size)
    made = (await service.publish(data)).json()
    blob = s3_server.folder / "objects" / "agent-packages" / "sha256" / made["sha256"]
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    # When the store gives it in several pieces, the last one never leaves, and the connection is cut.
    with contextlib.suppress(httpx.RemoteProtocolError):
        got = await downloaded(service, made["id"])
        assert (got.status_code, got.json()["code"]) == (503, "blob_doubted")

    async def marked() -> bool:
        return (await service.files())[0].HasField("damaged_at")

    await wait_until(marked)
    assert (await downloaded(service, made["id"])).json()["code"] == "blob_damaged"
    said = await service.pool.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE '%.package.damaged.%'")
    assert said == 1

    assert (await service.publish(data)).status_code == OK
    assert (await downloaded(service, made["id"])).content == data


async def test_missing_blob_is_no_damage(service: Running, s3_server: S3Server) -> None:
    """A folder that is not mounted is 503 and a time to come back, and all is well when it is there again."""
    data = program()
    made = (await service.publish(data)).json()
    blob = s3_server.folder / "objects" / "agent-packages" / "sha256" / made["sha256"]
    await service.pool.execute("UPDATE package_file SET wanted_at = now()")

    async def vetted() -> bool:
        return await service.pool.fetchval("SELECT vetted_at FROM package_file") is not None

    await wait_until(vetted)
    blob.unlink()

    answer = await downloaded(service, made["id"])

    assert (answer.status_code, answer.json()["code"]) == (503, "blob_doubted")
    assert int(answer.headers["Retry-After"]) >= 1
    assert not await vetted()

    async def looked_into() -> bool:
        return bool(await service.pool.fetchval("SELECT vet_refusal FROM package_file") == "missing")

    await wait_until(looked_into)
    assert not (await service.files())[0].HasField("damaged_at")
    assert await service.pool.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE '%.package.damaged.%'") == 0

    blob.write_bytes(data)
    assert (await downloaded(service, made["id"])).content == data


class TestSigned:
    """Downloads where signatures are required."""

    @pytest.fixture
    def overrides(self) -> dict[str, object]:
        """Give agents nothing that is not signed."""
        return {"require_signature": True}

    async def test_agents_get_only_what_a_key_that_counts_has_signed(self, service: Running) -> None:
        """By ticket or credential, from the moment of signing to that of revoking; people may look all the time."""
        data = program()
        file_id = (await service.publish(data)).json()["id"]
        service.neighbours.know("oac_good")
        tickets = (await ticket_for(service, file_id), {"Secret-Key": "oac_good"})
        signatures = Signatures(service.pool, None, required=True)
        key = Ed25519PrivateKey.generate()
        public_key = key.public_key().public_bytes_raw()
        registered, _ = await signatures.register(TENANT, public_key, "release", "ann")

        async def asked() -> list[tuple[int, str]]:
            answers = [await service.http.get(f"/v1/files/{file_id}", headers=headers) for headers in tickets]
            return [(answer.status_code, answer.headers.get("ETag") or answer.json()["code"]) for answer in answers]

        assert await asked() == [(403, "package_not_signed")] * 2
        assert (await downloaded(service, file_id)).content == data

        good = key.sign(statement_of(sha256(data)))
        await signatures.add(TENANT, uuid.UUID(file_id), form="ed25519", key_id="", signature=good, author="ann")
        assert await asked() == [(OK, f'"{sha256(data).hex()}"')] * 2

        await signatures.revoke(TENANT, registered.key_id, "ann")
        assert await asked() == [(403, "package_not_signed")] * 2
        held = {**tickets[0], "If-None-Match": f'"{sha256(data).hex()}"'}
        assert (await service.http.get(f"/v1/files/{file_id}", headers=held)).status_code == 403
        assert (await downloaded(service, file_id)).content == data


class TestPresigned:
    """Downloads by an address of the store."""

    @pytest.fixture
    def overrides(self, s3_server: S3Server) -> dict[str, object]:
        """Send readers to the store, which has a name of its own."""
        return {"downloads": "presigned", "s3_public_endpoint": s3_server.url.replace(LOOPBACK, "localhost")}

    async def test_reader_is_sent_to_the_store(self, service: Running) -> None:
        """The answer is an address that gives the bytes without us."""
        data = os.urandom(10)
        made = await service.publish(program() + data)

        answer = await downloaded(service, made.json()["id"])

        assert answer.status_code == 307
        async with httpx.AsyncClient() as client:
            assert (await client.get(answer.headers["Location"])).content.endswith(data)

    async def test_no_second_credential_goes_to_the_store(self, service: Running) -> None:
        """An agent that knows us by the store's name, or one above it, would send its own along: it is served here."""
        data = program()
        file_id = (await service.publish(data)).json()["id"]
        ticket = await ticket_for(service, file_id)

        sent = await service.http.get(f"/v1/files/{file_id}", headers=ticket)
        served = await service.http.get(f"/v1/files/{file_id}", headers={**ticket, "Host": "localhost:1"})

        assert sent.status_code == 307
        assert "pft_" not in sent.headers["Location"]
        assert (served.status_code, served.content) == (OK, data)


class TestBounds:
    """What is too much."""

    @pytest.fixture
    def overrides(self) -> dict[str, object]:
        """Allow little."""
        return {
            "max_file_bytes": 2000,
            "tenant_quota_bytes": 4000,
            "max_open_uploads": 2,
            "max_files_per_package": 3,
        }

    async def test_long_files_are_refused(self, service: Running) -> None:
        """Announced or not, a file over the bound is refused and leaves nothing."""
        answer = await service.publish(program(2001))
        assert codes(answer) == (400, "file_too_large", ["file"])
        assert await service.pool.fetchval("SELECT count(*) FROM upload") == 0

    async def test_quota_is_kept(self, service: Running) -> None:
        """Files together, each content once, stay under what a tenant may have."""
        data = program(1900)
        assert (await service.publish(data, "1.0.0")).status_code == MADE
        assert (await service.publish(data, "1.0.1")).status_code == MADE
        assert (await service.publish(program(1900), "1.0.2")).status_code == MADE
        refused = await service.publish(program(1900), "1.0.3")
        assert codes(refused) == (CONFLICT, "quota_exceeded", [])
        with pytest.raises(Conflict):
            await service.begin(program(1900), "1.0.3")

    async def test_open_uploads_are_bounded(self, service: Running) -> None:
        """The third upload has to wait for the end of another."""
        first = (await service.begin(program(10))).upload
        await service.begin(program(10))
        with pytest.raises(Conflict):
            await service.begin(program(10))

        await service.bus.call(subjects.GIVE_UP_UPLOAD, api.GiveUpUploadRequest(tenant_id=TENANT, id=first.id))

        assert (await service.begin(program(10))).upload.id

    async def test_files_of_a_name_are_bounded(self, service: Running) -> None:
        """The fourth file of a name is refused."""
        data = program(100)
        for version in ("1.0.0", "1.0.1", "1.0.2"):
            assert (await service.publish(data, version)).status_code == MADE
        assert codes(await service.publish(data, "1.0.3"))[1] == "quota_exceeded"

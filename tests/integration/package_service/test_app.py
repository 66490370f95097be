"""package-service whole: its events leave, its health tells the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts import streams, subjects
from fleet.events.v1 import package_pb2
from world.eventually import wait_until

from .conftest import TENANT, program

if TYPE_CHECKING:
    from .conftest import Running


async def test_publishing_is_heard_on_the_bus(service: Running) -> None:
    """Whoever listens to the domain events hears of the file, after commit."""
    heard: list[package_pb2.PackageEvent] = []
    made = (await service.publish(program())).json()

    async def said() -> bool:
        info = await service.bus.js.stream_info(
            streams.EVENTS.name, subjects_filter=subjects.package_event("*", TENANT)
        )
        for subject in info.state.subjects or {}:
            message = await service.bus.js.get_last_msg(streams.EVENTS.name, subject)
            heard.append(package_pb2.PackageEvent.FromString(message.data or b""))
        return bool(heard)

    await wait_until(said, within=20)
    assert heard[0].file_id == made["id"]
    assert heard[0].WhichOneof("what") == "published"

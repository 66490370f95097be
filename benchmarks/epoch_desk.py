"""
Stands in for agent-state where only a gateway is measured: hands out epochs, keeps the facts stream.

Run: python -m benchmarks.epoch_desk PORT NATS_URL. The port says nothing; it accepts once all is ready.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from contracts import streams, subjects
from fleet.api.v1 import agent_state_pb2 as agents
from servicekit.bus import Bus


async def main(port: int, nats_url: str) -> None:
    """Serve until killed."""
    bus = await Bus.connect(nats_url, name="bench-epochs")
    _ = await bus.ensure_stream(streams.FACTS)
    given = 0

    async def allocate(request: agents.AllocateEpochsRequest) -> agents.AllocateEpochsReply:
        nonlocal given
        first = given + 1
        given += request.count
        return agents.AllocateEpochsReply(first=first)

    await bus.serve(subjects.AGENT_STATE, "0.0.0", {subjects.ALLOCATE_EPOCHS: allocate})
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))

"""A gateway in this process, on real NATS and Redis, with agent-state played by the test."""

from __future__ import annotations

import hashlib
from typing import Any

from contracts import streams, subjects
from fleet.api.v1 import agent_state_pb2 as agents
from fleet.events.v1 import facts_pb2, presence_pb2
from servicekit.bus import Bus, BusMessage
from servicekit.errors import Unauthenticated, Unavailable
from servicekit.runner import Room

TOKEN = "oet_1_secret"


class FakeAgentState:
    """Allocates epochs, verifies tokens, hears facts and presence; can be told to be away."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.next_epoch = 1
        self.away = False
        self.allocations: list[int] = []
        self.verified = 0
        self.facts: list[facts_pb2.Fact] = []
        self.beats: list[presence_pb2.Presence] = []

    async def start(self) -> None:
        """Serve and listen."""
        await self.bus.ensure_stream(streams.FACTS)
        await self.bus.serve(
            "agent-state",
            "1.0.0",
            {subjects.ALLOCATE_EPOCHS: self._allocate, subjects.VERIFY_ENROLMENT_TOKEN: self._verify},
        )
        await self.bus.subscribe(f"{subjects.ROOT}.facts.*", self._on_facts)
        await self.bus.subscribe(f"{subjects.ROOT}.presence.*", self._on_presence)
        await self.bus.nc.flush()

    def kinds(self, uid: bytes) -> list[str]:
        """List the kinds of an agent's facts in order."""
        return [str(fact.WhichOneof("kind")) for fact in self.facts if fact.instance_uid == uid]

    def of(self, uid: bytes, kind: str) -> list[Any]:
        """List the bodies of an agent's facts of one kind."""
        return [
            getattr(fact, kind) for fact in self.facts if fact.instance_uid == uid and fact.WhichOneof("kind") == kind
        ]

    async def _allocate(self, request: agents.AllocateEpochsRequest) -> agents.AllocateEpochsReply:
        if self.away:
            raise Unavailable("away")
        first = self.next_epoch
        self.next_epoch += request.count
        self.allocations.append(request.count)
        return agents.AllocateEpochsReply(first=first)

    async def _verify(self, request: agents.VerifyEnrolmentTokenRequest) -> agents.VerifyEnrolmentTokenReply:
        if self.away:
            raise Unavailable("away")
        self.verified += 1
        if request.token_hash != hashlib.sha256(TOKEN.encode()).digest():
            raise Unauthenticated("nobody's")
        return agents.VerifyEnrolmentTokenReply(tenant_id="default", token_id="1")

    async def _on_facts(self, message: BusMessage) -> None:
        self.facts.extend(facts_pb2.FactBatch.FromString(message.payload).facts)

    async def _on_presence(self, message: BusMessage) -> None:
        self.beats.append(presence_pb2.Presence.FromString(message.payload))


class RunningGateway:
    """One gateway built by app.build, in this loop."""

    def __init__(self, room: Room, port: int) -> None:
        self.room = room
        self.port = port

    @property
    def url(self) -> str:
        """Where WebSocket agents connect."""
        return f"ws://127.0.0.1:{self.port}/v1/opamp"

    @property
    def http_url(self) -> str:
        """Where polling agents connect."""
        return f"http://127.0.0.1:{self.port}/v1/opamp"

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from google.protobuf.wrappers_pb2 import BytesValue, StringValue

from devstack.nats import NatsServer
from servicekit.bus import DEADLINE_HEADER, Bus, BusMessage, NoResponders
from servicekit.errors import Conflict, InternalError, Invalid, Kind, Problem, Unavailable

Eventually = Callable[..., Awaitable[object]]


class Greet:
    """A method as contracts.subjects would name it."""

    subject = "test.api.greeter.greet"
    name = "greet"
    request_type = StringValue
    response_type = StringValue


class Spec:
    """A stream as contracts.streams would declare it."""

    name = "TEST"
    subjects: tuple[str, ...] = ("test.stream.*",)
    max_age = timedelta(hours=1)
    max_bytes = 1_000_000
    duplicate_window = timedelta(minutes=2)


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Give a connection of this test's own."""
    bus = await Bus.connect(nats_url, name="test")
    yield bus
    await bus.close()


async def test_a_question_is_answered(bus: Bus) -> None:
    """A served method returns the handler's answer to the caller."""

    async def greet(request: StringValue) -> StringValue:
        return StringValue(value=f"hello {request.value}")

    await bus.serve("greeter", "1.0.0", {Greet(): greet})

    answer = await bus.call(Greet(), StringValue(value="agent"))

    assert answer.value == "hello agent"


async def test_an_answer_that_cannot_be_read_is_none(bus: Bus) -> None:
    """Bytes that mean nothing, and errors that are none, look to the caller like a service that is away."""

    async def babble(message: BusMessage) -> None:
        headers = {"Fleet-Error-Kind": "nonsense"} if b"error" in message.payload else None
        await bus.publish(message.reply_to, b"\xff\xff", headers)

    await bus.subscribe(Greet.subject, babble)

    for question in ("agent", "error"):
        with pytest.raises(Unavailable):
            await bus.call(Greet(), StringValue(value=question))


async def test_an_error_keeps_kind_code_sentence_and_details(bus: Bus) -> None:
    """What a handler raises arrives as the same kind of error, with everything a caller may see."""

    class NameTaken(Conflict):
        """A conflict with a code of its own."""

        code = "name_taken"

    async def greet(_: StringValue) -> StringValue:
        raise NameTaken("the name “ü” is\ntaken", details=[Problem("name", "taken", line=3)], retry_after_seconds=2)

    await bus.serve("greeter", "1.0.0", {Greet(): greet})

    with pytest.raises(Conflict) as caught:
        await bus.call(Greet(), StringValue())

    assert caught.value.stable_code == "name_taken"
    assert caught.value.public == "the name “ü” is\ntaken"
    assert caught.value.details == (Problem("name", "taken", line=3),)
    assert caught.value.retry_after_seconds == 2


async def test_a_bug_shows_nothing_of_itself(bus: Bus) -> None:
    """An unexpected exception becomes an internal error without its text."""

    async def greet(_: StringValue) -> StringValue:
        raise RuntimeError("secret detail")

    await bus.serve("greeter", "1.0.0", {Greet(): greet})

    with pytest.raises(InternalError) as caught:
        await bus.call(Greet(), StringValue())

    assert caught.value.kind is Kind.INTERNAL
    assert "secret" not in caught.value.public


async def test_a_slow_question_does_not_hold_the_next(bus: Bus) -> None:
    """Questions to one method are answered side by side."""
    release = asyncio.Event()

    async def greet(request: StringValue) -> StringValue:
        if request.value == "slow":
            await release.wait()
        return request

    await bus.serve("greeter", "1.0.0", {Greet(): greet})
    slow = asyncio.ensure_future(bus.call(Greet(), StringValue(value="slow")))
    quick = await bus.call(Greet(), StringValue(value="quick"))
    release.set()

    assert quick.value == "quick"
    assert (await slow).value == "slow"


async def test_an_answer_too_late_is_unavailable(bus: Bus) -> None:
    """The deadline of the caller ends the handler and both sides say Unavailable."""

    async def greet(request: StringValue) -> StringValue:
        await asyncio.Event().wait()
        return request

    await bus.serve("greeter", "1.0.0", {Greet(): greet})

    with pytest.raises(Unavailable):
        await bus.call(Greet(), StringValue(), timeout_seconds=0.1)


async def test_a_question_nobody_waits_for_is_not_worked_on(bus: Bus) -> None:
    """A question that lay too long in a stopped service is dropped: its caller was told no."""
    worked: list[str] = []

    async def greet(request: StringValue) -> StringValue:
        worked.append(request.value)
        return request

    await bus.serve("greeter", "1.0.0", {Greet(): greet})
    long_ago = {DEADLINE_HEADER: str(int((time.time() - 60) * 1000))}

    with pytest.raises(Unavailable):
        await bus.call(Greet(), StringValue(value="late"), headers=long_ago)
    await bus.call(Greet(), StringValue(value="in time"))

    assert worked == ["in time"]


async def test_nobody_there_is_said_at_once(bus: Bus) -> None:
    """A question nobody serves fails without waiting for the timeout."""
    with pytest.raises(NoResponders):
        await bus.call(Greet(), StringValue(), timeout_seconds=30)


async def test_a_request_that_does_not_decode_is_invalid(bus: Bus) -> None:
    """Bytes that are no message of the method's type are refused as Invalid."""

    class Raw(Greet):
        """The same method asked with other bytes."""

        request_type = BytesValue  # type: ignore[assignment] # on purpose: the wrong type

    async def greet(request: StringValue) -> StringValue:
        return request

    await bus.serve("greeter", "1.0.0", {Greet(): greet})

    with pytest.raises(Invalid):
        await bus.call(Raw(), BytesValue(value=b"\xff\xfe"))


async def test_what_a_listener_raises_does_not_end_it(bus: Bus, eventually: Eventually) -> None:
    """A handler that fails for one message still hears the next."""
    heard: list[bytes] = []

    async def listen(message: BusMessage) -> None:
        if message.payload == b"bad":
            raise RuntimeError
        heard.append(message.payload)

    await bus.subscribe("test.topic", listen)
    await bus.publish("test.topic", b"bad")
    await bus.publish("test.topic", b"good")

    await eventually(lambda: heard == [b"good"])


async def test_objects_are_kept_and_missing_ones_are_none(bus: Bus) -> None:
    """A stored object comes back whole, a second put is harmless, an unknown name is None."""
    content = bytes(range(256)) * 2000
    await bus.put_object("TEST_BUCKET", "one", content)
    await bus.put_object("TEST_BUCKET", "one", content)

    assert await bus.get_object("TEST_BUCKET", "one") == content
    assert await bus.get_object("TEST_BUCKET", "two") is None


async def test_a_stream_is_made_once_and_known_again(bus: Bus) -> None:
    """Declaring a stream twice gives the same stream."""
    first = await bus.ensure_stream(Spec())
    await bus.js.publish("test.stream.1", b"x")
    second = await bus.ensure_stream(Spec())

    assert first.created == second.created
    assert (first.last_seq, second.last_seq) == (0, 1)


class WiderSpec(Spec):
    """The same stream as a later release declares it."""

    subjects: tuple[str, ...] = ("test.stream.*", "test.more.*")


async def test_a_stream_of_an_older_release_learns_new_subjects(bus: Bus) -> None:
    """What it holds stays, and an older release that declares it again takes nothing away."""
    first = await bus.ensure_stream(Spec())
    await bus.js.publish("test.stream.1", b"x")

    await bus.ensure_stream(WiderSpec())
    await bus.js.publish("test.more.1", b"y")
    again = await bus.ensure_stream(Spec())
    await bus.js.publish("test.more.2", b"z")

    assert again.created == first.created
    assert again.last_seq == 2


async def test_a_server_that_returns_is_used_again(bus: Bus, nats_server: NatsServer, eventually: Eventually) -> None:
    """While the server is away everything is Unavailable; afterwards services and callbacks are back."""
    reconnects: list[str] = []

    async def note() -> None:
        reconnects.append("back")

    async def greet(request: StringValue) -> StringValue:
        return request

    bus.on_reconnect(note)
    await bus.serve("greeter", "1.0.0", {Greet(): greet})
    nats_server.kill()
    await eventually(lambda: not bus.connected)
    with pytest.raises(Unavailable):
        await bus.publish("test.topic", b"x")
    with pytest.raises(Unavailable):
        await bus.call(Greet(), StringValue())
    assert bus.connected_seconds() == 0

    away = time.monotonic()
    nats_server.start()

    await eventually(lambda: bool(reconnects))
    assert (await bus.call(Greet(), StringValue(value="again"))).value == "again"
    assert bus.connected_seconds() <= time.monotonic() - away

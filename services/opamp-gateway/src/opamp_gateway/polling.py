"""
Plain HTTP: one POST, one answer. An agent that polls has a logical session that outlives its connections.

Everything but a refusal at the door is answered 200 with a ServerToAgent, errors in its body included.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import zlib
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from contracts.ids import format_uid
from opamp_gateway import answers, metrics
from opamp_gateway.errors import BadMessage
from opamp_gateway.head import peer_of
from opamp_gateway.limits import earned
from opamp_gateway.offers import REMOTE_CONFIG, REPORT_FULL_STATE, Mailbox, Offering
from opamp_gateway.reception import rename, welcome
from opamp_gateway.registry import ask
from opamp_gateway.session import HTTP, parse, wants_uid
from opamp_gateway.tokens import OPEN, token_hash_of
from servicekit.errors import ServiceError, Unauthenticated

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

    from opamp.v1 import opamp_pb2 as opamp
    from opamp_gateway.connections import Holder
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.session import Session
    from opamp_gateway.tokens import Credential

log = structlog.get_logger()

MEDIA_TYPE = "application/x-protobuf"
_CHUNK = 64 * 1024
_SMALL = 64
_LOOK_SECONDS = 3.0
"""A poll this long after the last look asks the registry again; agents poll more rarely than that."""


class Poll:
    """A polling agent: what is to be told to it waits for its next request."""

    __slots__ = ("_credit", "_earned_at", "_gateway", "heard", "last_heard", "looked_at", "mailbox", "session")

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.session: Session | None = None
        self.heard = False
        self.last_heard = gateway.now()
        self.looked_at = self.last_heard
        """When the registry was last asked about the agent."""

        self.mailbox: Mailbox | None = None
        self._credit = gateway.limits.message_burst
        self._earned_at = self.last_heard

    def deliver(self, offering: Offering) -> None:
        """Keep *offering* for the next poll."""
        session = self.session
        if session is None:
            return
        if offering.kind == REPORT_FULL_STATE:
            session.forget()
        self.mailbox = self.mailbox or Mailbox()
        self.mailbox.put(offering)
        # Refused if the agent polls elsewhere by now: then this session ends and the next offer is told so.
        self._gateway.registry.note(session)

    def end(self, reason: str) -> None:
        """End the session; there is no connection to close."""
        session = self.session
        if session is not None:
            self._gateway.ended(self, session.over(reason, self._gateway.stamp()))

    async def answers(self, seconds: float) -> bool:  # noqa: ARG002 - the holder's protocol
        """A polling agent cannot be asked."""
        return False

    def may_speak(self) -> bool:
        """Spend credit, as a WebSocket does."""
        if self._credit > 0:
            self._credit -= 1
            return True
        limits, now = self._gateway.limits, self._gateway.now()
        credit = earned(limits.messages_per_second, limits.message_burst, self._earned_at, now)
        if not credit:
            return False
        self._credit = credit - 1
        self._earned_at = now
        return True

    def parts(self, room: int) -> bytes:
        """Take what may go with the next answer, which has *room* bytes left."""
        session = self.session
        if session is None or not self.mailbox:
            return b""
        gateway, now = self._gateway, self._gateway.now()
        parts: list[bytes] = []
        for offering in self.mailbox.take():
            if offering.kind == REPORT_FULL_STATE:
                parts.append(offering.part)
                continue
            if not session.just_offered(offering.content_hash, now):
                room -= len(offering.part)
                if room < 0:
                    metrics.OVERSIZE.inc()
                    log.warning("offer_too_large", bytes=offering.size)
                    continue
                parts.append(offering.part)
            fact = session.delivered(offering.kind, offering.content_hash, offering.offer_id, now, gateway.stamp())
            gateway.publisher.add((fact,))
        if not self.mailbox:
            self.mailbox = None
        return b"".join(parts)


class _Visitor:
    """A poll of an agent that has no session here yet, while it is received."""

    def __init__(self, gateway: Gateway, remote_address: str, credential: Credential) -> None:
        self._holder = Poll(gateway)
        self.remote_address = remote_address
        self.credential = credential
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @property
    def gone(self) -> bool:
        """Whether the request is over."""
        return self.answer.done()

    @property
    def holder(self) -> Holder:
        """What the session will hang on."""
        return self._holder

    @property
    def transport_kind(self) -> int:
        """It polls."""
        return HTTP

    def welcomed(self, reply: bytes) -> None:
        """Take the first answer."""
        if not self.answer.done():
            self.answer.set_result(reply)

    def renamed(self, reply: bytes) -> None:
        """Take an answer that opens no session."""
        self.welcomed(reply)


class Polling:
    """Answers plain HTTP requests; one for all connections."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def handle(self, request: BaseRequest) -> web.StreamResponse:
        """Answer one request; a gateway that leaves ends the connection with it, so the next poll goes elsewhere."""
        response = await self._handle(request)
        response.headers["Server"] = "opamp-gateway"
        if self._gateway.admission.draining:
            response.force_close()
        return response

    async def _handle(self, request: BaseRequest) -> web.Response:
        refused = self._check_head(request)
        if refused is not None:
            return refused
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            credential = await self._authenticate(headers)
        except Unauthenticated as error:
            metrics.REFUSED.labels("token").inc()
            return _plain(401, error.public, {"WWW-Authenticate": "Bearer"})
        except ServiceError as error:
            return self._overloaded(b"", 5 + round(25 * self._gateway.chance()), error.public, "token")
        try:
            async with asyncio.timeout(self._gateway.limits.handshake_seconds):
                body = await self._read(request)
        except TimeoutError:
            metrics.REFUSED.labels("handshake").inc()
            return _closing(408, "the request body took too long")
        except TooLarge:
            metrics.REFUSED.labels("size").inc()
            return _closing(413, f"a message may have at most {self._gateway.limits.max_message_bytes} bytes")
        except (BadMessage, web.RequestPayloadError, HttpProcessingError) as error:
            metrics.BAD_MESSAGES.labels("body").inc()
            return _closing(400, str(error) if isinstance(error, BadMessage) else "the request body is malformed")
        remote = request.transport.get_extra_info("peername") if request.transport else None
        address, port = (remote[0], remote[1]) if isinstance(remote, tuple) else ("unix", 0)
        peer = peer_of(address, port, headers.get("x-forwarded-for", ""), self._gateway.limits.trusted_proxies)
        return await self._answer(body, headers, peer, credential)

    def _check_head(self, request: BaseRequest) -> web.Response | None:
        path = self._gateway.limits.path
        if request.path != path:
            return _plain(404, f"agents are served at {path}")
        if request.method != "POST":
            return _closing(405, "POST an AgentToServer, or upgrade to WebSocket", {"Allow": "GET, POST"})
        types = request.headers.getall("Content-Type", [])
        if len(types) != 1 or types[0].partition(";")[0].strip().lower() != MEDIA_TYPE:
            return _closing(415, f"Content-Type must be {MEDIA_TYPE}", {"Accept": MEDIA_TYPE})
        codings = request.headers.getall("Content-Encoding", [])
        if len(codings) > 1 or (codings and codings[0].strip().lower() not in ("gzip", "identity")):
            return _closing(415, "the only Content-Encoding taken is gzip", {"Accept-Encoding": "gzip"})
        length = request.content_length
        if length is not None and length > self._gateway.limits.max_message_bytes:
            metrics.REFUSED.labels("size").inc()
            return _closing(413, f"a message may have at most {self._gateway.limits.max_message_bytes} bytes")
        return None

    async def _authenticate(self, headers: dict[str, str]) -> Credential:
        tokens = self._gateway.tokens
        if tokens is None:
            return OPEN
        token_hash = token_hash_of(headers)
        if token_hash is None:
            raise Unauthenticated("an enrolment token is needed")
        return tokens.known(token_hash) or await tokens.ask(token_hash)

    async def _read(self, request: BaseRequest) -> bytes:
        """Read the body, inflating it if it is compressed; neither form may pass the limit."""
        limit = self._gateway.limits.max_message_bytes
        packed = request.headers.get("Content-Encoding", "").strip().lower() == "gzip"
        raw = bytearray()
        async for chunk in request.content.iter_chunked(_CHUNK):
            raw += chunk
            if len(raw) > limit:
                raise TooLarge
        return inflate(bytes(raw), limit) if packed else bytes(raw)

    async def _answer(self, body: bytes, headers: dict[str, str], peer: str, credential: Credential) -> web.Response:
        gateway = self._gateway
        metrics.MESSAGES.labels("http").inc()
        try:
            message = parse(body)
            check_uid_header(headers, message.instance_uid)
        except BadMessage as error:
            metrics.BAD_MESSAGES.labels("message").inc()
            return _reply(answers.error(error.uid, answers.BAD_REQUEST, str(error)), headers)
        uid = message.instance_uid
        if wants_uid(message):
            return _reply(rename(uid, gateway.fresh_uid()), headers)
        holder = gateway.connections.get(credential.tenant_id, uid)
        poll = holder if isinstance(holder, Poll) else None
        if poll is not None and not poll.may_speak():
            return self._overloaded(uid, 30, "too many messages", "message rate")
        if poll is not None:
            poll = await self._catch_up(poll, credential, uid, gap=message.sequence_num != _next_of(poll))
        if poll is None or poll.session is None:
            return await self._first(message, headers, peer, credential)
        return self._next(poll, poll.session, message, headers)

    def _next(
        self, poll: Poll, session: Session, message: opamp.AgentToServer, headers: dict[str, str]
    ) -> web.Response:
        gateway = self._gateway
        if message.ByteSize() <= _SMALL and not message.HasField("agent_disconnect"):
            gateway.tally.heartbeats += 1
        poll.last_heard = gateway.now()
        gateway.heard(poll)
        step = session.receive(message, gateway.now(), gateway.stamp())
        reply = step.reply
        if step.goodbye:
            gateway.ended(poll, *step.facts)
        else:
            gateway.told(step.facts, asked=step.asked)
            gateway.registry.note(session)
            reply += poll.parts(gateway.limits.max_message_bytes - len(reply))
        return _reply(reply, headers)

    async def _first(
        self, message: opamp.AgentToServer, headers: dict[str, str], peer: str, credential: Credential
    ) -> web.Response:
        gateway = self._gateway
        uid = message.instance_uid
        who = format_uid(uid)
        refused = gateway.admission.ask(who, len(gateway.connections), gateway.now(), gateway.chance())
        if refused is not None:
            return self._overloaded(uid, refused.retry_after_seconds, "too many connects just now", refused.gate)
        gateway.admission.remember(who)
        visitor = _Visitor(gateway, peer, credential)
        welcome(gateway, visitor, message)
        try:
            async with asyncio.timeout(gateway.limits.handshake_seconds):
                return _reply(await visitor.answer, headers)
        except TimeoutError:
            return self._overloaded(uid, 30, "this took too long", "handshake")

    async def _catch_up(self, poll: Poll, credential: Credential, uid: bytes, *, gap: bool) -> Poll | None:
        """
        After a gap, or a few seconds, see who else served this agent and what it should run by now.

        Polls may go to any gateway while offers go to the one that told of the agent last; so the wanted config
        is read where all gateways find it.

        Returns:
            The poll to go on with, or None when a session must be opened afresh.
        """
        gateway = self._gateway
        if not gap and gateway.now() - poll.looked_at < _LOOK_SECONDS:
            return poll
        poll.looked_at = gateway.now()
        memory = await ask(gateway.registry, credential.tenant_id, uid)
        session = poll.session
        if session is None:
            return None
        moved = gap if memory is None else (memory.epoch, memory.turn) > (session.epoch, session.turn)
        if session.epoch and moved:
            # Served elsewhere, or nobody can say: whoever goes on needs a higher fence than this session has.
            gateway.ended(poll)
            return None
        if memory is not None:
            await self._desire(poll, session, memory.desired)
        return poll if poll.session is session else None

    async def _desire(self, poll: Poll, session: Session, desired: bytes) -> None:
        """Put a config that is wanted since the last look into the mailbox, once; without it the next poll looks."""
        gateway = self._gateway
        before = session.desired
        if not desired or desired == before:
            return
        session.desired = desired
        wanted = session.wanted()
        if not wanted or wanted in (session.offered_hash, poll.mailbox and poll.mailbox.hash_of(REMOTE_CONFIG)):
            return
        content = gateway.content.have(wanted)
        if content is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(gateway.limits.content_seconds):
                    content = await gateway.content.get(wanted)
        if content is None:
            session.desired = before
            return
        poll.deliver(Offering(REMOTE_CONFIG, wanted, content, ""))
        metrics.DELIVERED.labels("remote_config").inc()

    def _overloaded(self, uid: bytes, seconds: int, text: str, gate: str) -> web.Response:
        metrics.REFUSED.labels(gate).inc()
        body = answers.error(uid, answers.UNAVAILABLE, text, float(seconds))
        status = 429 if gate == "message rate" else 503
        return web.Response(status=status, body=body, content_type=MEDIA_TYPE, headers={"Retry-After": str(seconds)})


class TooLarge(Exception):
    """A body passed the limit."""


def inflate(data: bytes, limit: int) -> bytes:
    """
    Unpack gzip, never to more than *limit* bytes.

    Raises:
        BadMessage: It is not gzip, or ends early, or something follows it.

        TooLarge: It would be more than *limit* bytes.
    """
    engine = zlib.decompressobj(wbits=31)
    try:
        plain = engine.decompress(data, limit + 1)
    except zlib.error as error:
        text = "the body is not readable gzip"
        raise BadMessage(text) from error
    if len(plain) > limit:
        raise TooLarge
    if not engine.eof or engine.unused_data:
        text = "the gzip body is cut short or followed by something else"
        raise BadMessage(text)
    return plain


def check_uid_header(headers: dict[str, str], uid: bytes) -> None:
    """
    Compare the header OpAMP-Instance-UID, where there is one, with the message.

    Raises:
        BadMessage: They name different agents.
    """
    stated = headers.get("opamp-instance-uid", "")
    if stated and stated.strip().lower() != format_uid(uid):
        error = BadMessage("the header OpAMP-Instance-UID names another agent than the message")
        error.uid = uid
        raise error


def takes_gzip(accept: str) -> bool:
    """Say whether an Accept-Encoding value allows gzip."""
    allowed = False
    for part in accept.lower().split(","):
        coding, _, parameters = part.partition(";")
        name = coding.strip()
        if name not in ("gzip", "x-gzip", "*"):
            continue
        quality = parameters.strip().partition("=")[2].strip() if "q" in parameters else "1"
        try:
            wanted = float(quality) > 0
        except ValueError:
            wanted = False
        if name != "*":
            return wanted
        allowed = wanted
    return allowed


def _next_of(poll: Poll) -> int:
    return poll.session.sequence_num + 1 if poll.session is not None else -1


def _reply(body: bytes, headers: dict[str, str]) -> web.Response:
    """Answer with a ServerToAgent."""
    if not takes_gzip(headers.get("accept-encoding", "")):
        return web.Response(body=body, content_type=MEDIA_TYPE)
    packed = gzip.compress(body, compresslevel=1, mtime=0)
    return web.Response(body=packed, content_type=MEDIA_TYPE, headers={"Content-Encoding": "gzip"})


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text, headers=headers)


def _closing(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    """Refuse a request whose body is not read, or cannot be trusted to end where it says."""
    response = _plain(status, text, headers)
    response.force_close()
    return response

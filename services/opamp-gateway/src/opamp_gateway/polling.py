"""
Plain HTTP: one POST, one answer. An agent that polls has a logical session that outlives its connections.

Everything but a refusal at the door is answered 200 with a ServerToAgent, errors in its body included.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from typing import TYPE_CHECKING, NamedTuple

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from contracts.ids import format_uid, parse_uid
from opamp_gateway import admission, answers, inquiries, metrics
from opamp_gateway.bodies import TooLarge, inflate, takes_gzip
from opamp_gateway.certificates import BadCertificate
from opamp_gateway.credentials import OPEN, proof_of
from opamp_gateway.errors import BadMessage
from opamp_gateway.head import PROOFS, address_of, peer_of
from opamp_gateway.messages import parse, wants_uid
from opamp_gateway.offers import NAMES, REMOTE_CONFIG, Offering
from opamp_gateway.poll import Poll
from opamp_gateway.presented import certificate_of
from opamp_gateway.reception import LOOKS, rename, welcome
from opamp_gateway.registry import ask
from opamp_gateway.session import HTTP
from servicekit.errors import ServiceError, Unauthenticated

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

    from opamp.v1 import opamp_pb2 as opamp
    from opamp_gateway.connections import Holder
    from opamp_gateway.credentials import Credential, Proof
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.session import Session, Step

log = structlog.get_logger()

MEDIA_TYPE = "application/x-protobuf"
_CHUNK = 64 * 1024
_SMALL = 64
_LOOK_SECONDS = 3.0
"""A poll this long after the last look asks the registry again; agents poll more rarely than that."""


class Sender(NamedTuple):
    """Who sends a request."""

    headers: dict[str, str]
    """Names in lower case."""

    peer: str
    proof: Proof | None
    """None = the door is open."""

    as_of: int
    """The newest change of anybody's rights before it was asked who this is."""


class _Visitor:
    """A poll of an agent that has no session here yet, while it is received."""

    def __init__(self, gateway: Gateway, sender: Sender, credential: Credential) -> None:
        self._gateway = gateway
        self._holder = Poll(gateway)
        self.remote_address = sender.peer
        self.as_of = sender.as_of
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

    def welcomed(self, session: Session, step: Step, parts: bytes) -> None:
        """Take the first answer; where it needs asking first, ask."""
        if inquiries.are_due(session, step) and not session.closed:
            if self._gateway.errands.run(self._inquire(session, step, parts), "inquiry"):
                return
            if step.csr is not None:
                step.error = answers.error(step.uid, answers.UNAVAILABLE, "busy", 30.0)
        self.put_off(step.answer(parts))

    async def _inquire(self, session: Session, step: Step, parts: bytes) -> None:
        try:
            parts += await inquiries.make(self._gateway, session, step)
        finally:
            self.put_off(step.answer(parts))

    def renamed(self, answer: tuple[bytes, bytes]) -> None:
        """Take an answer that opens no session."""
        self.put_off(answer[0])

    def put_off(self, reply: bytes) -> None:
        """Take an answer."""
        if not self.answer.done():
            self.answer.set_result(reply)

    def refused(self, uid: bytes, sentence: str) -> None:  # noqa: ARG002 - a newcomer's protocol
        """Take a no."""
        if not self.answer.done():
            self.answer.set_exception(Unauthenticated(sentence))


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
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            lower = name.lower()
            headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
        remote = request.transport.get_extra_info("peername") if request.transport else None
        address, port = (remote[0], remote[1]) if isinstance(remote, tuple) else ("unix", 0)
        peer = peer_of(address, port, headers.get("x-forwarded-for", ""), self._gateway.limits.trusted_proxies)
        try:
            proof = self._proof(request, headers, address, peer)
            sender = Sender(headers, peer, proof, self._gateway.changes.count)
            credential = None if proof is None else await self._ahead(proof)
            body = await self._body(request)
            if isinstance(body, web.Response):
                return body
            return await self._answer(body, sender, credential)
        except Unauthenticated as error:
            metrics.REFUSED.labels("token").inc()
            return _plain(401, error.public, {"WWW-Authenticate": "Bearer"})
        except ServiceError as error:
            return self._overloaded(b"", 30 + round(30 * self._gateway.chance()), error.public, "token")

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
        for name in (*PROOFS, self._gateway.limits.certificate_header):
            if name and len(request.headers.getall(name, [])) > 1:
                return _closing(400, f"the header {name} may come once")
        length = request.content_length
        if length is not None and length > self._gateway.limits.max_body_bytes:
            metrics.REFUSED.labels("size").inc()
            return _closing(413, f"a message may have at most {self._gateway.limits.max_body_bytes} bytes")
        return None

    def _proof(self, request: BaseRequest, headers: dict[str, str], address: str, peer: str) -> Proof | None:
        """
        Gather what the request shows; None where the door is open.

        Raises:
            Unauthenticated: It shows nothing, or nothing that can be believed.
        """
        gateway = self._gateway
        if gateway.tokens is None:
            return None
        try:
            certificate = certificate_of(gateway, request.transport, headers, address)
        except BadCertificate as error:
            raise Unauthenticated(str(error)) from error
        proof = proof_of(headers, address_of(peer), certificate, _stated_uid(headers))
        if not proof.secret:
            raise Unauthenticated("an enrolment token, a credential or a client certificate is needed")
        return proof

    async def _ahead(self, proof: Proof) -> Credential | None:
        """Decide before the body is read, where the head says enough; None = not yet."""
        tokens = self._gateway.tokens
        if tokens is None:
            return OPEN
        proof = proof.naming(self._gateway.renamed.first_of(proof.instance_uid))
        known = tokens.known(proof)
        return await tokens.ask(proof) if known is None and proof.instance_uid else known

    async def _authenticate(
        self, sender: Sender, credential: Credential | None, message: opamp.AgentToServer
    ) -> Credential:
        """
        Decide who may speak for an agent, now that the body has named it.

        Raises:
            Unauthenticated: Not whoever this is.
        """
        gateway, proof, uid = self._gateway, sender.proof, message.instance_uid
        if gateway.tokens is None or proof is None:
            return OPEN
        named = gateway.renamed.first_of(uid)
        if credential is None or (not credential.is_general and proof.instance_uid != named):
            proof = proof.naming(named)
            credential = gateway.tokens.known(proof) or await gateway.tokens.ask(proof)
        if admission.is_foreign(gateway, credential, uid):
            if wants_uid(message):
                # It does not even claim to be one that is known.
                raise Unauthenticated(admission.OTHER_AGENT)
            await admission.vouch(gateway, admission.Known(credential, sender.peer, HTTP), message)
        return credential

    async def _body(self, request: BaseRequest) -> bytes | web.Response:
        """Read the body, or refuse it."""
        gateway = self._gateway
        held = _Held(gateway)
        try:
            async with asyncio.timeout(gateway.limits.handshake_seconds):
                return await self._read(request, held)
        except TimeoutError:
            metrics.REFUSED.labels("handshake").inc()
            return _closing(408, "the request body took too long")
        except TooLarge:
            metrics.REFUSED.labels("size").inc()
            return _closing(413, f"a message may have at most {gateway.limits.max_body_bytes} bytes")
        except _Crowded:
            response = self._overloaded(b"", 30, "too many messages are being received", "unfinished")
            response.force_close()
            return response
        except (BadMessage, web.RequestPayloadError, HttpProcessingError) as error:
            metrics.BAD_MESSAGES.labels("body").inc()
            return _closing(400, str(error) if isinstance(error, BadMessage) else "the request body is malformed")
        finally:
            held.free()

    async def _read(self, request: BaseRequest, held: _Held) -> bytes:
        """Read the body, inflating it if it is compressed; neither form may pass the limit."""
        limit = self._gateway.limits.max_body_bytes
        packed = request.headers.get("Content-Encoding", "").strip().lower() == "gzip"
        raw = bytearray()
        async for chunk in request.content.iter_chunked(_CHUNK):
            raw += chunk
            if len(raw) > limit:
                raise TooLarge
            held.grow(len(chunk))
        return inflate(bytes(raw), limit) if packed else bytes(raw)

    async def _answer(self, body: bytes, sender: Sender, credential: Credential | None) -> web.Response:
        gateway, headers, proof = self._gateway, sender.headers, sender.proof
        metrics.MESSAGES.labels("http").inc()
        try:
            message = parse(body)
        except BadMessage as error:
            metrics.BAD_MESSAGES.labels("message").inc()
            if gateway.tokens is not None and credential is None and proof is not None:
                # Whoever speaks nonsense is not told so before it has shown who it is.
                await gateway.tokens.ask(proof)
            return self._reply(answers.error(error.uid, answers.BAD_REQUEST, str(error)), headers)
        # The body decides whose message it is: the header is for those who route by it.
        uid = message.instance_uid
        try:
            credential = await self._authenticate(sender, credential, message)
        except Unauthenticated as error:
            log.warning("poll_refused", agent_uid=format_uid(uid), peer=sender.peer, reason=error.public)
            raise
        if wants_uid(message):
            temporary = gateway.connections.get(credential.tenant_id, uid)
            if isinstance(temporary, Poll):
                temporary.end("replaced")
            return self._reply(rename(gateway, uid)[0], headers)
        holder = gateway.connections.get(credential.tenant_id, uid)
        poll = holder if isinstance(holder, Poll) else None
        if poll is not None and not poll.may_speak():
            return self._overloaded(uid, 30, "too many messages", "message rate")
        if poll is not None and poll.session is not None:
            if poll.session.credential_id != credential.credential_id:
                # It shows another credential: a connection of its own, so that everybody learns of it.
                poll.end("replaced")
            poll = await self._catch_up(poll, credential, uid, gap=message.sequence_num != _next_of(poll))
        if poll is None or poll.session is None:
            return await self._first(message, sender, credential)
        return await self._next(poll, poll.session, message, headers)

    async def _next(
        self, poll: Poll, session: Session, message: opamp.AgentToServer, headers: dict[str, str]
    ) -> web.Response:
        gateway = self._gateway
        if message.ByteSize() <= _SMALL and not message.HasField("agent_disconnect"):
            gateway.tally.heartbeats += 1
        poll.last_heard = gateway.now()
        gateway.heard(poll)
        step = session.receive(message, gateway.now(), gateway.stamp())
        if step.goodbye:
            gateway.ended(poll, *step.facts)
            return self._reply(step.reply, headers)
        gateway.told(step.facts, asked=step.asked)
        gateway.registry.note(session)
        parts = await inquiries.make(gateway, session, step) if inquiries.are_due(session, step) else b""
        return self._reply(poll.answer(step, parts), headers)

    async def _first(self, message: opamp.AgentToServer, sender: Sender, credential: Credential) -> web.Response:
        gateway = self._gateway
        uid = message.instance_uid
        who = format_uid(uid)
        refused = gateway.admission.ask(who, len(gateway.connections), gateway.now(), gateway.chance())
        if refused is not None:
            return self._overloaded(uid, refused.retry_after_seconds, "too many connects just now", refused.gate)
        gateway.admission.remember(who)
        visitor = _Visitor(gateway, sender, credential)
        welcome(gateway, visitor, message)
        try:
            async with asyncio.timeout(gateway.limits.handshake_seconds):
                return self._reply(await visitor.answer, sender.headers)
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
        if gap and gateway.registry.shared:
            # Somebody else may have served it a moment ago and be about to say so.
            for pause in LOOKS:
                if session is None or memory is None or (memory.epoch, memory.turn) > (session.epoch, session.turn):
                    break
                await gateway.clock.sleep(pause)
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
        metrics.DELIVERED.labels(NAMES[REMOTE_CONFIG]).inc()

    def _overloaded(self, uid: bytes, seconds: int, text: str, gate: str) -> web.Response:
        metrics.REFUSED.labels(gate).inc()
        body = answers.error(uid, answers.UNAVAILABLE, text, float(seconds))
        status = 429 if gate == "message rate" else 503
        return web.Response(status=status, body=body, content_type=MEDIA_TYPE, headers={"Retry-After": str(seconds)})

    def _reply(self, body: bytes, headers: dict[str, str]) -> web.Response:
        """Answer with a ServerToAgent; one over the limit is discarded, with a record."""
        if len(body) > self._gateway.limits.max_answer_bytes:
            metrics.OVERSIZE.inc()
            log.warning("answer_too_large", bytes=len(body))
            return _plain(500, "the answer is too large")
        if not takes_gzip(headers.get("accept-encoding", "")):
            return web.Response(body=body, content_type=MEDIA_TYPE)
        packed = gzip.compress(body, compresslevel=1, mtime=0)
        return web.Response(body=packed, content_type=MEDIA_TYPE, headers={"Content-Encoding": "gzip"})


class _Crowded(Exception):
    """All bodies under way together are too large."""


class _Held:
    """What one request body takes of the budget for all."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._size = 0

    def grow(self, size: int) -> None:
        """Take more; raise when nothing is left."""
        self._size += size
        self._gateway.tally.body_bytes += size
        if self._gateway.tally.body_bytes > self._gateway.limits.max_unfinished_bytes:
            raise _Crowded

    def free(self) -> None:
        """Give all of it back."""
        self._gateway.tally.body_bytes -= self._size
        self._size = 0


def _stated_uid(headers: dict[str, str]) -> bytes:
    """Read which agent the head names; empty = none that can be read."""
    try:
        return parse_uid(headers.get("opamp-instance-uid", "").strip())
    except ValueError:
        return b""


def _next_of(poll: Poll) -> int:
    return poll.session.sequence_num + 1 if poll.session is not None else -1


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text, headers=headers)


def _closing(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    """Refuse a request whose body is not read, or cannot be trusted to end where it says."""
    response = _plain(status, text, headers)
    response.force_close()
    return response

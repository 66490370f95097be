"""
Who is let in: verdicts of agent-state, asked for many at once and remembered.

A verdict that says the same of every agent is remembered by its secret alone, so a fleet that comes back with one
token costs one question. A good verdict stays good while agent-state cannot be asked; a stranger waits outside.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from opamp_gateway import metrics
from opamp_gateway.credentials import BARRED, Credential, Proof
from opamp_gateway.errands import Errands
from opamp_gateway.shelf import NEVER, Held, Shelf, Verdict
from servicekit.errors import ServiceError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from servicekit.clock import Clock

log = structlog.get_logger()

AT_ONCE = 256
"""Proofs in one question."""

_BATCHES = 4
"""Questions under way; what comes meanwhile gathers for the next."""

_BATCH_SECONDS = 10.0
_LINE = 20_000
"""Most proofs that may wait to be asked about."""

_AWAY = "credentials cannot be checked just now"
_MISTYPED = "this token was mistyped or cut off: its checksum does not fit; copy it again"


class IdentityDesk:
    """
    Remembers verdicts.

    Args:
        authenticate: Asks agent-state; one verdict per proof, in order. Raises ServiceError.

        good_seconds: Longest time a good verdict is used without asking again.

        bad_seconds: How long a refusal is repeated without asking again.

        remembered: How many verdicts are kept, of each sort.
    """

    def __init__(
        self,
        authenticate: Callable[[Sequence[Proof]], Awaitable[Sequence[Verdict]]],
        clock: Clock,
        *,
        good_seconds: float,
        bad_seconds: float,
        remembered: int = 10_000,
    ) -> None:
        self._authenticate = authenticate
        self._clock = clock
        self._good_seconds = good_seconds
        self._bad_seconds = bad_seconds
        self._general: Shelf[bytes] = Shelf(remembered)
        self._particular: Shelf[Proof] = Shelf(remembered)
        self._refused: Shelf[Proof] = Shelf(remembered)
        self._changes = 0
        self._under_way: dict[Proof, asyncio.Future[Verdict | None]] = {}
        self._scouts: dict[bytes, asyncio.Future[Verdict | None]] = {}
        self._waiting: list[Proof] = []
        self._running = 0
        self._errands = Errands(limit=2 * _BATCHES, deadline_seconds=_BATCH_SECONDS)

    def known(self, proof: Proof) -> Credential | None:
        """Return whom *proof* lets in if that is known for certain; None = ask."""
        held = self._fresh(proof)
        credential = None if held is None else held.verdict.credential
        return None if credential is None or self._expired(credential) else credential

    async def ask(self, proof: Proof) -> Credential:
        """
        Return whom *proof* lets in.

        Raises:
            Unauthenticated: Nobody; the sentence says why.

            Unavailable: agent-state cannot be asked and nothing good is remembered.
        """
        if proof.mistyped:
            metrics.TOKENS.labels("mistyped").inc()
            raise Unauthenticated(_MISTYPED)
        held = self._fresh(proof)
        if held is None:
            scout = self._scouts.get(proof.secret)
            if scout is not None:
                # What is found out for another agent with the same token may hold for this one, too.
                found = await asyncio.shield(scout)
                held = self._fresh(proof) if found is not None else self._find(proof)
                if held is None and found is None:
                    raise Unavailable(_AWAY, retry_after_seconds=30)
        return self._admit(held.verdict if held is not None else await self._inquire(proof))

    def forget(self, tenant_id: str, credential_ids: Collection[str], uids: Collection[bytes]) -> None:
        """
        Drop what is not certain any more.

        General verdicts of the tenant are asked for again, too: one of its agents may be barred by now. They still
        serve while nobody can be asked, unless their own token is named. If nothing is named, something has changed
        for the whole tenant, and every verdict is asked for again.
        """
        self._changes += 1
        self._refused.clear()
        for secret in self._general.about(credential_ids):
            self._general.drop(secret)
        shelves: tuple[Shelf[bytes] | Shelf[Proof], ...] = (self._general,)
        if credential_ids or uids:
            for proof in self._particular.about((*credential_ids, *uids)):
                self._particular.drop(proof)
        else:
            shelves = (self._general, self._particular)
        for shelf in shelves:
            for held in shelf.all():
                if held.verdict.credential is not None and held.verdict.credential.tenant_id == tenant_id:
                    held.until = NEVER

    def doubt_all(self) -> None:
        """Ask again about everybody; who is good serves on while nobody can be asked."""
        self._changes += 1
        self._refused.clear()
        for shelf in (self._general, self._particular):
            for held in shelf.all():
                held.until = NEVER

    def doubt(self, credential_id: str) -> None:
        """Ask again whom a credential lets in: one of those it let in was turned away just now."""
        for secret in self._general.about((credential_id,)):
            self._expire(self._general.get(secret))
        for proof in self._particular.about((credential_id,)):
            self._expire(self._particular.get(proof))

    @staticmethod
    def _expire(held: Held | None) -> None:
        if held is not None:
            held.until = NEVER

    async def close(self) -> None:
        """End what is under way."""
        await self._errands.close()

    def _find(self, proof: Proof) -> Held | None:
        return self._particular.get(proof) or self._general.get(proof.secret)

    def _fresh(self, proof: Proof) -> Held | None:
        now = self._clock.monotonic()
        for held in (self._refused.get(proof), self._find(proof)):
            if held is not None and held.until >= now:
                return held
        return None

    def _admit(self, verdict: Verdict) -> Credential:
        credential = verdict.credential
        if credential is None:
            raise Unauthenticated(verdict.refusal or "this credential lets nobody in")
        if self._expired(credential):
            raise Unauthenticated("this credential has expired")
        if credential.approval in BARRED:
            raise Unauthenticated(f"this agent was {credential.approval}")
        return credential

    async def _inquire(self, proof: Proof) -> Verdict:
        future = self._under_way.get(proof)
        if future is None:
            if len(self._waiting) >= _LINE:
                raise Unavailable("too many credentials to check just now", retry_after_seconds=30)
            future = self._under_way[proof] = asyncio.get_running_loop().create_future()
            _ = self._scouts.setdefault(proof.secret, future)
            self._waiting.append(proof)
            self._start()
        verdict = await asyncio.shield(future)
        if verdict is None:
            raise Unavailable(_AWAY, retry_after_seconds=30)
        return verdict

    def _start(self) -> None:
        if self._running < _BATCHES and self._errands.run(self._batch(), "authenticate"):
            self._running += 1

    async def _batch(self) -> None:
        proofs: list[Proof] = []
        verdicts: Sequence[Verdict] = ()
        away = "no answer"
        changes = self._changes
        try:
            await asyncio.sleep(0)
            proofs, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            if proofs:
                verdicts = await self._authenticate(proofs)
        except ServiceError as error:
            away = error.public
        finally:
            # Also when cancelled or broken: whoever waits gets an answer, and the next are asked about.
            self._running -= 1
            if len(verdicts) != len(proofs):
                self._unanswered(proofs, away)
            else:
                for proof, verdict in zip(proofs, verdicts, strict=True):
                    metrics.TOKENS.labels("refused" if verdict.credential is None else "accepted").inc()
                    if self._changes == changes:
                        # Otherwise it may be from before the change: good for this once, and not remembered.
                        self._remember(proof, verdict)
                    self._answer(proof, verdict)
            if self._waiting:
                self._start()

    def _unanswered(self, proofs: Sequence[Proof], why: str) -> None:
        """Fall back on what is remembered."""
        stale = 0
        for proof in proofs:
            held = self._find(proof)
            good = held is not None and held.verdict.credential is not None
            stale += good
            metrics.TOKENS.labels("stale" if good else "unavailable").inc()
            self._answer(proof, held.verdict if held is not None and good else None)
        if stale:
            log.warning("verdicts_are_stale", agents=stale, error=why)

    def _answer(self, proof: Proof, verdict: Verdict | None) -> None:
        future = self._under_way.pop(proof)
        if self._scouts.get(proof.secret) is future:
            del self._scouts[proof.secret]
        if not future.done():
            future.set_result(verdict)

    def _remember(self, proof: Proof, verdict: Verdict) -> None:
        credential = verdict.credential
        now = self._clock.monotonic()
        if credential is None:
            self._particular.drop(proof)
            self._refused.put(proof, Held(verdict, now + self._bad_seconds))
            return
        self._refused.drop(proof)
        if not verdict.cache_seconds:
            self._particular.drop(proof)
            return
        held = Held(verdict, now + min(verdict.cache_seconds, self._good_seconds))
        if credential.is_general:
            self._particular.drop(proof)
            self._general.put(proof.secret, held, (credential.credential_id,))
        else:
            self._general.drop(proof.secret)
            names = (credential.credential_id, proof.instance_uid, credential.bound_uid)
            self._particular.put(proof, held, names)

    def _expired(self, credential: Credential) -> bool:
        return bool(credential.expires_at) and self._clock.now().timestamp() >= credential.expires_at

"""Which agents may fetch files: those whose credential agent-state vouches for, remembered as long as it says."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING

from package_service.errors import DownloadRefused, NotApproved

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from fleet.api.v1 import identity_pb2

_SCHEMES = frozenset(("bearer", "secret-key"))
_MAX_TOKEN = 4096
_APPROVED = frozenset(("", "approved"))


class AgentAccess:
    """
    Tells whose agent asks.

    Args:
        ask: Asks agent-state about the hash of a token shown from an address; raises ServiceError.

        monotonic: Seconds that never go back.

        entries: Verdicts remembered at most.
    """

    def __init__(
        self,
        ask: Callable[[bytes, str], Awaitable[identity_pb2.Verdict]],
        monotonic: Callable[[], float],
        *,
        entries: int,
    ) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._entries = entries
        self._known: OrderedDict[tuple[bytes, str], tuple[float, identity_pb2.Verdict]] = OrderedDict()
        self._forgotten = 0

    async def tenant_of(self, headers: Mapping[str, str], address: str) -> str:
        """
        Tell the tenant of the agent that sent these headers.

        Args:
            headers: Of the request; names in any case, as aiohttp gives them.

            address: Of the peer, without port.

        Raises:
            DownloadRefused: No credential, or one that is not good (any more).

            NotApproved: Nobody has approved the agent yet.

            Unavailable: agent-state does not answer.
        """
        token = token_of(headers)
        if not token or len(token) > _MAX_TOKEN:
            raise DownloadRefused("send the agent's credential: Authorization: Bearer <credential>")
        verdict = await self._verdict(hashlib.sha256(token.encode()).digest(), address)
        if verdict.refusal:
            raise DownloadRefused(verdict.refusal)
        if verdict.approval not in _APPROVED:
            raise NotApproved(f"the agent is {verdict.approval}, not approved")
        return verdict.tenant_id

    def forget(self) -> None:
        """Ask anew about everybody: somebody's right has changed."""
        self._forgotten += 1
        self._known.clear()

    async def _verdict(self, token_hash: bytes, address: str) -> identity_pb2.Verdict:
        key, now = (token_hash, address), self._monotonic()
        known = self._known.get(key)
        if known is not None and now < known[0]:
            return known[1]
        mark = self._forgotten
        verdict = await self._ask(token_hash, address)
        if verdict.cache_seconds and mark == self._forgotten:
            self._known[key] = (now + verdict.cache_seconds, verdict)
            self._known.move_to_end(key)
            while len(self._known) > self._entries:
                self._known.popitem(last=False)
        return verdict


def token_of(headers: Mapping[str, str]) -> str:
    """Find the token in `Authorization: Bearer …`, `Authorization: Secret-Key …` or `Secret-Key: …`."""
    scheme, _, rest = headers.get("Authorization", "").partition(" ")
    if scheme.lower() in _SCHEMES:
        return rest.strip()
    return headers.get("Secret-Key", "").strip()

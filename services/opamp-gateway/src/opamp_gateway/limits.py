"""Token buckets, and who may come in when many want to. Pure: the time is handed in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from fleet.events.v1 import facts_pb2

_HTTP = int(facts_pb2.TRANSPORT_HTTP)


# Compiled, a field's annotation is looked up at run time: what it names is imported for good, not for checking only.
@dataclass(frozen=True)
class Limits:
    """What one peer may do; every field is a setting."""

    path: str = "/v1/opamp"
    max_message_bytes: int = 4 * 1024 * 1024
    max_body_bytes: int = 4 * 1024 * 1024
    max_outgoing_bytes: int = 64 * 1024 * 1024
    max_answer_bytes: int = 64 * 1024 * 1024
    compression: bool = True
    max_frames: int = 4096
    message_seconds: float = 30.0
    max_unfinished_bytes: int = 128 * 1024 * 1024
    max_head_bytes: int = 16 * 1024
    handshake_seconds: float = 10.0
    messages_per_second: float = 10.0
    message_burst: int = 50
    max_bad_messages: int = 5
    max_uid_changes: int = 8
    max_agents_per_socket: int = 1_000
    ping_after_seconds: float = 20.0
    pong_seconds: float = 20.0
    clone_seconds: float = 3.0
    write_buffer_bytes: int = 256 * 1024
    slow_reader_seconds: float = 10.0
    poll_silence_seconds: float = 60.0
    content_seconds: float = 0.5
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    certificate_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    certificate_header: str = ""

    def outgoing(self, transport: int) -> int:
        """Tell how many bytes one ServerToAgent may have."""
        return self.max_answer_bytes if transport == _HTTP else self.max_outgoing_bytes - 1


class Bucket:
    """Holds up to *burst* tokens and gains *rate* of them per second."""

    __slots__ = ("_at", "burst", "rate", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = burst
        self._at = now

    def take(self, now: float, *, reserve: float = 0.0) -> bool:
        """Take one token unless that would leave less than *reserve*; say whether it was taken."""
        self.tokens = min(self.burst, self.tokens + (now - self._at) * self.rate)
        self._at = now
        if self.tokens - 1 < reserve:
            return False
        self.tokens -= 1
        return True

    def wait_seconds(self, backlog: float) -> float:
        """Say how long *backlog* takers would need to be served."""
        return backlog / self.rate


def earned(rate: float, burst: int, since: float, now: float) -> int:
    """
    Tell how many messages an agent may send again, having used up its credit.

    The hot path counts a credit down and looks at the clock only when it is used up: over any stretch at most
    two bursts more than the rate allows may pass, and no message pays for asking the time.
    """
    return int(min(float(burst), (now - since) * rate))


@dataclass(frozen=True)
class Refusal:
    """Why somebody may not come in now, and when to knock again."""

    gate: str
    """connections, rate, spool or draining: the label of the metric."""

    retry_after_seconds: int


class Admission:
    """
    The gate before every connect: connections, connect rate, spool.

    Agents that were here before are served from the whole bucket, strangers only while a quarter of it is
    left; so after a crash the fleet comes back before newcomers get in.
    """

    def __init__(
        self,
        *,
        connects_per_second: float,
        connect_burst: float,
        max_connections: int,
        retry_after_seconds: int,
        remembered: int,
        now: float,
    ) -> None:
        self._bucket = Bucket(connects_per_second, connect_burst, now)
        self._max_connections = max_connections
        self.retry_after_seconds = retry_after_seconds
        self._known: OrderedDict[str, None] = OrderedDict()
        self._remembered = remembered
        self._refused = 0.0
        self._refused_at = now
        self.spool_full = False
        self.draining = False

    def remember(self, who: str) -> None:
        """Note somebody who was let in and behaved: a peer address or an agent's uid."""
        self._known[who] = None
        self._known.move_to_end(who)
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)

    def ask(self, who: str, connections: int, now: float, chance: float) -> Refusal | None:
        """
        Ask to come in.

        Args:
            who: As given to `remember`.

            connections: How many are in.

            now: Monotonic seconds.

            chance: 0 … 1, spreads the Retry-After of everybody refused (full jitter).

        Returns:
            None = come in; else the refusal.
        """
        if self.draining:
            return self._refuse("draining", now, chance)
        if self.spool_full:
            return self._refuse("spool", now, chance)
        if connections >= self._max_connections:
            return self._refuse("connections", now, chance)
        reserve = 0.0 if who in self._known else self._bucket.burst / 4
        if not self._bucket.take(now, reserve=reserve):
            return self._refuse("rate", now, chance)
        return None

    def _refuse(self, gate: str, now: float, chance: float) -> Refusal:
        self._refused = max(0.0, self._refused - (now - self._refused_at) * self._bucket.rate) + 1
        self._refused_at = now
        spread = max(self._bucket.wait_seconds(self._refused), float(self.retry_after_seconds))
        return Refusal(gate, max(1, round(self.retry_after_seconds + chance * spread)))

"""Redis as a cache: short timeouts, few retries; an error is a miss, never a failure."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

CacheError = (RedisError, OSError, TimeoutError)
"""What a caller treats as a miss."""

TIMEOUT_SECONDS = 1.0


def connect_redis(url: str, *, max_connections: int = 16) -> Redis:
    """
    Make a client; it connects on first use and again after every loss.

    Commands stay within Redis 6.2. Answers are bytes.
    """
    client: Redis = Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        max_connections=max_connections,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 1),
        decode_responses=False,
    )
    return client

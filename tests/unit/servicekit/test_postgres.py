from __future__ import annotations

import asyncpg
import pytest

from servicekit.bus import is_away
from servicekit.postgres import is_transient


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.AdminShutdownError(),
        asyncpg.CrashShutdownError(),
        asyncpg.InternalClientError(),
        asyncpg.DeadlockDetectedError(),
        asyncpg.SerializationError(),
        asyncpg.LockNotAvailableError(),
        asyncpg.QueryCanceledError(),
        asyncpg.TooManyConnectionsError(),
        asyncpg.DiskFullError(),
        asyncpg.OutOfMemoryError(),
        asyncpg.InsufficientResourcesError(),
        asyncpg.ConfigurationLimitExceededError(),
        asyncpg.IdleSessionTimeoutError(),
        asyncpg.PostgresSystemError(),
        asyncpg.PostgresIOError(),
        asyncpg.ReadOnlySQLTransactionError(),
    ],
)
def test_a_server_that_is_away_is_transient(error: Exception) -> None:
    """Errors that repeating may cure are told from the others, also by the bus."""
    assert is_transient(error)
    assert is_away(error)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UniqueViolationError(),
        asyncpg.UndefinedTableError(),
        asyncpg.NoActiveSQLTransactionError(),
        asyncpg.PostgresError(),
        KeyError("x"),
    ],
)
def test_a_mistake_is_not_transient(error: Exception) -> None:
    """Errors that repeating cannot cure are not waited for."""
    assert not is_transient(error)

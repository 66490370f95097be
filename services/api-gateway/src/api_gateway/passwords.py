"""
Passwords: argon2id, off the event loop, two at a time.

Checking a password costs the same whether the user exists or not, so that time tells nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from api_gateway.errors import Unprocessable
from servicekit.errors import Problem

PARALLEL = 2
"""Each hash takes 19 MiB and a core."""

_REFUSED = frozenset(
    (
        "password", "passw0rd", "password1", "password123", "12345678", "123456789", "1234567890", "qwertyui",
        "qwerty123", "qwertyuiop", "iloveyou", "admin123", "administrator", "letmein1", "welcome1", "changeme",
        "11111111", "00000000", "abcd1234", "abc12345", "sunshine", "princess", "football",
    )
)  # fmt: skip


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self, *, time_cost: int = 2, memory_kib: int = 19 * 1024) -> None:
        self._hasher = PasswordHasher(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
        )
        self._slots = asyncio.Semaphore(PARALLEL)
        self._decoy = self._hasher.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        """Hash a password for storing; parameters and salt are inside."""
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str, *, admit: Callable[[], None]) -> bool:
        """
        Say whether *password* is the one behind *stored*; None works as hard and says no.

        Args:
            stored: Hash of the account's password.

            password: What somebody says it is.

            admit: Called when it is this one's turn; raises if so many failed meanwhile that it may not be tried.
        """
        async with self._slots:
            admit()
            fits = await asyncio.to_thread(self._check, stored or self._decoy, password)
        return fits and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Say whether *stored* was made with other parameters than today's."""
        try:
            return self._hasher.check_needs_rehash(stored)
        except InvalidHashError:
            return False

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def generate_password() -> str:
    """Make a password nobody guesses: 24 characters, 144 bits."""
    return secrets.token_urlsafe(18)


def check_strength(username: str, password: str, *, field: str = "password") -> None:
    """
    Refuse passwords that are known to everybody.

    Raises:
        Unprocessable: It is a usual one, or the username.
    """
    lowered = password.lower()
    if lowered in _REFUSED or lowered == username.lower() or len(set(password)) < 3:  # noqa: PLR2004 - aaaa…
        public = "this password is too easy to guess"
        raise Unprocessable(public, details=[Problem(field, public)])

"""Passwords."""

from __future__ import annotations

import asyncio

import pytest

from api_gateway.errors import Unprocessable
from api_gateway.passwords import Passwords, check_strength, generate_password


def always() -> None:
    """Admit everybody."""


def cheap() -> Passwords:
    """Make a hasher that does not burn the test's time."""
    return Passwords(time_cost=1, memory_kib=64)


async def test_the_right_password_fits_and_no_other() -> None:
    """A hash verifies its password only, and two hashes of one password differ."""
    passwords = cheap()
    stored = await passwords.hash("correct horse")

    assert await passwords.verify(stored, "correct horse", admit=always)
    assert not await passwords.verify(stored, "Correct horse", admit=always)
    assert stored != await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")


async def test_an_unknown_user_costs_the_same_work() -> None:
    """Without a stored hash a decoy is checked, and the answer is no, even for the decoy's own password."""
    passwords = cheap()

    assert not await passwords.verify(None, "anything", admit=always)
    assert not await passwords.verify("not a hash", "anything", admit=always)


async def test_a_password_longer_than_bcrypts_72_bytes_counts_in_full() -> None:
    """The original answered 500 above 72 bytes."""
    passwords = cheap()
    stored = await passwords.hash("x" * 72 + "a")

    assert not await passwords.verify(stored, "x" * 72 + "b", admit=always)


async def test_hashes_of_older_parameters_are_recognised() -> None:
    """They are made anew at the next login."""
    stored = await cheap().hash("correct horse")

    assert Passwords(time_cost=2, memory_kib=64).is_outdated(stored)
    assert not cheap().is_outdated(stored)
    assert not cheap().is_outdated("not a hash")


async def test_two_hashes_at_a_time() -> None:
    """A flood of logins waits its turn instead of taking 19 MiB each."""
    passwords = cheap()
    running = most = 0
    original = passwords._check

    def counted(stored: str, password: str) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return original(stored, password)
        finally:
            running -= 1

    passwords._check = counted  # type: ignore[method-assign] # watched from here
    await asyncio.gather(*(passwords.verify(None, "x", admit=always) for _ in range(12)))

    assert most <= 2


def test_generated_passwords_are_long_and_differ() -> None:
    """Nobody guesses the first administrator's password."""
    made = {generate_password() for _ in range(100)}

    assert len(made) == 100
    assert min(map(len, made)) >= 24


@pytest.mark.parametrize("password", ["password", "Admin123", "jo-the-user", "aaaaaaaa", "12345678"])
def test_usual_passwords_are_refused(password: str) -> None:
    """The ones everybody tries first."""
    with pytest.raises(Unprocessable):
        check_strength("jo-the-user", password)


def test_an_ordinary_password_is_taken() -> None:
    """No rules about digits and signs."""
    check_strength("jo", "correct horse")

"""How a fleet takes packages: how long it takes them, who fails, where and with which words. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


class Failure(StrEnum):
    """Where an agent that is to fail does so."""

    DOWNLOAD = "download"
    INSTALL = "install"
    HEALTH = "health"
    """The package is installed, and the agent is unhealthy with it until it has another."""


FAILURES = {
    Failure.DOWNLOAD: "could not download: no space left on device",
    Failure.INSTALL: "could not install: the new program exited with status 1",
    Failure.HEALTH: "the new version crashed 3 times within a minute",
}


@dataclass(frozen=True, kw_only=True)
class PackageOptions:
    """What the agents of one fleet do with packages."""

    install_seconds: float = 0.2
    """Mean time to install what was downloaded; half to one and a half times as long."""
    fail_share: float = 0.0
    """This share of the agents fails, spread evenly over their numbers."""
    failure: Failure = Failure.INSTALL
    fail_version: str = ""
    """Only this version fails; empty = every one."""
    error: str = ""
    """What those that fail say; empty = something fitting."""
    public_key: str = ""
    """Ed25519 key, PEM: files without its signature are refused. Empty = signatures are not looked at."""
    always_download: bool = False
    """Every agent downloads every file; otherwise those of one process share what one of them has verified."""

    @property
    def words(self) -> str:
        """What those that fail say."""
        return self.error or FAILURES[self.failure]

    def __post_init__(self) -> None:
        """
        Refuse what makes no sense.

        Raises:
            ValueError: With a sentence.
        """
        if not 0 <= self.fail_share <= 1:
            message = "the share of agents on which packages fail must lie between 0 and 1"
            raise ValueError(message)
        if math.isinf(self.install_seconds) or self.install_seconds < 0:
            message = "installing a package must end some time"
            raise ValueError(message)
        if self.public_key:
            read_key(self.public_key)

    @property
    def trusted_key(self) -> Ed25519PublicKey | None:
        """The key files must be signed with; None = whatever comes."""
        return read_key(self.public_key) if self.public_key else None

    def fails(self, position: int) -> bool:
        """Say whether the agent at *position* in its fleet is one that fails."""
        return math.floor((position + 1) * self.fail_share) > math.floor(position * self.fail_share)


def read_key(pem: str) -> Ed25519PublicKey:
    """
    Read a public key.

    Raises:
        ValueError: It is no Ed25519 key in PEM.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        message = "the public key of packages cannot be read: it must be PEM"
        raise ValueError(message) from error
    if not isinstance(key, Ed25519PublicKey):
        message = "the public key of packages must be an Ed25519 key"
        raise ValueError(message)  # noqa: TRY004 - a wrong value, whatever its type
    return key


def read_platforms(texts: list[str]) -> tuple[tuple[str, float], ...]:
    """
    Read platforms with their weights: "linux/amd64", "windows/amd64=2".

    Raises:
        ValueError: One is no platform, or its weight is none.
    """
    found = []
    for text in texts:
        platform, _, weight = text.partition("=")
        system, _, architecture = platform.partition("/")
        try:
            number = float(weight or 1)
        except ValueError:
            number = 0.0
        if not (system and architecture and 0 < number < math.inf):
            message = f"{text!r} is no platform; write linux/amd64, or windows/amd64=2 for twice as many"
            raise ValueError(message)
        found.append((platform, number))
    return tuple(found)

"""How much may be stored and carried at once, and the counting of what runs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from package_service import metrics
from package_service.errors import TooManyTransfers

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Bounds:
    """What a tenant may store."""

    file_bytes: int
    tenant_bytes: int
    open_uploads: int
    files_per_package: int


class Lane:
    """
    Transfers in one direction.

    Args:
        direction: up or down.

        most: How many may run at once.
    """

    def __init__(self, direction: str, most: int) -> None:
        self._direction = direction
        self._most = most
        self.running = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """
        Count one transfer for as long as it runs.

        Raises:
            TooManyTransfers: As many as may run already.
        """
        if self.running >= self._most:
            metrics.REFUSED.labels("transfers").inc()
            raise TooManyTransfers
        self.running += 1
        metrics.TRANSFERS.labels(self._direction).set(self.running)
        try:
            yield
        finally:
            self.running -= 1
            metrics.TRANSFERS.labels(self._direction).set(self.running)

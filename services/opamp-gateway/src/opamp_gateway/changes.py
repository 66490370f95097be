"""
Whose right to connect has changed, and when: a decision that was made before a change does not outlive it. Pure.

Somebody who is let in by what was known a moment ago must be asked about again if it was about them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_REMEMBERED: Final = 10_000


class Changes:
    """
    Changes by number, with whom they named: agents by uid, tokens and credentials by id.

    Args:
        remembered: How many names are kept; a change whose names are forgotten counts as one about everybody.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._named: OrderedDict[tuple[str, str | bytes], int] = OrderedDict()
        self._about_all = 0
        self.count = 0
        """Number of the newest change; 0 = there was none."""

    def note(self, tenant_id: str, names: Iterable[str | bytes]) -> None:
        """Count a change; one that names nobody is about everybody."""
        self.count += 1
        some = False
        for name in names:
            some = True
            self._named[tenant_id, name] = self.count
            self._named.move_to_end((tenant_id, name))
        if not some:
            self._about_all = self.count
        while len(self._named) > self._remembered:
            _, number = self._named.popitem(last=False)
            self._about_all = max(self._about_all, number)

    def note_all(self) -> None:
        """Count a change that may be about anybody: what was said was missed."""
        self.note("", ())

    def since(self, number: int, tenant_id: str, *names: str | bytes) -> bool:
        """Say whether anything about one of *names* has changed after *number*."""
        if number == self.count:
            return False
        return number < self._about_all or any(self._named.get((tenant_id, name), 0) > number for name in names)

"""Which agents got another instance_uid here: their credential still names the old one for a while. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_REMEMBERED: Final = 10_000


class Renamed:
    """New uid to the first one, the newest so many; new uids are random, so no two tenants share one."""

    def __init__(self) -> None:
        self._old: OrderedDict[bytes, bytes] = OrderedDict()

    def note(self, old_uid: bytes, new_uid: bytes) -> None:
        """Remember that *old_uid* was told to be *new_uid*; the chain is followed to its beginning."""
        self._old[new_uid] = self.first_of(old_uid)
        while len(self._old) > _REMEMBERED:
            self._old.popitem(last=False)

    def first_of(self, uid: bytes) -> bytes:
        """Tell the uid an agent had first; its own when it was never given another."""
        return self._old.get(uid, uid)

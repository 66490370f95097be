"""Who comes first: by a hash, so that nobody is always the first, and everybody can reckon it again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def in_order(uids: Iterable[bytes], seed: bytes) -> list[bytes]:
    """
    Put agents into the order in which they get something new.

    Args:
        uids: Agents, in any order; the result does not depend on it.

        seed: Of this rollout; another one gives another order.
    """
    return sorted(uids, key=lambda uid: (hashlib.sha256(seed + uid).digest(), uid))

"""
What a child does between fork and exec: tie its life to ours, and leave root behind.

The kernel sends the death signal when the *thread* that started the child ends, so children are
started from the main thread. Elsewhere than on Linux there is no such tie and nothing happens.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 4
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
"""Loaded before any fork: loading in the child could wait for a lock nobody holds there."""


@dataclass(frozen=True)
class Identity:
    """The operating-system user a child becomes."""

    name: str
    uid: int
    gid: int

    pass_closed_folders: bool = False
    """Keep the one capability that lets it walk through parents only root may enter."""


def leash(death_signal: int, parent: int, identity: Identity | None = None) -> Callable[[], None]:
    """
    Make the function a child runs before exec.

    Args:
        death_signal: Sent to the child by the kernel when *parent* is gone, however it went.

        parent: Our process id; a child that finds another parent already ends itself.

        identity: Whom to become; needs root.

    Returns:
        Suitable for `preexec_fn`; raises OSError in the child, which Popen reports.
    """

    def before_exec() -> None:
        if identity is not None:
            _become(identity)
        if _LIBC is not None:
            # Last: a change of identity clears it.
            _LIBC.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return before_exec


def _become(identity: Identity) -> None:
    """Change user for good; root's capabilities go, but for the one asked for."""
    keep = identity.pass_closed_folders and _LIBC is not None
    if keep and _LIBC is not None:
        # Otherwise the change of user would clear capabilities, and access(2) would look without them.
        _LIBC.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(identity.gid)
    os.setuid(identity.uid)
    if keep and not any(_keep_capability(each) for each in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE)):
        raise PermissionError


def _keep_capability(capability: int) -> bool:
    """Drop every capability but one, and let that one survive exec; False when it is not ours to keep."""
    if _LIBC is None:
        return False
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    bit = 1 << capability
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable; low word, high word
    if _LIBC.capset(header, data) != 0:
        return False
    return bool(_LIBC.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0)

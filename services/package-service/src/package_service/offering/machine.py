"""
On what an agent runs, as packages call it. Pure.

Agents say os.type and host.arch, and not all of them in the words of the semantic conventions: uname's names,
Go's and Rust's all occur. What is none of ours becomes empty, and no file fits it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

OS_TYPE = "os.type"
HOST_ARCH = "host.arch"

_PLATFORMS = {
    "linux": "linux",
    "windows": "windows",
    "win32": "windows",
    "windows_nt": "windows",
    "darwin": "darwin",
    "macos": "darwin",
    "osx": "darwin",
}
_ARCHS = {
    "amd64": "amd64",
    "x86_64": "amd64",
    "x86-64": "amd64",
    "x64": "amd64",
    "arm64": "arm64",
    "aarch64": "arm64",
    "armv8": "arm64",
    "386": "386",
    "x86": "386",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
    "ia32": "386",
    "arm": "arm",
    "arm32": "arm",
    "armv6l": "arm",
    "armv7": "arm",
    "armv7l": "arm",
    "armhf": "arm",
}


class Machine(NamedTuple):
    """An operating system and a processor; empty = not known, or none there are packages for."""

    platform: str = ""
    arch: str = ""

    @property
    def label(self) -> str:
        """How people write it."""
        return f"{self.platform or 'an unknown system'}/{self.arch or 'unknown'}"


def machine_of(labels: Mapping[str, str]) -> Machine:
    """Read the machine from the labels of an agent."""
    return Machine(
        _PLATFORMS.get(labels.get(OS_TYPE, "").strip().lower(), ""),
        _ARCHS.get(labels.get(HOST_ARCH, "").strip().lower(), ""),
    )

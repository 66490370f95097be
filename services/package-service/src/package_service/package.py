"""
What a package may be called and be: names, versions, platforms, and how files of each platform begin. Pure.

Nothing here is repaired: a name with a capital letter is refused, not lowered, for look-alikes are how people
are tricked into installing the wrong thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from package_service.errors import InvalidPackage
from package_service.versions import problem_of_version
from servicekit.errors import Problem

MAX_DESCRIPTION = 1024
HEAD_BYTES = 512
"""As many bytes of a file as looks_like() wants to see."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class PackageType(StrEnum):
    """What a package is to an agent: itself, or something beside it."""

    TOP_LEVEL = "top_level"
    ADDON = "addon"


class Platform(StrEnum):
    """Operating systems, as os.type of an agent's description says them."""

    LINUX = "linux"
    WINDOWS = "windows"
    DARWIN = "darwin"


class Arch(StrEnum):
    """Processor architectures; any is for files that run everywhere."""

    AMD64 = "amd64"
    ARM64 = "arm64"
    X86 = "386"
    ARM = "arm"
    ANY = "any"


@dataclass(frozen=True)
class Draft:
    """A file somebody wants to publish; checked, see draft_of."""

    name: str
    version: str
    platform: str
    arch: str
    type: str
    """Empty = as the package is already, or top_level."""

    description: str

    @property
    def label(self) -> str:
        """What people call it: also the name of a downloaded file."""
        return label_of(self.name, self.version, self.platform, self.arch)


def label_of(name: str, version: str, platform: str, arch: str) -> str:
    """Write the name a downloaded file has; safe in a header, for every part was checked."""
    return f"{name}-{version}-{platform}-{arch}"


def draft_of(*, name: str, version: str, platform: str, arch: str, type: str = "", description: str = "") -> Draft:  # noqa: A002 - its name on the wire
    """
    Check what somebody wants to publish.

    Raises:
        InvalidPackage: Every fault, each with its field.
    """
    problems = [
        Problem(field, message)
        for field, message in (
            ("name", problem_of_name(name)),
            ("version", problem_of_version(version)),
            ("platform", _problem_of_choice(platform, Platform)),
            ("arch", _problem_of_choice(arch, Arch)),
            ("type", _problem_of_choice(type, PackageType) if type else ""),
            ("description", _problem_of_text(description)),
        )
        if message
    ]
    if problems:
        raise InvalidPackage(problems)
    return Draft(name, version, platform, arch, type, description)


def problem_of_name(name: str) -> str:
    """Say what is wrong with the name of a package; empty = nothing."""
    if _NAME.fullmatch(name):
        return ""
    return "must be 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit"


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a package."""
    if message := problem_of_name(name):
        raise InvalidPackage([Problem("name", message)])


def check_choices(*, platform: str = "", arch: str = "", type: str = "") -> None:  # noqa: A002 - its name on the wire
    """Refuse filters that nothing can match; empty ones are no filters."""
    problems = [
        Problem(field, message)
        for field, value, choices in (
            ("platform", platform, Platform),
            ("arch", arch, Arch),
            ("type", type, PackageType),
        )
        if value and (message := _problem_of_choice(value, choices))
    ]
    if problems:
        raise InvalidPackage(problems)


def problem_of_content(platform: str, head: bytes) -> str:
    """
    Say why a file cannot be a package of this platform; empty = it can.

    Args:
        platform: One of Platform.

        head: Its first HEAD_BYTES bytes, fewer only if it is shorter.
    """
    if is_archive(head):
        return ""
    match Platform(platform):
        case Platform.LINUX:
            if head.startswith(b"\x7fELF"):
                return ""
            wanted = "an ELF program"
        case Platform.WINDOWS:
            if head.startswith((b"MZ", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
                return ""
            wanted = "an EXE or MSI file"
        case Platform.DARWIN:
            if head[:4] in _MACH_O:
                return ""
            wanted = "a Mach-O program"
        case unknown:
            assert_never(unknown)
    return f"does not begin like {wanted}, nor like an archive (tar, tar.gz, tar.xz, tar.zst, zip, deb, rpm, pkg)"


_MACH_O = frozenset(
    bytes.fromhex(text) for text in ("feedface", "feedfacf", "cefaedfe", "cffaedfe", "cafebabe", "cafebabf")
)
_ARCHIVES = (
    b"\x1f\x8b",  # gzip
    b"PK\x03\x04",  # zip
    b"!<arch>\n",  # deb
    b"\xed\xab\xee\xdb",  # rpm
    b"\xfd7zXZ\x00",  # xz
    b"\x28\xb5\x2f\xfd",  # zstd
    b"BZh",  # bzip2
    b"xar!",  # pkg
)
_TAR_MAGIC = slice(257, 262)


def is_archive(head: bytes) -> bool:
    """Say whether a file begins like an archive people ship programs in."""
    return head.startswith(_ARCHIVES) or head[_TAR_MAGIC] == b"ustar"


def _problem_of_choice(value: str, choices: type[StrEnum]) -> str:
    return "" if value in set(choices) else f"must be one of: {', '.join(choices)}"


def _problem_of_text(text: str) -> str:
    if len(text) > MAX_DESCRIPTION:
        return f"must be at most {MAX_DESCRIPTION} characters"
    return "must not contain the character U+0000" if "\x00" in text else ""

"""
What a file at hand is by a manifest that is believed: which package, which version.

A hash that is somewhere in a channel proves little: an old version with a known hole is in it, and so is every other
package. So a file must be what it is taken for, and the newest of it unless a version is named. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from contracts.package_signing import Target

ENDINGS = ("", ".exe", ".msi", ".zip", ".gz", ".tgz", ".tar.gz", ".deb", ".rpm", ".pkg")
"""What a file's name may have after the name of its package."""


class NotThatFileError(ValueError):
    """A file is not what it is taken for; the sentence says what it is."""


def identify(name: str, sha256: str, targets: Sequence[Target], package: str = "", version: str = "") -> Target:
    """
    Tell what a file is.

    Args:
        name: Of the file; without *package* it must be the package's, or what the file is downloaded under.

        sha256: Of the file, hexadecimal digits.

        targets: Everything in the channel.

        package: What it must be; empty = what its name says.

        version: Which version; empty = what its name says, or the newest for its platform.

    Raises:
        NotThatFileError: It is something else.
    """
    there = [each for each in targets if each.sha256 == sha256]
    if not there:
        message = "is not in it as it is here"
        raise NotThatFileError(message)
    if package:
        fitting = [each for each in there if each.name == package and version in ("", each.version)]
        pinned = bool(version)
    else:
        fitting = [each for each in there if name == _label(each)]
        pinned = bool(fitting)
        fitting = fitting or [each for each in there if name in {each.name + ending for ending in ENDINGS}]
    if not fitting:
        expected = f"{package} {version}".strip() or "what its name says"
        message = f"is {_several(there)}, not {expected}"
        raise NotThatFileError(message)
    if pinned:
        return fitting[0]
    newer = ""
    for each in fitting:
        newer = max((other.version for other in _alike(each, targets)), key=_precedence)
        if _precedence(newer) <= _precedence(each.version):
            return each
    message = f"is {_several(fitting)}, and there is a newer one: {newer}"
    raise NotThatFileError(message)


def described(target: Target) -> str:
    """Write what a file is for people."""
    return f"{target.name} {target.version} {target.platform}/{target.arch}"


def _label(target: Target) -> str:
    return f"{target.name}-{target.version}-{target.platform}-{target.arch}"


def _several(targets: Iterable[Target]) -> str:
    return ", ".join(described(each) for each in targets)


def _alike(target: Target, targets: Iterable[Target]) -> list[Target]:
    kind = (target.name, target.platform, target.arch)
    return [each for each in targets if (each.name, each.platform, each.arch) == kind]


def _precedence(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
    """Order versions as semver.org does; what follows a plus sign does not count."""
    numbers, _, early = version.partition("+")[0].partition("-")
    return tuple(map(_number, numbers.split("."))), not early, tuple(map(_identifier, early.split(".")))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _identifier(text: str) -> tuple[bool, int, str]:
    is_number = text.isascii() and text.isdigit()
    return not is_number, int(text) if is_number else 0, text

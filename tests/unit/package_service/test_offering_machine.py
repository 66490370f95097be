"""What agents call their machines, in the words of packages."""

from __future__ import annotations

import pytest

from package_service.offering.machine import Machine, machine_of
from package_service.package import Arch, Platform


@pytest.mark.parametrize(
    ("system", "processor", "wanted"),
    [
        ("linux", "amd64", ("linux", "amd64")),
        ("Linux", "x86_64", ("linux", "amd64")),
        ("windows", "AMD64", ("windows", "amd64")),
        ("darwin", "arm64", ("darwin", "arm64")),
        ("macos", "aarch64", ("darwin", "arm64")),
        ("linux", "i686", ("linux", "386")),
        ("linux", "armv7l", ("linux", "arm")),
        ("linux", "riscv64", ("linux", "")),
        ("plan9", "amd64", ("", "amd64")),
    ],
)
def test_words_of_agents_become_ours(system: str, processor: str, wanted: tuple[str, str]) -> None:
    """uname, Go, Rust and the semantic conventions; what none of ours fits is empty."""
    assert machine_of({"os.type": system, "host.arch": processor}) == Machine(*wanted)


def test_every_word_leads_to_one_of_ours() -> None:
    """Whatever is found is a platform or an architecture packages can be for."""
    found = {
        machine_of({"os.type": word, "host.arch": word}) for word in ("linux", "win32", "osx", "x64", "x86", "armhf")
    }

    assert {machine.platform for machine in found} <= {*Platform, ""}
    assert {machine.arch for machine in found} <= {*Arch, ""}


def test_nothing_said_is_nothing_known() -> None:
    """An agent without these attributes has an unknown machine, and people read so."""
    assert machine_of({}) == Machine()
    assert Machine().label == "an unknown system/unknown"
    assert Machine("linux", "arm").label == "linux/arm"

"""Names, platforms and how files begin."""

from __future__ import annotations

import io
import tarfile

import pytest

from package_service.errors import InvalidPackage
from package_service.package import (
    HEAD_BYTES,
    check_choices,
    check_name,
    draft_of,
    is_archive,
    label_of,
    problem_of_content,
)

GOOD = {"name": "collector", "version": "1.0.0", "platform": "linux", "arch": "amd64"}


@pytest.mark.parametrize("name", ["a", "0", "otel-collector_contrib.v2", "a" * 64])
def test_names_that_may_be(name: str) -> None:
    """Small letters, digits and three marks."""
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "-a", "_a", "A", "a b", "a/b", "../a", "a\\b", "a\x00", "a\n", "a" * 65, "a" * 300),
        *("\u0430gent", "age\u200bnt", "\uff41gent", "na\u00efve", 'a"b', "a;b", "con:"),
    ],
)
def test_names_that_may_not(name: str) -> None:
    """Traversal, NUL, line ends, look-alikes, too long: refused with the field."""
    with pytest.raises(InvalidPackage) as caught:
        check_name(name)

    assert [problem.field for problem in caught.value.details] == ["name"]


def test_every_fault_is_told_at_once() -> None:
    """A sender need not guess."""
    with pytest.raises(InvalidPackage) as caught:
        draft_of(name="A", version="1", platform="bsd", arch="mips", type="x", description="\x00")

    fields = [problem.field for problem in caught.value.details]
    assert fields == ["name", "version", "platform", "arch", "type", "description"]


def test_label_is_the_name_of_a_downloaded_file() -> None:
    """As the original had it."""
    assert draft_of(**GOOD).label == label_of("collector", "1.0.0", "linux", "amd64") == "collector-1.0.0-linux-amd64"


def test_filters_nothing_can_match_are_refused() -> None:
    """Empty ones are no filters."""
    check_choices(platform="", arch="any", type="addon")
    with pytest.raises(InvalidPackage):
        check_choices(platform="beos")


@pytest.mark.parametrize(
    ("platform", "head"),
    [
        ("linux", b"\x7fELF\x02"),
        ("windows", b"MZ\x90"),
        ("darwin", bytes.fromhex("cffaedfe07000001")),
        ("linux", b"\x1f\x8b\x08"),
        ("windows", b"PK\x03\x04"),
        ("linux", b"!<arch>\ndebian"),
        ("linux", bytes.fromhex("edabeedb")),
    ],
)
def test_programs_and_archives_are_accepted(platform: str, head: bytes) -> None:
    """Each platform's programs, and archives on all of them."""
    assert problem_of_content(platform, head) == ""


@pytest.mark.parametrize(
    ("platform", "head"),
    [("linux", b"MZ"), ("windows", b"\x7fELF"), ("darwin", b"\x7fELF"), ("linux", b"#!/bin/sh"), ("linux", b"")],
)
def test_other_files_are_refused(platform: str, head: bytes) -> None:
    """A program of another platform, a script, nothing."""
    assert "does not begin like" in problem_of_content(platform, head)


def test_plain_tar_is_an_archive() -> None:
    """Its mark stands far inside the head."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))

    assert is_archive(made.getvalue()[:HEAD_BYTES])

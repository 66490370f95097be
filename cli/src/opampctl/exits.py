"""What `opampctl` tells the shell when it ends: one number per kind of outcome, for scripts."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; documented in the README of this room and in `opampctl --help`."""

    OK = 0
    FAILED = 1
    """The server refused what was asked, or something nobody foresaw."""
    USAGE = 2
    """The command line itself is wrong."""
    UNAUTHENTICATED = 3
    """Not logged in, or the login has ended."""
    FORBIDDEN = 4
    NOT_FOUND = 5
    CONFLICT = 6
    """It exists already, or somebody else changed it meanwhile."""
    UNAVAILABLE = 7
    """The server could not be reached or cannot work now; trying again later may help."""
    PARTIAL = 8
    """It was done for some and failed for others."""


class CommandError(Exception):
    """
    Why a command ends early: a sentence for a person and an exit code for a script.

    Attributes:
        sentence: What is wrong.

        hint: What to do about it; may be empty.

        details: Further lines, such as the faults in a file.
    """

    def __init__(
        self, sentence: str, code: Exit = Exit.FAILED, *, hint: str = "", details: tuple[str, ...] = ()
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.hint = hint
        self.details = details

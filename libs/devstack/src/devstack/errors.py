"""What can keep the stack from standing; each is one line that tells a person what to do."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or go on; the message is one line for a person."""

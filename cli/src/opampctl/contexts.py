"""Where logins are remembered: one file with named contexts, readable by its owner only."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import orjson

from opampctl.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEFAULT_NAME = "default"
_PRIVATE = 0o600


@dataclass
class Context:
    """One server and, after a login, who we are there."""

    url: str
    username: str = ""
    token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: float = 0.0
    """Unix time at which the access token ends."""
    ca_file: str = ""


@dataclass
class Contexts:
    """All contexts and the name of the one in use."""

    current: str = DEFAULT_NAME
    contexts: dict[str, Context] = field(default_factory=dict)


def load(path: Path) -> Contexts:
    """
    Read the context file; a missing one is empty.

    Raises:
        CommandError: It cannot be read, or is not ours.
    """
    try:
        raw = orjson.loads(path.read_bytes())
        return Contexts(raw["current"], {name: Context(**entry) for name, entry in raw["contexts"].items()})
    except FileNotFoundError:
        return Contexts()
    except OSError as error:
        sentence = f"Cannot read {path}: {error.strerror}."
        raise CommandError(sentence) from error
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        sentence = f"{path} is damaged."
        raise CommandError(sentence, hint="Delete it and run `opampctl login` again.") from error


def save(path: Path, contexts: Contexts) -> None:
    """Write the context file whole or not at all, mode 0600 from its first byte."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, stat.S_IRUSR | stat.S_IWUSR)
        file.write(orjson.dumps(asdict(contexts), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    draft.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """
    Keep other processes of ours out of the file meanwhile.

    A refresh token works once: two commands refreshing at the same time would end the whole login.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, _PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Store:
    """The context in use: what the command line and the file say together."""

    def __init__(self, path: Path, wanted: str | None) -> None:
        self.path = path
        self.name = wanted or load(path).current

    def read(self) -> Context | None:
        """Return the context, or None when there is none of this name."""
        return load(self.path).contexts.get(self.name)

    def write(self, context: Context, *, make_current: bool = False) -> None:
        """Store the context under its name, leaving the others alone."""
        contexts = load(self.path)
        contexts.contexts[self.name] = context
        if make_current:
            contexts.current = self.name
        save(self.path, contexts)


def require(store: Store) -> Context:
    """
    Return the context in use.

    Raises:
        CommandError: There is none: nobody has logged in yet.
    """
    context = store.read()
    if context is None:
        sentence = f"There is no login named {store.name!r}."
        hint = "Log in first: opampctl login --url http://127.0.0.1:8080 --username admin"
        raise CommandError(sentence, Exit.UNAUTHENTICATED, hint=hint)
    return context

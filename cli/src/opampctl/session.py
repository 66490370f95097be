"""What every command that talks to the API starts from: which server, as whom, and how to run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from opampctl.client import Client
from opampctl.contexts import Context, Store
from opampctl.exits import CommandError, Exit
from opampctl.settings import DEFAULT_URL, Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import typer

T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """
    Which server and login this run uses.

    The address comes from --url, else OPAMPCTL_URL, else the context, else the default of `make run`; the token
    from OPAMPCTL_TOKEN, else the context. A login is only ever shown to the server it was made at.
    """

    settings: Settings
    store: Store
    url_option: str | None

    @property
    def context(self) -> Context | None:
        """The stored login, if there is one."""
        return self.store.read()

    @property
    def url(self) -> str:
        """Base URL of the API gateway."""
        context = self.context
        return self.url_option or self.settings.url or (context.url if context else DEFAULT_URL)

    def client(self) -> Client:
        """
        Make a client of the chosen server.

        Raises:
            CommandError: The address is another one than the login is for, and no token was given.
        """
        context, url = self.context, self.url
        if self.settings.token is not None:
            return Client(url, token=self.settings.token, ca_file=context.ca_file if context else "")
        if context is not None and context.url.rstrip("/") != url.rstrip("/"):
            sentence = f"The login named {self.store.name!r} is for {context.url}, not for {url}."
            hint = f"Log in there under another name: opampctl --context NAME login --url {url}"
            raise CommandError(sentence, Exit.UNAUTHENTICATED, hint=hint)
        return Client(url, store=self.store, ca_file=context.ca_file if context else "")

    def run(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Run *work* with a connected client."""

        async def inside() -> T:
            async with self.client() as client:
                return await work(client)

        return asyncio.run(inside())


def open_session(url: str | None, context: str | None) -> Session:
    """Read the environment and the command line into a session; touches no network."""
    settings = read_settings()
    return Session(settings, Store(settings.config_file, context or settings.context), url)


def session_of(context: typer.Context) -> Session:
    """Return the session the application's callback has put aside."""
    session = context.obj
    if not isinstance(session, Session):
        message = "the application's callback did not run"
        raise TypeError(message)
    return session

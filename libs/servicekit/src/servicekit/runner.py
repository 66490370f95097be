"""
How a service lives: settings, logs, migrations, parts in order, signals, drain, parts in reverse.

    python -m agent_state            serve (the default)
    python -m agent_state migrate    apply migrations and end
    python -m agent_state settings   show what is in effect, secrets masked

A background task that fails ends the process with status 1: a supervisor starts it afresh, nothing limps on.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Generic, NoReturn, TypeVar

import structlog
import uvloop

from servicekit import log
from servicekit.clock import Clock, SystemClock
from servicekit.groups import leaves
from servicekit.health import Health
from servicekit.migrate import MigrationError, migrate
from servicekit.postgres import is_transient
from servicekit.settings import ServiceSettings, describe, load
from servicekit.web import OpsServer

logger = structlog.get_logger()

S = TypeVar("S", bound=ServiceSettings)

DRAIN_LIMIT_SECONDS = 110.0
CANCEL_AGAIN_SECONDS = 1.0
MIGRATE_PATIENCE_SECONDS = 60.0


class Room:
    """What a service is built in: it owns the parts, the background tasks and the way out."""

    def __init__(self, name: str, group: asyncio.TaskGroup, stack: AsyncExitStack) -> None:
        self.name = name
        self.version = version_of(name)
        self.health = Health()
        self.clock: Clock = SystemClock()
        self.stopping = asyncio.Event()
        self.stack = stack
        self._group = group
        self._drains: list[Callable[[], Awaitable[None]]] = []
        self._tasks: list[asyncio.Task[Any]] = []

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run *work* until the service ends; its failure ends the service."""
        task = self._group.create_task(work, name=name)
        self._tasks.append(task)
        return task

    def on_drain(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Run *callback* when the service is told to stop, before tasks are cancelled; last added first."""
        self._drains.append(callback)

    async def drain(self) -> None:
        """Say that we are going, finish what must be finished, then end the background tasks."""
        self.health.stopping = True
        self.stopping.set()
        for callback in reversed(self._drains):
            try:
                async with asyncio.timeout(DRAIN_LIMIT_SECONDS):
                    await callback()
            except Exception:
                logger.exception("drain_failed")
        pending: set[asyncio.Task[Any]] = {task for task in self._tasks if not task.done()}
        while pending:
            # wait_for of Python 3.11 swallows a cancellation that meets its result: say it again.
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)


Build = Callable[[Room, S], Awaitable[None]]


@dataclass(frozen=True)
class Command(Generic[S]):
    """One more thing the service's command line can do."""

    run: Callable[[S, argparse.Namespace], Coroutine[Any, Any, int]]
    """Returns the exit status."""

    summary: str
    arguments: Callable[[argparse.ArgumentParser], None] = lambda _: None


def version_of(distribution: str) -> str:
    """Tell the installed version of a distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "0.0.0"


async def serve(name: str, settings: S, build: Build[S], stop: asyncio.Event) -> None:
    """Build the service, run it until *stop* is set, and leave in order."""
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as group:
            room = Room(name, group, stack)
            ops = OpsServer(room.health, settings.ops_host, settings.ops_port, version=room.version)
            await ops.start()
            stack.push_async_callback(ops.stop)
            waiter = group.create_task(_drain_when_told(room, stop))
            builder = asyncio.ensure_future(build(room, settings))
            stopped = asyncio.ensure_future(stop.wait())
            try:
                await asyncio.wait((builder, stopped), return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopped.cancel()
            if not builder.done():
                # Told to stop while waiting for a server: leave at once.
                builder.cancel()
                await asyncio.wait((builder,))
            else:
                await builder
                room.health.started = True
                logger.info("service_started", version=room.version, ops_port=ops.port)
            await waiter
    logger.info("service_stopped")


async def _drain_when_told(room: Room, stop: asyncio.Event) -> None:
    await stop.wait()
    logger.info("service_stopping")
    await room.drain()


def main(
    service: str,
    settings_cls: type[S],
    build: Build[S],
    *,
    migrations: str | None = None,
    commands: Mapping[str, Command[S]] | None = None,
    arguments: Sequence[str] | None = None,
) -> NoReturn:
    """
    Be the command line of a service; never returns.

    Args:
        service: Hyphenated name, also the distribution's.

        settings_cls: The service's settings.

        build: Puts the parts together; the service counts as started when it returns.

        migrations: Package that holds migrations, if the service has tables; settings must have postgres_url.

        commands: Further subcommands by name.

        arguments: For tests; sys.argv otherwise.
    """
    commands = commands or {}
    parser = argparse.ArgumentParser(prog=service, description=f"{service} of OpAMP Platform")
    parsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    parsers.add_parser("serve", help="run the service (the default)")
    parsers.add_parser("settings", help="show the settings in effect, secrets masked")
    if migrations is not None:
        parsers.add_parser("migrate", help="apply database migrations and end")
    for name, command in commands.items():
        command.arguments(parsers.add_parser(name, help=command.summary))
    given = parser.parse_args(arguments)
    settings = load(settings_cls)
    log.configure(service, settings.log_level, settings.log_format)
    chosen = given.command or "serve"
    if chosen == "settings":
        for variable, value, sentence in describe(settings):
            sys.stdout.write(f"{variable}={value}\n    {sentence}\n")
        sys.exit(0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if chosen in commands:
            sys.exit(runner.run(commands[chosen].run(settings, given)))
        sys.exit(runner.run(_lifetime(service, settings, build, migrations, only_migrate=chosen == "migrate")))


async def _lifetime(service: str, settings: S, build: Build[S], migrations: str | None, *, only_migrate: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if migrations is not None and (only_migrate or settings.migrate):
        try:
            applied = await _migrate_patiently(settings.postgres_url.get_secret_value(), migrations, stop)  # type: ignore[attr-defined] # settings of a service with tables
        except MigrationError as error:
            logger.error("migration_refused", reason=str(error))  # noqa: TRY400 - the sentence says it all
            return 1
        if only_migrate:
            sys.stdout.write(f"applied {len(applied)} migrations\n")
    if only_migrate or stop.is_set():
        return 0
    try:
        await serve(service, settings, build, stop)
    except Exception as error:
        if all(isinstance(leaf, OSError) for leaf in leaves(error)):
            # A taken port or a refused path needs a sentence, no traceback.
            logger.error("service_failed", reason="; ".join(str(leaf) for leaf in leaves(error)))  # noqa: TRY400
        else:
            logger.exception("service_failed")
        return 1
    return 0


async def _migrate_patiently(url: str, package: str, stop: asyncio.Event) -> list[str]:
    deadline = asyncio.get_running_loop().time() + MIGRATE_PATIENCE_SECONDS
    while True:
        try:
            return await migrate(url, package)
        except Exception as error:
            if stop.is_set() or not is_transient(error) or asyncio.get_running_loop().time() > deadline:
                raise
            logger.warning("postgres_not_reachable", error=str(error) or type(error).__name__)
            await asyncio.sleep(0.5)

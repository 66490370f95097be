"""
`packages upload` and `packages download`: long files over connections that break.

Both go on where they broke off, by themselves for a while, and by another run of the command after that.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import aiohttp
import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from opampctl.client import ApiError, quoted
from opampctl.commands.packages import PATH, Id, label_of, one, show_package, size_text
from opampctl.commands.shared import Output
from opampctl.exits import CommandError, Exit
from opampctl.output import Format, err, show_data
from opampctl.session import session_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from opampctl.client import Client

READ_BYTES = 256 * 1024
PARTS_AT_ONCE = 16
"""Parts per request: a broken one costs at most the part that was on its way."""

TRIES = 8
"""Times in a row without a single new byte before we give up."""

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 10.0
_PARTIAL = 206
_CONFLICT = "offset_conflict"


def upload(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The file.")],
    *,
    name: Annotated[str, typer.Option(help="Name of the package: a-z 0-9 . _ -")],
    version: Annotated[str, typer.Option(help="Semantic version, like 1.10.0.")],
    platform: Annotated[str, typer.Option(help="linux, windows or darwin.")],
    arch: Annotated[str, typer.Option(help="amd64, arm64, 386, arm or any.")] = "amd64",
    package_type: Annotated[str, typer.Option("--type", help="top_level or addon; as the package is already.")] = "",
    description: Annotated[str, typer.Option(help="For people.")] = "",
    resume: Annotated[str, typer.Option(metavar="ID", help="Go on with an upload that was given up.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """
    Upload a file and publish it.

    Nothing is sent when this very content is published there already. For example:

      opampctl packages upload otelcol --name collector --version 0.141.0 --platform linux --arch amd64
    """
    offer = {
        "name": name,
        "version": version,
        "platform": platform,
        "arch": arch,
        "type": package_type,
        "description": description,
    }

    async def work(client: Client) -> dict[str, Any]:
        size, digest = file.stat().st_size, _hash(file)
        if resume:
            where = await _upload_at(client, resume)
            if where["size"] != size:
                sentence = f"Upload {resume} is of a file of {where['size']} bytes, and {file} has {size}."
                raise CommandError(sentence, Exit.USAGE)
        else:
            wanted = {**offer, "size": size, "sha256": digest}
            begun = (await client.call("POST", f"{PATH}/uploads", f"Cannot upload {file}", body=wanted)).body
            if begun["package"] is not None:
                err().print(f"{label_of(begun['package'])} is there already, with this very content.")
                known: dict[str, Any] = begun["package"]
                return known
            where = begun["upload"]
        return await _send(client, file, where, digest)

    package = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(package, output)
        return
    show_package(package)


def download(
    context: typer.Context,
    package_id: Id,
    target: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to; NAME-VERSION-PLATFORM-ARCH here by default.")
    ] = None,
) -> None:
    """
    Download a published file.

    It has its name only when all of it is there and its SHA-256 is right; until then it is FILE.part, and another
    run goes on with that.
    """

    async def work(client: Client) -> Path:
        package = await one(client, package_id)
        path = target or Path(label_of(package))
        part = path.with_name(f"{path.name}.part")
        await _fetch(client, package, part)
        if _hash(part) != package["checksum"]:
            part.unlink()
            sentence = f"What arrived is not {label_of(package)}: its SHA-256 is another one."
            raise CommandError(sentence, hint="Try again; if it stays so, the stored file is damaged.")
        part.replace(path)
        return path

    path = session_of(context).run(work)
    err().print(f"{path} is there, {size_text(path.stat().st_size)}, its SHA-256 is right.")


async def _send(client: Client, file: Path, where: dict[str, Any], digest: str) -> dict[str, Any]:
    upload_id, size = where["id"], where["size"]
    path, what = f"{PATH}/uploads/{quoted(upload_id)}", f"Cannot upload {file}"
    patience = _Patience()
    try:
        with _bar(file.name, size) as moved:
            offset = where["offset"]
            while offset < size:
                end = min(size, offset + PARTS_AT_ONCE * where["part_size"])
                try:
                    moved(offset)
                    bytes_sent = _bytes_of(file, offset, end, moved)
                    reply = await client.send_bytes("PUT", path, what, bytes_sent, params={"offset": offset})
                    reached = int(reply.body["offset"])
                except CommandError as error:
                    if not _may_pass(error):
                        raise
                    await patience.wait(error)
                    reached = int((await _upload_at(client, upload_id))["offset"])
                if reached > offset:
                    patience.begin_anew()
                offset = reached
            moved(size)
        return await _complete(client, path, what, digest, patience)
    except (CommandError, asyncio.CancelledError, KeyboardInterrupt):
        err().print(f"To go on later, repeat the command with: --resume {upload_id}")
        raise


async def _complete(client: Client, path: str, what: str, digest: str, patience: _Patience) -> dict[str, Any]:
    patience.begin_anew()
    while True:
        try:
            reply = await client.call("POST", f"{path}/complete", what, body={"sha256": digest})
        except CommandError as error:
            if not _may_pass(error):
                raise
            await patience.wait(error)
        else:
            package: dict[str, Any] = reply.body
            return package


async def _fetch(client: Client, package: dict[str, Any], part: Path) -> None:
    path, what = f"{PATH}/{quoted(package['id'])}/download", f"Cannot download {label_of(package)}"
    size, patience = package["file_size"], _Patience()
    with _bar(part.stem, size) as moved:
        there = _there_of(part, size)
        while there < size:
            wanted = {"Range": f"bytes={there}-", "If-Range": f'"{package["checksum"]}"'} if there else {}
            before = there
            try:
                async with client.receive(path, what, wanted) as (status, chunks):
                    there = there if status == _PARTIAL else 0
                    with part.open("ab" if there else "wb") as sink:
                        async for chunk in chunks:
                            sink.write(chunk)
                            there += len(chunk)
                            moved(there)
            except (aiohttp.ClientError, TimeoutError, CommandError) as error:
                if isinstance(error, CommandError) and not _may_pass(error):
                    raise
                if there > before:
                    patience.begin_anew()
                await patience.wait(error)


def _there_of(part: Path, size: int) -> int:
    """Tell how much an earlier run has fetched; what cannot be of this file is removed."""
    there = part.stat().st_size if part.exists() else 0
    if there > size:
        part.unlink()
        return 0
    return there


class _Patience:
    """Waits longer each time, and not for ever."""

    def __init__(self) -> None:
        self._tries = 0

    def begin_anew(self) -> None:
        """Something moved."""
        self._tries = 0

    async def wait(self, error: Exception) -> None:
        """Wait before the next try; raises *error* after the last."""
        self._tries += 1
        if self._tries >= TRIES:
            if isinstance(error, CommandError):
                raise error
            sentence = f"The connection breaks off again and again ({str(error) or type(error).__name__})."
            raise CommandError(sentence, Exit.UNAVAILABLE, hint="Repeat the command to go on.") from error
        await asyncio.sleep(min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (self._tries - 1)))


async def _upload_at(client: Client, upload_id: str) -> dict[str, Any]:
    patience = _Patience()
    while True:
        try:
            reply = await client.get(f"{PATH}/uploads/{quoted(upload_id)}", f"Cannot go on with upload {upload_id}")
        except CommandError as error:
            if not _may_pass(error):
                raise
            await patience.wait(error)
        else:
            upload: dict[str, Any] = reply.body
            return upload


def _may_pass(error: CommandError) -> bool:
    """Say whether trying again may help: the platform is away or busy, or the upload stands elsewhere."""
    if isinstance(error, ApiError):
        return error.status in {401, 408, 429, 502, 503, 504} or error.problem.get("code") in {_CONFLICT, "upload_busy"}
    return error.code is Exit.UNAVAILABLE


async def _bytes_of(file: Path, start: int, end: int, moved: Callable[[int], None]) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        source.seek(start)
        while start < end:
            chunk = source.read(min(READ_BYTES, end - start))
            if not chunk:
                return
            yield chunk
            start += len(chunk)
            moved(start)


def _hash(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


@contextmanager
def _bar(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """Show how far a transfer is, on a terminal; gives what tells it."""
    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=size)
        yield lambda done: progress.update(task, completed=done)

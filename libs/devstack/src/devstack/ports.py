"""Which port everything listens on: fixed by default, all moved by PORT_BASE, or free ones for tests."""

from __future__ import annotations

import errno
import itertools
import os
import socket
from dataclasses import dataclass, fields

from devstack.errors import StackError

LOOPBACK = "127.0.0.1"
MAX_GATEWAYS = 8
LOWEST_BASE = 1024
HIGHEST_BASE = 65_535 - 50
FREE_FROM = 20_000
FREE_CORNERS = 64
FREE_CORNER_SIZE = 180
_steps = itertools.count()
_corners: dict[int, int] = {}
"""First port of the corner of this process, by its id: a fork takes one of its own."""


@dataclass(frozen=True)
class Ports:
    """Every port of one stack; gateways have one each."""

    api: int
    files: int
    """Where agents fetch files of packages."""

    opamp: tuple[int, ...]
    nats: int
    nats_monitor: int
    postgres: int
    redis: int
    s3: int
    agent_state_ops: int
    config_service_ops: int
    package_service_ops: int
    api_gateway_ops: int
    opamp_ops: tuple[int, ...]

    @classmethod
    def default(cls, gateways: int = 1) -> Ports:
        """Return the ports people know: API 8080, agents 4320 (and on), files 8090, and 433x to 435x inside."""
        return cls._arranged(8080, 8090, 4320, 4330, gateways)

    @classmethod
    def from_base(cls, base: int, gateways: int = 1) -> Ports:
        """Return ports of a stack that stands beside others: API on *base*, agents on the next ones."""
        if not LOWEST_BASE <= base <= HIGHEST_BASE:
            message = f"PORT_BASE={base} is not between {LOWEST_BASE} and {HIGHEST_BASE}"
            raise StackError(message)
        return cls._arranged(base, base + 9, base + 1, base + 10, gateways)

    @classmethod
    def free(cls, gateways: int = 1) -> Ports:
        """Return ports nobody uses at this moment."""
        found = iter(free_ports(11 + 2 * gateways))
        return cls(
            api=next(found),
            files=next(found),
            opamp=tuple(next(found) for _ in range(gateways)),
            nats=next(found),
            nats_monitor=next(found),
            postgres=next(found),
            redis=next(found),
            s3=next(found),
            agent_state_ops=next(found),
            config_service_ops=next(found),
            package_service_ops=next(found),
            api_gateway_ops=next(found),
            opamp_ops=tuple(next(found) for _ in range(gateways)),
        )

    @classmethod
    def _arranged(cls, api: int, files: int, opamp: int, inside: int, gateways: int) -> Ports:
        if not 1 <= gateways <= MAX_GATEWAYS:
            message = f"GATEWAYS={gateways} is not between 1 and {MAX_GATEWAYS}"
            raise StackError(message)
        return cls(
            api=api,
            files=files,
            opamp=tuple(range(opamp, opamp + gateways)),
            nats=inside,
            nats_monitor=inside + 1,
            postgres=inside + 2,
            redis=inside + 3,
            s3=inside + 4,
            agent_state_ops=inside + 10,
            config_service_ops=inside + 11,
            package_service_ops=inside + 13,
            api_gateway_ops=inside + 12,
            opamp_ops=tuple(range(inside + 20, inside + 20 + gateways)),
        )

    def named(self) -> dict[str, int]:
        """Return every port by name; gateways are numbered."""
        result: dict[str, int] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                result.update({f"{field.name}_{index}": port for index, port in enumerate(value, start=1)})
            else:
                result[field.name] = value
        return result


def free_ports(count: int) -> list[int]:
    """
    Return *count* different ports that were free a moment ago.

    They lie below the range the kernel takes outgoing ports from, so that no client gets one of them
    before our server does; and each process looks in a corner of its own, so that two runs never meet.
    """
    corner = _corner()
    found: list[int] = []
    for _ in range(FREE_CORNER_SIZE - 1):
        port = corner + next(_steps) % (FREE_CORNER_SIZE - 1)
        if _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    message = f"no {count} free ports between {corner} and {corner + FREE_CORNER_SIZE}"
    raise StackError(message)


def _corner() -> int:
    """Return the first port of our corner, which is ours until this process ends."""
    pid = os.getpid()
    if pid not in _corners:
        corners = [FREE_FROM + (pid + step) % FREE_CORNERS * FREE_CORNER_SIZE for step in range(FREE_CORNERS)]
        _corners[pid] = next(filter(_claim, corners), corners[0])
    return _corners[pid]


def _claim(corner: int) -> bool:
    """Take the last port of a corner and never give it back; false if another process has it."""
    with socket.socket() as claim:
        try:
            claim.bind((LOOPBACK, corner + FREE_CORNER_SIZE - 1))
        except OSError:
            return False
        claim.detach()
        return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port that was free a moment ago."""
    return free_ports(1)[0]


def require_free(ports: dict[str, int]) -> None:
    """
    Make sure that nobody listens where we will.

    Raises:
        StackError: A port is taken, or may not be used; names it and the way out.
    """
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError as exc:
                why = "is busy" if exc.errno == errno.EADDRINUSE else f"cannot be used ({exc.strerror})"
                message = (
                    f"Port {port} ({name.replace('_', ' ')}) {why}: stop what listens there "
                    f"(is another stack running?) or move every port, for example PORT_BASE=9000"
                )
                raise StackError(message) from exc


def accepts(port: int) -> bool:
    """Tell whether somebody accepts connections on a loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=0.5):
            return True
    except OSError:
        return False

"""
What peers have begun to say and not finished: how much memory that takes in all, and since when.

Each message alone has a limit, but twenty thousand peers that all begin a large one and stop would take many
gigabytes. So there is one budget for the process, and a deadline for every message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opamp_gateway.connections import Socket


class Unfinished:
    """Keeps count of what sockets hold back: half messages, and whole ones that wait for the first answer."""

    def __init__(self) -> None:
        self.total = 0
        """Bytes, all sockets together."""

        self._sizes: dict[Socket, int] = {}
        self._deadlines: dict[Socket, float] = {}

    def holds(self, socket: Socket) -> bool:
        """Say whether anything is counted for *socket*."""
        return socket in self._sizes or socket in self._deadlines

    def note(self, socket: Socket, size: int, deadline: float | None, *, anew: bool) -> None:
        """
        Take down what *socket* holds back now.

        Args:
            socket: An open one.

            size: Bytes; 0 = nothing.

            deadline: Monotonic seconds by which a half message must be whole; None = there is none.

            anew: The half message is another one than at the last note, so its time begins now.
        """
        self.total += size - self._sizes.get(socket, 0)
        if size:
            self._sizes[socket] = size
        else:
            self._sizes.pop(socket, None)
        if deadline is None or anew:
            self._deadlines.pop(socket, None)
        if deadline is not None:
            self._deadlines.setdefault(socket, deadline)

    def forget(self, socket: Socket) -> None:
        """Drop *socket*: what it held is freed."""
        self.total -= self._sizes.pop(socket, 0)
        self._deadlines.pop(socket, None)

    def take_largest(self) -> Socket:
        """Forget the socket that holds most, and return it; there must be one."""
        largest = max(self._sizes, key=self._sizes.__getitem__)
        self.forget(largest)
        return largest

    def take_late(self, now: float) -> list[Socket]:
        """Forget those whose half message is overdue, and return them."""
        late = []
        for socket, deadline in self._deadlines.items():
            if deadline > now:
                # Oldest first: a message begun anew stands at the end.
                break
            late.append(socket)
        for socket in late:
            self.forget(socket)
        return late

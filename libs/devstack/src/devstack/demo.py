"""The platform with a simulated fleet: three environments, two configurations, one agent that refuses."""

from __future__ import annotations

from devstack.platform import Platform
from devstack.processes import Process


class Demo:
    """To come."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.processes: list[Process] = []

    def start(self) -> None:
        """To come."""

    def stop(self) -> None:
        """To come."""

    def welcome(self) -> str:
        """To come."""
        return ""

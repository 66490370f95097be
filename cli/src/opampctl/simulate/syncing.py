"""One agent at work on its packages: download, install, tell; one package after the other."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from opampctl.simulate.agent import PACKAGES
from opampctl.simulate.fetching import FetchError
from opampctl.simulate.package_options import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from opampctl.simulate.agent import SimulatedAgent
    from opampctl.simulate.fetching import Fetcher
    from opampctl.simulate.package_options import PackageOptions
    from opampctl.simulate.packages import Packages
    from opampctl.simulate.stage import Stage

INSTALL_SPREAD = 0.5


class Sync:
    """
    One run over all that is due. A newer offer cancels it and begins another; what is done by then stays done.

    Args:
        agent: One that accepts packages.

        flush: Says the agent's news now.

    Raises:
        RuntimeError: The fleet takes no packages.
    """

    def __init__(self, agent: SimulatedAgent, stage: Stage, flush: Callable[[], None]) -> None:
        if agent.packages is None or stage.fetcher is None or stage.options.packages is None:
            message = "these agents take no packages"
            raise RuntimeError(message)
        self._agent = agent
        self._packages: Packages = agent.packages
        self._fetcher: Fetcher = stage.fetcher
        self._options: PackageOptions = stage.options.packages
        self._stage = stage
        self._flush = flush

    async def run(self) -> None:
        """Work until nothing is due; how it ended is told package by package, and once at the end."""
        began = time.monotonic()
        while (name := self._packages.due()) is not None:
            try:
                await self._one(name)
            except FetchError as error:
                self._packages.failed(name, str(error))
                self._stage.statistics.packages_failed += 1
                self._agent.keep()
                self._tell()
            else:
                self._agent.keep()
                self._stage.statistics.package.add(time.monotonic() - began)

    async def _one(self, name: str) -> None:
        package, packages = self._packages.of[name], self._packages
        offered = package.offered
        if offered is None:
            return
        fate = self._fate(offered.version)
        if not package.has_file:
            packages.download(name, 0.0, 0.0)
            self._tell()
            await self._fetcher.fetch(offered.file, lambda percent, rate: self._progress(name, percent, rate))
            if fate is Failure.DOWNLOAD:
                raise FetchError(self._options.words)
        packages.install(name)
        self._tell()
        await asyncio.sleep(self._stage.jittered(self._options.install_seconds, INSTALL_SPREAD))
        if fate is Failure.INSTALL:
            raise FetchError(self._options.words)
        packages.installed(name)
        self._stage.statistics.packages_installed += 1
        self._agent.run_package(name, sick_with=self._options.words if fate is Failure.HEALTH else "")
        self._tell()

    def _fate(self, version: str) -> Failure | None:
        if not self._agent.fails_packages or self._options.fail_version not in {"", version}:
            return None
        return self._options.failure

    def _progress(self, name: str, percent: float, bytes_per_second: float) -> None:
        if self._packages.download(name, percent, bytes_per_second):
            self._tell()

    def _tell(self) -> None:
        self._agent.report(PACKAGES)
        self._flush()

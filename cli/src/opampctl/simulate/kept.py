"""What an agent finds again after a restart of its process: remote configuration and packages, and how they ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from opampctl.simulate.options import FleetOptions


class KeptConfig:
    """
    The file of one agent, beside its connection settings; supervisors keep the same between their runs.

    Args:
        options: Its state_folder may be None: then nothing is kept.

        index: Of the agent.
    """

    __slots__ = ("_path",)

    def __init__(self, options: FleetOptions, index: int) -> None:
        self._path = Path(options.state_folder) / f"agent-{index}.config" if options.state_folder else None

    def load(self) -> opamp.AgentToServer:
        """Return a message with configuration and packages reported as they were; empty = nothing was kept."""
        try:
            return opamp.AgentToServer.FromString(self._path.read_bytes() if self._path else b"")
        except FileNotFoundError:
            return opamp.AgentToServer()
        except DecodeError as error:
            message = f"{self._path} does not hold what an agent remembers: remove it ({error})"
            raise ValueError(message) from error

    def store(
        self, status: opamp.RemoteConfigStatus, effective: bytes, packages: opamp.PackageStatuses | None = None
    ) -> None:
        """Keep it; a crash leaves the old or the new, nothing between."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = opamp.AgentToServer(remote_config_status=status)
        kept.effective_config.MergeFromString(effective)
        if packages is not None:
            kept.package_statuses.CopyFrom(packages)
        draft = self._path.with_suffix(".part-config")
        draft.write_bytes(kept.SerializeToString())
        draft.replace(self._path)

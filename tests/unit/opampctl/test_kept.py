"""What a simulated agent finds again after a restart of its process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate.kept import KeptConfig
from opampctl.simulate.options import FleetOptions

if TYPE_CHECKING:
    from pathlib import Path

STATUS = opamp.RemoteConfigStatus(
    last_remote_config_hash=b"h", status=opamp.RemoteConfigStatuses_FAILED, error_message="no"
)
EFFECTIVE = opamp.EffectiveConfig(
    config_map=opamp.AgentConfigMap(config_map={"a.yaml": opamp.AgentConfigFile(body=b"a: 1")})
)


def kept_in(folder: Path | None, index: int = 3) -> KeptConfig:
    """Open the file of one agent."""
    state_folder = None if folder is None else str(folder)
    return KeptConfig(FleetOptions(uid_seed="x", state_folder=state_folder), index)


def test_what_was_stored_is_found_again(tmp_path: Path) -> None:
    """By another process, and by the same agent only."""
    kept_in(tmp_path / "new").store(STATUS, EFFECTIVE.SerializeToString())

    found = kept_in(tmp_path / "new").load()
    assert (found.remote_config_status, found.effective_config) == (STATUS, EFFECTIVE)
    assert kept_in(tmp_path / "new", index=4).load() == opamp.AgentToServer()


def test_without_a_folder_nothing_is_kept() -> None:
    """Storing is free then."""
    kept = kept_in(None)
    kept.store(STATUS, b"")

    assert kept.load() == opamp.AgentToServer()


def test_foreign_file_is_named(tmp_path: Path) -> None:
    """Whoever reads the error knows which file to remove."""
    (tmp_path / "agent-3.config").write_bytes(b"\xff\xff")

    with pytest.raises(ValueError, match=r"agent-3\.config"):
        kept_in(tmp_path).load()

"""The generator of protobuf code: it notices what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools import gen_proto

if TYPE_CHECKING:
    from pathlib import Path


def test_same_folders_do_not_differ(tmp_path: Path) -> None:
    """Generating twice gives the same bytes."""
    gen_proto.generate(tmp_path)

    assert gen_proto.differences(tmp_path, gen_proto.TARGET) == []


def test_changed_missing_and_new_files_are_named(tmp_path: Path) -> None:
    """Whatever a generator would change, add or remove is told by name."""
    for side in ("left", "right"):
        folder = tmp_path / side / "fleet"
        folder.mkdir(parents=True)
        (folder / "same.py").write_text("1")
        (folder / "changed.py").write_text(side)
        (folder / f"only_{side}.py").write_text("1")

    assert gen_proto.differences(tmp_path / "left", tmp_path / "right") == [
        "fleet/changed.py",
        "fleet/only_left.py",
        "fleet/only_right.py",
    ]

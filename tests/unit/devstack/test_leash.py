from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from devstack.leash import Identity, leash

if TYPE_CHECKING:
    from pathlib import Path

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def _identity(*, pass_closed_folders: bool) -> Identity:
    nobody = pwd.getpwnam("nobody")
    return Identity(nobody.pw_name, nobody.pw_uid, nobody.pw_gid, pass_closed_folders=pass_closed_folders)


def _run(argv: list[str], identity: Identity | None, parent: int | None = None) -> subprocess.CompletedProcess[str]:
    before = leash(signal.SIGKILL, os.getpid() if parent is None else parent, identity)
    return subprocess.run(argv, preexec_fn=before, capture_output=True, text=True, timeout=60, check=False, cwd="/")


@as_root
def test_child_is_somebody_else() -> None:
    """No group and no capability of root's is left."""
    done = _run(["/bin/sh", "-c", "id -u; id -G; grep CapEff /proc/self/status"], _identity(pass_closed_folders=False))

    uid, groups, capabilities = done.stdout.splitlines()
    assert (uid, groups) == (str(pwd.getpwnam("nobody").pw_uid), str(pwd.getpwnam("nobody").pw_gid))
    assert int(capabilities.split()[1], 16) == 0


@as_root
@pytest.mark.parametrize(("passing", "readable"), [(False, False), (True, True)])
def test_closed_folders_can_be_passed(tmp_path: Path, passing: bool, readable: bool) -> None:
    """A project below a folder only root may enter still has a PostgreSQL: one capability is kept."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("inside")

    done = _run(["/bin/cat", str(closed / "file")], _identity(pass_closed_folders=passing))

    assert (done.stdout == "inside") is readable


def test_orphan_ends_itself() -> None:
    """A child whose parent died before the leash was on does not start."""
    if sys.platform != "linux":
        pytest.skip("there is no leash")

    done = _run(["/bin/echo", "started"], None, parent=1)

    assert (done.returncode, done.stdout) == (1, "")

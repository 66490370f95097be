"""Generated files are what their generators would write now."""

from __future__ import annotations

import subprocess
import sys

import pytest
from deployment.rooms import ROOT


@pytest.mark.parametrize("tool", ["gen_proto.py", "gen_docs.py", "gen_conformance.py"])
def test_generated_files_are_current(tool: str) -> None:
    """`make proto` or `make docs` would change nothing."""
    command = [sys.executable, str(ROOT / "tools" / tool), "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)

    assert result.returncode == 0, result.stdout + result.stderr

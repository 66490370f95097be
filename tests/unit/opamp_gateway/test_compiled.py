"""A compiled form that is not whole and current is never used, and the reason is told."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from opamp_gateway import compiled

ROOT = Path(__file__).parents[3]


def pretend(folder: Path, **changed: object) -> Path:
    """Write a form that fits in everything but *changed*; its modules are empty files."""
    names = [f"{name}{compiled.suffix()}" for name in (*compiled.MODULES, "abc__mypyc")]
    for name in names:
        (folder / name).write_bytes(name.encode())
    files = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    stamp = {"suffix": compiled.suffix(), "sources": compiled.sources(), "files": files} | changed
    (folder / compiled.STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    return folder


def test_current_form_has_no_fault(tmp_path: Path) -> None:
    """Same Python, same sources, every file as it was made."""
    assert compiled.fault_of(pretend(tmp_path)) == ""


def test_missing_form_is_told(tmp_path: Path) -> None:
    """A fresh machine has none."""
    assert compiled.fault_of(tmp_path) == "there is none"


def test_unreadable_stamp_is_a_fault(tmp_path: Path) -> None:
    """Half a file says nothing."""
    (tmp_path / compiled.STAMP).write_text("{", encoding="utf-8")

    assert compiled.fault_of(tmp_path) == "its stamp is not readable"


def test_form_of_another_python_is_a_fault(tmp_path: Path) -> None:
    """Extension modules fit one version and platform."""
    assert "another Python" in compiled.fault_of(pretend(tmp_path, suffix=".cpython-399-other.so"))


def test_edited_source_is_a_fault(tmp_path: Path) -> None:
    """A form made from other sources would run code that is nowhere to be read."""
    sources = compiled.sources() | {"opamp_gateway/session.py": "0", "contracts/ids.py": "0", "servicekit/x.py": "0"}

    fault = compiled.fault_of(pretend(tmp_path, sources=sources))

    assert fault == "its sources have changed since: contracts/ids.py, opamp_gateway/session.py and 1 more"


def test_form_of_other_modules_is_a_fault(tmp_path: Path) -> None:
    """All or none: a part would call what is not there."""
    assert compiled.fault_of(pretend(tmp_path, files={})) == "it holds other modules than these"


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_damaged_file_is_a_fault(tmp_path: Path, harm: str) -> None:
    """What is loaded is what was made."""
    path = pretend(tmp_path) / f"varint{compiled.suffix()}"
    path.unlink() if harm == "gone" else path.write_bytes(b"")

    assert "is missing or not what was made" in compiled.fault_of(tmp_path)


def test_required_form_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Whoever requires it does not get the slow one quietly."""
    with pytest.raises(compiled.NotCompiled, match="there is none"):
        compiled.activate("required", tmp_path)


def test_modules_imported_before_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two forms of one module in a process would not know each other's classes."""
    monkeypatch.setitem(sys.modules, "opamp_gateway.varint", sys)
    with pytest.raises(compiled.NotCompiled, match="was imported already"):
        compiled.activate("required", pretend(tmp_path))


@pytest.mark.parametrize(("asked", "why"), [("auto", "there is none"), ("off", "switched off")])
def test_source_runs_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, why: str) -> None:
    """And the reason is kept for the log."""
    monkeypatch.setattr(compiled, "_state", [])
    compiled._state.append(compiled.Form(compiled=False, why=""))

    assert compiled.activate(asked, tmp_path) == compiled.form() == (False, why)


def test_every_module_exists() -> None:
    """A module that is renamed leaves the list."""
    assert [name for name in compiled.MODULES if not (compiled.HERE / f"{name}.py").is_file()] == []


def test_no_compiler_is_one_clear_line(tmp_path: Path) -> None:
    """It names what to install, and that nothing is lost but speed."""
    tool = ROOT / "services/opamp-gateway/compile.py"
    done = subprocess.run(
        [sys.executable, str(tool), "--into", str(tmp_path / "none")],
        env={"CC": "no-such-compiler", "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.startswith("There is no C compiler")
    assert len(done.stderr.splitlines()) == 1

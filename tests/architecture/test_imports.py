"""Who imports whom: import-linter's contracts hold, and what they cannot express."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

from deployment.rooms import ROOT
from deployment.tree import SOURCES, imports, modules


def test_import_contracts_are_kept() -> None:
    """`lint-imports` passes: rooms, independence, floors, pure files."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert result.returncode == 0, result.stdout


def test_every_package_is_under_contract() -> None:
    """A new room cannot stand outside the rules."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    roots = set(contracts["importlinter"]["root_packages"].split())

    assert roots == {source.name for source in SOURCES if source.is_dir()}


def test_contracts_need_only_protobuf() -> None:
    """What we say is readable with the standard library and protobuf alone."""
    allowed = {*sys.stdlib_module_names, "google", "contracts", "opamp", "fleet"}
    found = {
        f"{module.dotted} imports {name}"
        for module in modules("contracts")
        for name in imports(module.tree())
        if name.split(".")[0] not in allowed
    }

    assert found == set()


def test_nothing_imports_tests() -> None:
    """The tests know the house, the house does not know the tests."""
    forbidden = {"tests", "world", "deployment", "pytest", "hypothesis"}
    found = {
        module.dotted for module in modules() for name in imports(module.tree()) if name.split(".")[0] in forbidden
    }

    assert found == set()

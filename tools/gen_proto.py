"""
Generate the Python code of every .proto under proto/ into libs/contracts/src.

With --check, generate into a temporary folder and fail when the committed code differs.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
TARGET = ROOT / "libs" / "contracts" / "src"
PACKAGES = ("opamp", "fleet")


def generate(target: Path) -> None:
    """Write *_pb2.py and *_pb2.pyi for every .proto, and the __init__.py files that join them."""
    files = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    arguments = [
        "protoc",
        f"-I{PROTO}",
        f"-I{well_known}",
        f"--python_out={target}",
        f"--pyi_out={target}",
        *files,
    ]
    if protoc.main(arguments) != 0:
        sys.exit("protoc refused the files above")
    for package in PACKAGES:
        for folder in {path.parent for path in (target / package).rglob("*_pb2.py")}:
            for parent in (folder, *folder.parents):
                if parent == target:
                    break
                (parent / "__init__.py").touch()
        (target / package / "py.typed").touch()


def differences(left: Path, right: Path) -> list[str]:
    """Name the generated files that differ between two folders."""

    def listing(folder: Path) -> set[str]:
        return {
            str(path.relative_to(folder))
            for package in PACKAGES
            for path in (folder / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    ours, theirs = listing(left), listing(right)
    both = ours & theirs
    changed = [name for name in both if not filecmp.cmp(left / name, right / name, shallow=False)]
    return sorted([*(ours ^ theirs), *changed])


def main() -> None:
    """Generate, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the committed code is not current")
    if parser.parse_args().check:
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder))
            stale = differences(Path(folder), TARGET)
        if stale:
            sys.exit("generated code is not current, run `make proto`:\n  " + "\n  ".join(stale))
        print("generated code is current")
        return
    for package in PACKAGES:
        shutil.rmtree(TARGET / package, ignore_errors=True)
    generate(TARGET)


if __name__ == "__main__":
    main()

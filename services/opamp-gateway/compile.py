"""
Make the compiled form of the gateway, or remove it. Needs mypy, setuptools and a C compiler, the latter said plainly.

Run: python services/opamp-gateway/compile.py [--remove] [--into FOLDER]

It goes beside the package of the Python that runs this, with a stamp (see opamp_gateway/compiled.py); it is built
in a temporary folder and moved at the end, so there is a whole one or none.
"""
# ruff: noqa: INP001, T201 - a tool, not a module of the package

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

from opamp_gateway import compiled

ROOM = Path(__file__).resolve().parent
LIBS = ROOM.parents[1] / "libs"
SETUP = """
from mypyc.build import mypycify
from setuptools import setup

setup(
    name="compiled",
    packages=[],
    ext_modules=mypycify(
        ["--config-file=", "--follow-imports=silent", "--ignore-missing-imports", *{paths!r}],
        opt_level="3",
        debug_level="0",
    ),
)
"""


def compiler() -> str | None:
    """Find the C compiler extension modules are built with."""
    command = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]  # noqa: TID251 - as setuptools does
    return shutil.which(command) or shutil.which("gcc") or shutil.which("cc")


def build(folder: Path) -> str:
    """
    Compile into *folder*, which must not exist.

    Returns:
        Empty, or what went wrong.
    """
    with TemporaryDirectory(prefix="compile-") as name:
        place = Path(name)
        package = place / "opamp_gateway"
        shutil.copytree(compiled.HERE, package, ignore=shutil.ignore_patterns("__pycache__", "_compiled"))
        before = compiled.sources()
        paths = [f"opamp_gateway/{module}.py" for module in compiled.MODULES]
        (place / "setup.py").write_text(SETUP.format(paths=paths), encoding="utf-8")
        search = os.pathsep.join(str(LIBS / lib / "src") for lib in ("contracts", "servicekit"))
        done = subprocess.run(
            [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
            cwd=place,
            env={**os.environ, "MYPYPATH": search, "CFLAGS": "-g0"},  # noqa: TID251 - handed on
            capture_output=True,
            text=True,
            check=False,
        )
        made = [*package.glob(f"*{compiled.suffix()}"), *place.glob(f"*{compiled.LIBRARY}{compiled.suffix()}")]
        if done.returncode or len(made) != len(compiled.MODULES) + 1:
            return done.stdout + done.stderr
        if compiled.sources() != before:
            return "the sources changed meanwhile"
        fresh = folder.with_name(folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for path in made:
            shutil.copy2(path, fresh / path.name)
        stamp = {
            "suffix": compiled.suffix(),
            "sources": before,
            "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made},
        }
        (fresh / compiled.STAMP).write_text(json.dumps(stamp, indent=1, sort_keys=True), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    return ""


def main() -> int:
    """Do what was asked; 1 when it could not be done, 2 when there is no compiler."""
    parser = argparse.ArgumentParser(description="Compile the gateway.")
    parser.add_argument("--remove", action="store_true", help="remove the compiled form")
    parser.add_argument("--into", type=Path, default=compiled.FOLDER, help="another folder")
    options = parser.parse_args()
    if options.remove:
        shutil.rmtree(options.into, ignore_errors=True)
        return 0
    if not compiled.fault_of(options.into):
        print("The compiled gateway is current.")
        return 0
    if compiler() is None:
        print(
            "There is no C compiler (Debian, Ubuntu: apt install gcc libc6-dev). "
            "The gateway runs from Python source without one, only slower.",
            file=sys.stderr,
        )
        return 2
    print(f"Compiling {len(compiled.MODULES)} modules of the gateway (about a minute) ...", flush=True)
    problem = build(options.into) or compiled.fault_of(options.into)
    if problem:
        shutil.rmtree(options.into, ignore_errors=True)
        print(f"{problem}\nThe gateway was not compiled; it runs from Python source.", file=sys.stderr)
        return 1
    print(f"The compiled gateway is in {options.into}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

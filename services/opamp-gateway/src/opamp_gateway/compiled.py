"""
The compiled form: the busiest modules as C extensions, made from the very sources beside them, or not used at all.

`services/opamp-gateway/compile.py` puts it into the folder `_compiled` of this package with a stamp: for which
Python, from which sources. A stamp that does not fit what is here now means that Python source runs instead, and
the reason is said at start. This module is imported before any of MODULES and itself never compiled.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import sys
import sysconfig
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Final, NamedTuple

import contracts
import opamp_gateway
import servicekit

SETTING: Final = "OPAMP_GATEWAY_COMPILED"
HERE: Final = Path(__file__).parent
FOLDER: Final = HERE / "_compiled"
STAMP: Final = "stamp.json"
LIBRARY: Final = "__mypyc"
"""What the name of the one library ends with that all compiled modules share."""

MODULES: Final = (
    "admission",
    "answers",
    "connections",
    "credentials",
    "door",
    "facts",
    "frames",
    "gateway",
    "head",
    "heartbeat",
    "limits",
    "messages",
    "offers",
    "passengers",
    "publisher",
    "reception",
    "session",
    "terms",
    "unfinished",
    "varint",
    "websocket",
    "wire",
)
"""All of them or none: compiled code calls its own kind without looking names up."""

_CHUNK: Final = 2


class Form(NamedTuple):
    """What runs."""

    compiled: bool
    why: str
    """One line for people."""


class NotCompiled(RuntimeError):
    """The compiled form was required and cannot be used."""


def sources() -> dict[str, str]:
    """Hash every source the compiled form was made from or took constants from: package/file to SHA-256 in hex."""
    found: dict[str, str] = {}
    for package in (opamp_gateway, contracts, servicekit):
        folder = Path(str(package.__file__)).parent
        for path in sorted(set(folder.glob("*.py")) - {Path(__file__)}):
            found[f"{folder.name}/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def wish() -> str:
    """Read the setting; the settings themselves import what may be compiled, and refuse what is no value of it."""
    return os.environ.get(SETTING, "auto")  # noqa: TID251 - before the settings can be imported


def fault_of(folder: Path) -> str:
    """Say why the compiled form in *folder* cannot be used; empty = it can."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "there is none"
    except ValueError:
        return "its stamp is not readable"
    if stamp.get("suffix") != suffix():
        return f"it is for another Python ({stamp.get('suffix')})"
    here, there = sources(), stamp.get("sources", {})
    changed = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    if changed:
        more = f" and {len(changed) - _CHUNK} more" if len(changed) > _CHUNK else ""
        return f"its sources have changed since: {', '.join(changed[:_CHUNK])}{more}"
    files = stamp.get("files", {})
    if {name.partition(".")[0] for name in files if LIBRARY not in name} != set(MODULES):
        return "it holds other modules than these"
    for name, digest in files.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            return f"{name} is missing or not what was made"
    return ""


def suffix() -> str:
    """Tell what extension modules of this very Python end with: version, platform and ABI are in it."""
    return str(sysconfig.get_config_var("EXT_SUFFIX"))


def activate(asked: str, folder: Path = FOLDER) -> Form:
    """
    Let this process run the compiled form if it is wanted and fits; to be called before MODULES are imported.

    Args:
        asked: auto (if there is one that fits), off, or required.

        folder: Where it is.

    Raises:
        NotCompiled: It is required and does not fit, or a module was imported before.
    """
    if asked == "off":
        return _take(Form(compiled=False, why="switched off"))
    fault = fault_of(folder)
    early = [name for name in MODULES if f"opamp_gateway.{name}" in sys.modules]
    if not fault and early:
        fault = f"{early[0]} was imported already"
    if fault:
        if asked == "required":
            raise NotCompiled(f"{SETTING}=required, but the compiled form cannot be used: {fault}")
        return _take(Form(compiled=False, why=fault))
    _load_library(folder)
    opamp_gateway.__path__.insert(0, str(folder))
    for name in MODULES:
        module = importlib.import_module(f"opamp_gateway.{name}")
        origin = module.__spec__.origin if module.__spec__ is not None else None
        # mypyc says <folder>/opamp_gateway/<file>, whatever the folder of the file itself.
        if not Path(str(origin)).is_relative_to(folder):
            raise NotCompiled(f"{module.__name__} came from {origin}")
    return _take(Form(compiled=True, why=f"{len(MODULES)} modules"))


def form() -> Form:
    """Tell what runs."""
    return _state[0]


def _take(found: Form) -> Form:
    _state[0] = found
    return found


def _load_library(folder: Path) -> None:
    """Load what all compiled modules share; they look for it under its plain name."""
    path = next(folder.glob(f"*{LIBRARY}*{suffix()}"))
    name = path.name.removesuffix(suffix())
    loader = ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise NotCompiled(f"{path.name} is no extension module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)


_state = [Form(compiled=False, why="never asked for")]

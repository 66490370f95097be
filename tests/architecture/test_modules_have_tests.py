"""Every module has its test file, so that the place of a test is never a question."""

from __future__ import annotations

import re
from functools import cache

from deployment.rooms import ROOT
from deployment.tree import Module, has_code, modules

KINDS = ("unit", "property", "integration", "contract", "flow", "fault", "fuzz")

TESTED_FOR_ALL = {"errors", "metrics"}
"""Declarations without behaviour: tests/architecture/test_errors.py and test_metrics.py see to every one of them."""

TESTED_ELSEWHERE: dict[str, str] = {}
"""Dotted name to where its behaviour is tested instead; a line that is no longer needed fails below."""


@cache
def known_tests() -> frozenset[str]:
    """List every test file as package/test_name, folders between left out."""
    return frozenset(
        f"{path.relative_to(ROOT / 'tests' / kind).parts[0]}/{path.stem}"
        for kind in KINDS
        for path in (ROOT / "tests" / kind).rglob("test_*.py")
    )


def accepted(module: Module) -> set[str]:
    """Name the test files that would do: by the module's own name, or with its folder before it."""
    parts = module.name.removesuffix(".__init__").split(".")
    return {f"{module.package}/test_{'_'.join(parts[start:])}" for start in range(len(parts))}


def untested() -> set[str]:
    """List modules with code but without a test file of their name."""
    return {
        module.dotted
        for module in modules()
        if module.name not in {"__main__", "__init__", *TESTED_FOR_ALL}
        and has_code(module.tree())
        and not accepted(module) & known_tests()
    }


def test_every_module_has_its_test_file() -> None:
    """A module without tests/<kind>/<package>/test_<module>.py needs a reason in the list above."""
    assert sorted(untested() - set(TESTED_ELSEWHERE)) == []


def test_reasons_name_tests_that_exist() -> None:
    """Where a reason says a module is tested, there is a file."""
    named = {path for reason in TESTED_ELSEWHERE.values() for path in re.findall(r"tests/[a-z_/]+\.py", reason)}

    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_exceptions_are_still_needed() -> None:
    """The list of exceptions only shrinks: whatever got its test, or is gone, leaves it."""
    assert sorted(set(TESTED_ELSEWHERE) - untested()) == []

"""The session machine under a million things an agent might say: `make test-fuzz` (INPUTS=n)."""

from __future__ import annotations

import os
import secrets

import pytest
from gatewaylab.fuzzing import SessionFuzzer
from gatewaylab.memory import grown_by

INPUTS = int(os.environ.get("FUZZ_INPUTS", "1000000"))
GROWTH_BYTES = 64 * 1024 * 1024


@pytest.mark.timeout(120 + INPUTS // 1_000)
def test_session_machine_answers_whatever_is_said() -> None:
    """No exception, every answer sound, every fact fenced, memory flat; another seed each time, which is printed."""
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}, {INPUTS} inputs")  # noqa: T201 - a failed run is repeated by its seed
    fuzzer = SessionFuzzer(seed)
    fuzzer.run(INPUTS // 10)

    grown = grown_by(lambda: fuzzer.run(INPUTS))

    assert fuzzer.inputs == INPUTS
    assert fuzzer.told > INPUTS // 10
    assert 0 < fuzzer.refused < INPUTS
    assert grown < GROWTH_BYTES, f"{grown} bytes more"

from __future__ import annotations

import pytest

from contracts.tokens import CHECKSUM_LENGTH, checksum, is_mistyped, sealed

TOKEN = "oet_0123456789ab_" + "0123456789abcdef" * 3
CREDENTIAL = "oac_k0123456789abcdef_" + "aZ09-_b" * 6 + "c"


@pytest.mark.parametrize("text", [TOKEN, CREDENTIAL])
def test_a_slip_of_the_pen_is_seen(text: str) -> None:
    """One character changed, or two swapped, anywhere behind the prefix."""
    good = sealed(text)

    assert not is_mistyped(good)
    for place in range(4, len(good)):
        if good[place] in "_-":
            continue
        wrong = good[:place] + ("y" if good[place] != "y" else "z") + good[place + 1 :]
        assert is_mistyped(wrong), place
    assert is_mistyped(good[:30] + good[31] + good[30] + good[32:])


@pytest.mark.parametrize("text", ["", "oet_1_secret", TOKEN, CREDENTIAL, TOKEN + "x" * 7, "somebody else's token"])
def test_other_forms_are_not_judged(text: str) -> None:
    """Older texts have no checksum and stay valid; whose the others are is not for us to say."""
    assert not is_mistyped(text)


def test_checksums_are_always_six_characters() -> None:
    """Small numbers are padded; the text itself is not changed."""
    assert checksum("") == "000000"
    assert {len(checksum(str(number))) for number in range(1000)} == {CHECKSUM_LENGTH}
    assert sealed("x").startswith("x")

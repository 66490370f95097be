"""Any program may move a server."""

from __future__ import annotations

import shlex
import sys

import pytest

from opampctl.conformance.stimulus import Refused
from opampctl.conformance.stimulus_command import CommandStimulus
from opampctl.conformance.verdict import NotApplicable


def command(code: str) -> str:
    """Write a program that knows its action as `told`."""
    return shlex.join([sys.executable, "-c", f"import json, sys, time; told = json.load(sys.stdin); {code}"])


async def test_action_goes_in_and_answer_comes_out() -> None:
    """The program reads one JSON action and its answer is returned."""
    stimulus = CommandStimulus(command("print(json.dumps({'was': told}))"))

    assert await stimulus.do("restart_agent", instance_uid="u") == {
        "was": {"action": "restart_agent", "instance_uid": "u"}
    }
    await stimulus.close()


async def test_silence_is_an_empty_answer() -> None:
    """A program that says nothing has done it."""
    assert await CommandStimulus(command("pass")).do("forget_agent") == {}


async def test_exit_codes_are_told_apart() -> None:
    """3 cannot, 4 was refused, anything else failed with its words."""
    with pytest.raises(NotApplicable, match="cannot offer packages"):
        await CommandStimulus(command("sys.exit(3)")).do("offer_packages")
    with pytest.raises(Refused):
        await CommandStimulus(command("sys.exit(4)")).do("restart_agent")
    with pytest.raises(NotApplicable, match="out of luck"):
        await CommandStimulus(command("sys.exit('out of luck')")).do("restart_agent")


@pytest.mark.parametrize("code", ["print('hello')", "print('[1]')"])
async def test_answer_must_be_an_object(code: str) -> None:
    """What is no JSON object is no answer."""
    with pytest.raises(NotApplicable, match="JSON"):
        await CommandStimulus(command(code)).do("show_agent")


async def test_program_that_does_not_end_is_ended() -> None:
    """After its time the program is killed."""
    with pytest.raises(NotApplicable, match="did not end"):
        await CommandStimulus(command("time.sleep(600)"), seconds=0.5).do("show_agent")


async def test_program_that_is_not_there() -> None:
    """A program that cannot be started is told by its name."""
    with pytest.raises(NotApplicable, match="/no/such/program"):
        await CommandStimulus("/no/such/program").do("show_agent")

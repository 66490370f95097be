from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from devstack.errors import StackError
from devstack.ports import FREE_CORNER_SIZE, FREE_FROM, LOOPBACK, Ports, accepts, free_port, free_ports, require_free


def test_default_ports_are_the_ones_people_know() -> None:
    """The API stands on 8080, agents connect to 4320, and nothing is used twice."""
    ports = Ports.default(gateways=8).named()

    assert (ports["api"], ports["opamp_1"]) == (8080, 4320)
    assert len(set(ports.values())) == len(ports) == 11 + 2 * 8


def test_port_base_moves_every_port() -> None:
    """Two stacks a hundred ports apart share none."""
    one = set(Ports.from_base(9000, 8).named().values())
    other = set(Ports.from_base(9100, 8).named().values())

    assert min(one) == 9000
    assert not one & other
    assert not one & set(Ports.default(8).named().values())


@pytest.mark.parametrize("base", [0, 80, 65_500, 70_000])
def test_port_base_that_cannot_be_used_is_refused(base: int) -> None:
    """The message names the variable and its bounds."""
    with pytest.raises(StackError, match=r"PORT_BASE=\d+ is not between 1024 and"):
        Ports.from_base(base)


@pytest.mark.parametrize("gateways", [0, 9])
def test_number_of_gateways_is_bounded(gateways: int) -> None:
    """Each gateway has a port in a range of eight."""
    with pytest.raises(StackError, match="GATEWAYS"):
        Ports.default(gateways)


def test_busy_port_is_named_with_a_way_out() -> None:
    """One line tells the port, what it was for, and how to move."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(StackError, match=rf"Port {port} \(api\) is busy: .*PORT_BASE=") as caught:
            require_free({"api": port})

        assert "\n" not in str(caught.value)
        assert accepts(port)
    assert not accepts(port)


def test_free_ports_are_different_and_below_those_of_clients() -> None:
    """No outgoing connection takes one of them before the server does."""
    ports = free_ports(20)

    assert len(set(ports)) == 20
    assert max(ports) < 32_768
    require_free({str(port): port for port in ports})


def test_processes_look_in_different_corners() -> None:
    """A process that would begin where we are goes on to the next corner, also when none of our ports is in use."""
    ours = free_port()
    program = f"import os; os.getpid = lambda: {os.getpid()}; from devstack.ports import free_port; print(free_port())"

    other = int(subprocess.check_output([sys.executable, "-c", program]))

    assert (other - FREE_FROM) // FREE_CORNER_SIZE != (ours - FREE_FROM) // FREE_CORNER_SIZE


def test_free_stack_has_a_port_for_everything() -> None:
    """A stack for a test has as many different ports as a default one."""
    ports = Ports.free(gateways=2).named()

    assert ports.keys() == Ports.default(2).named().keys()
    assert len(set(ports.values())) == len(ports)

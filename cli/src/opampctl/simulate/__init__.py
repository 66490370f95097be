"""
A fleet of OpAMP agents in one process, for demonstrations, load and tests.

    options = FleetOptions(endpoint="ws://127.0.0.1:4320/v1/opamp", token="oet_...", agents=1000)
    async with Fleet(options) as fleet:
        await fleet.wait_connected(within_seconds=30)
        assert all(agent.receipts_of(config_hash) == 1 for agent in fleet.agents)
"""

from opampctl.simulate.agent import ReceivedConfig, SimulatedAgent
from opampctl.simulate.fleet import Fleet, TooManyAgentsError
from opampctl.simulate.options import Endpoint, FleetOptions, Transport
from opampctl.simulate.package_options import Failure, PackageOptions
from opampctl.simulate.processes import FleetOfProcesses
from opampctl.simulate.statistics import Histogram, Snapshot, Standing, Statistics

__all__ = [
    "Endpoint",
    "Failure",
    "Fleet",
    "FleetOfProcesses",
    "FleetOptions",
    "Histogram",
    "PackageOptions",
    "ReceivedConfig",
    "SimulatedAgent",
    "Snapshot",
    "Standing",
    "Statistics",
    "TooManyAgentsError",
    "Transport",
]

"""
The other half of the suite: it is the server, and examines whichever agent comes.

It knows the protocol from the specification and shares no code with any server or agent of the platform.
"""

from opampctl.conformance.as_server.agents import Agent, AgentAtLarge, CommandAgent, Urls
from opampctl.conformance.as_server.suite import Absent, AgentSuite, Options, client_rows

__all__ = ["Absent", "Agent", "AgentAtLarge", "AgentSuite", "CommandAgent", "Options", "Urls", "client_rows"]

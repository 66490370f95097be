"""
A black-box conformance suite: one check for every requirement that shows on the wire.

It knows the protocol from the specification and shares no code with any server or agent of the platform.
"""

from opampctl.conformance.register import Row, server_rows
from opampctl.conformance.suite import Options, Suite, Unreachable
from opampctl.conformance.target import Target, TargetError
from opampctl.conformance.verdict import Result, Verdict

__all__ = ["Options", "Result", "Row", "Suite", "Target", "TargetError", "Unreachable", "Verdict", "server_rows"]

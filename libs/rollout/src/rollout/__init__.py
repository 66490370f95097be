"""
How something new reaches a fleet in stages, whatever it is: a package, a configuration.

Pure: what agents show goes in, decisions come out; clocks and agents are handed in, rows are somebody else's.
"""

from rollout.machine import Step, step
from rollout.members import Member, MemberState
from rollout.order import in_order
from rollout.plan import Plan, Problem, Stage, Threshold
from rollout.sight import Sight, Stand
from rollout.state import NotNowError, Rollout, State, abort, pause, resume, start
from rollout.window import Window

__all__ = [
    "Member",
    "MemberState",
    "NotNowError",
    "Plan",
    "Problem",
    "Rollout",
    "Sight",
    "Stage",
    "Stand",
    "State",
    "Step",
    "Threshold",
    "Window",
    "abort",
    "in_order",
    "pause",
    "resume",
    "start",
    "step",
]

"""One agent as offers see it: a projection of facts beside what it should have. Pure; reconcile.py moves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from package_service.offering.assignment import GROUP
from package_service.offering.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from package_service.offering.standing import Standing

ACCEPTS_PACKAGES = int(opamp.AgentCapabilities_AcceptsPackages)
REPORTS_PACKAGES = int(opamp.AgentCapabilities_ReportsPackageStatuses)
TAKES_PACKAGES = ACCEPTS_PACKAGES | REPORTS_PACKAGES
"""Both: without the second nobody learns what became of an offer."""

Fence = tuple[int, int]
"""(epoch, sequence) of the newest fact of one kind that was taken."""

Has = tuple[str, str]
"""(version, hash in hexadecimal digits) of a package as the agent says it has it."""


@dataclass(frozen=True)
class Target:
    """One row of package_target, and those of agent_package that belong to it."""

    tenant_id: str
    uid: bytes

    epoch: int = 0
    """Newest connection heard of."""

    gateway_id: str = ""
    connected: bool = False
    capabilities: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the agent says of itself, and the stamped ones, which win."""

    stamped_labels: Mapping[str, str] = field(default_factory=dict)
    withheld: bool = False
    """Whether it waits for approval: nothing is offered to it."""

    fences: Mapping[str, Fence] = field(default_factory=dict)
    machine: Machine = field(default_factory=Machine)
    healthy: bool | None = None

    desired_hash: bytes = b""
    """all_packages_hash of the list it should have; empty = it is sent none."""

    held: str = ""
    """Why no newer list is sent although one is due."""

    offered_hash: bytes = b""
    """all_packages_hash of the list sent last."""

    content_hash: bytes = b""
    """Hash of the very bytes sent last, tickets included."""

    offer_count: int = 0
    """Offers of this list on this connection."""

    retry_at: datetime | None = None
    delivered_epoch: int = 0
    """Connection on which the list reached the agent; 0 = not yet."""

    waiting_since: datetime | None = None
    """From when its silence is counted."""

    probed: bool = False
    timeouts: int = 0
    """Times in a row that it stayed silent."""

    reported_hash: bytes = b""
    """all_packages_hash as the agent last told it."""

    reported_error: str = ""
    reported: Mapping[str, Has] = field(default_factory=dict)
    dirty: bool = False
    """Whether what it should have must be found out again."""

    due_at: datetime | None = None
    """When to look at it again without being told anything."""

    packages: Mapping[str, Standing] = field(default_factory=dict)
    """By name."""

    failed: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    """
    By package that it should not have now: contents that failed on it, for the day it should have it again.

    It would otherwise be enough to lose a label, or to forget a capability once, to be offered them again.
    """

    @property
    def accepts(self) -> bool:
        """Whether the agent said that it takes packages."""
        return bool(self.capabilities & ACCEPTS_PACKAGES)

    @property
    def reports(self) -> bool:
        """Whether the agent said that it tells what becomes of packages."""
        return bool(self.capabilities & REPORTS_PACKAGES)

    @property
    def group(self) -> str:
        """The group its enrolment stamped; empty = none."""
        return self.stamped_labels.get(GROUP, "")

    @property
    def delivered(self) -> bool:
        """Whether the list it should have reached the agent on its present connection."""
        return (
            self.offered_hash == self.desired_hash and self.delivered_epoch != 0 and self.delivered_epoch == self.epoch
        )

    @property
    def is_blocked(self) -> bool:
        """Whether its list holds what failed on it: that is not sent again unless somebody asks."""
        return any(item.is_quarantined and item.is_listed for item in self.packages.values())

    @property
    def in_step(self) -> bool:
        """Whether the agent knows the list it should have, and nothing of it still waits to be told."""
        return self.reported_hash == self.desired_hash and not any(item.waits for item in self.packages.values())

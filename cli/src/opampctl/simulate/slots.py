"""
Two places for connection settings: those that work, and those on trial. Pure.

An offer is tried before it takes the place of what works: the agent reconnects on the new terms, and only an answer
on them makes them its own. If none comes, it goes back to what it had and says so (OpAMP "Connection Settings
Trial").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate.terms import Terms, offered_terms

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 3
"""Attempts to connect on terms on trial before they are given up; a refusal gives them up at once."""

APPLIED = opamp.ConnectionSettingsStatuses_APPLIED
APPLYING = opamp.ConnectionSettingsStatuses_APPLYING
FAILED = opamp.ConnectionSettingsStatuses_FAILED
UNSET = opamp.ConnectionSettingsStatuses_UNSET


class Slots:
    """
    The connection settings of one agent.

    Attributes:
        current: What works.

        trial: What is being tried; None = nothing.

        hash: Of the newest offer.

        status: Of the newest offer.

        error: Why it failed; empty otherwise.

        has_news: The status was not reported since it changed.

        offers: Offers that were new, by the member they had.
    """

    __slots__ = ("_attempts", "_keep", "current", "error", "has_news", "hash", "offers", "status", "trial")

    def __init__(self, current: Terms, keep: Callable[[Terms], None]) -> None:
        self.current = current
        self.trial: Terms | None = None
        self.hash = b""
        self.status: opamp.ConnectionSettingsStatuses = UNSET
        self.error = ""
        self.has_news = False
        self.offers: opamp.ConnectionSettingsOffers | None = None
        self._attempts = 0
        self._keep = keep

    @property
    def terms(self) -> Terms:
        """What to connect with now."""
        return self.trial or self.current

    def take(self, offers: opamp.ConnectionSettingsOffers, own_key: str) -> bool:
        """
        Take an offer.

        Returns:
            Whether to reconnect now, on trial.
        """
        if offers.hash == self.hash and self.status in {APPLIED, APPLYING}:
            return False
        self.hash, self.offers, self.error, self.has_news = offers.hash, offers, "", True
        if not offers.HasField("opamp"):
            self.status = APPLIED
            return False
        try:
            wanted = offered_terms(self.current, offers.opamp, own_key)
        except ValueError as error:
            self.status, self.error = FAILED, str(error)
            return False
        if self.current.same_connection(wanted):
            self._settle(wanted)
            return False
        self.trial, self.status, self._attempts = wanted, APPLYING, 0
        return True

    def answered(self) -> None:
        """Note that the server answered: what is on trial works."""
        if self.trial is not None:
            self._settle(self.trial)

    def failed(self, why: str, *, refused: bool) -> None:
        """Note that a connection on trial did not come about, or ended before it was answered."""
        if self.trial is None:
            return
        self._attempts += 1
        if refused or self._attempts >= ATTEMPTS:
            self.trial, self.status, self.has_news = None, FAILED, True
            self.error = f"could not connect with the new settings: {why}"

    def report(self) -> opamp.ConnectionSettingsStatus:
        """Write the status, which is no news from then on."""
        self.has_news = False
        return opamp.ConnectionSettingsStatus(
            last_connection_settings_hash=self.hash, status=self.status, error_message=self.error
        )

    def _settle(self, terms: Terms) -> None:
        self.current, self.trial, self.status, self.has_news = terms, None, APPLIED, True
        self._keep(terms)

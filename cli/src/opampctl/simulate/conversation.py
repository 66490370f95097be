"""
What both transports have in common: when an agent speaks, what it does about an answer, when it tries again.

Driven by callbacks and timers rather than a task per agent, so that 20,000 idle agents cost next to nothing.
"""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from opampctl.simulate.backoff import delay_seconds
from opampctl.simulate.stage import unix_nano
from opampctl.simulate.syncing import Sync

if TYPE_CHECKING:
    from opampctl.simulate.agent import Reaction, SimulatedAgent
    from opampctl.simulate.stage import Stage

HEARTBEAT_SPREAD = 0.05
APPLY_SPREAD = 0.5


class Conversation(ABC):
    """One agent's talk with the server, over as many connections as it takes."""

    __slots__ = ("_apply_timer", "_beat_timer", "_failures", "_retry_timer", "_said_at", "_sync", "agent", "stage")

    def __init__(self, agent: SimulatedAgent, stage: Stage) -> None:
        self.agent = agent
        self.stage = stage
        self._failures = 0
        self._said_at = 0.0
        self._beat_timer: asyncio.TimerHandle | None = None
        self._apply_timer: asyncio.TimerHandle | None = None
        self._retry_timer: asyncio.TimerHandle | None = None
        self._sync: asyncio.Task[None] | None = None

    @abstractmethod
    async def connect(self) -> None:
        """Try once to get through; a failure is counted and the next attempt planned, never raised."""

    @abstractmethod
    def flush(self) -> None:
        """Say the news now, if a message can be sent now; otherwise they wait for the next one."""

    @abstractmethod
    def beat(self) -> None:
        """Say that the agent is alive."""

    @abstractmethod
    def drop(self, *, goodbye: bool, away_seconds: float) -> None:
        """Break off and come back after *away_seconds*, with or without a goodbye."""

    @abstractmethod
    def switch(self) -> None:
        """Say the news, and go on upon the terms on trial."""

    @abstractmethod
    async def close(self) -> None:
        """Say goodbye and end for good; silent when nobody listens."""

    def cut(self) -> None:
        """Let go of whatever is open, without a word and for good."""
        self.cancel_timers()

    def react(self, reaction: Reaction | None) -> None:
        """Do what the agent decided upon a message, then say the news."""
        if reaction is not None:
            if reaction.apply:
                self._plan_apply()
            if reaction.sync:
                self._begin_sync()
            if reaction.restart:
                self.drop(goodbye=True, away_seconds=0.0)
                self.agent.restart(now_unix_nano=unix_nano())
                return
            if reaction.pause_seconds is not None:
                self.pause(reaction.pause_seconds)
                return
            if reaction.reconnect:
                self.switch()
                return
        if self.agent.has_news:
            self.flush()

    def pause(self, seconds: float) -> None:
        """Keep silent for a while, as an overloaded server asked, then say the news."""
        self._cancel_beat()
        self._beat_timer = self.stage.loop.call_later(delay_seconds(0, self.stage.rng, seconds), self._beat_now)

    def plan_retry(self, retry_after_seconds: float | None = None) -> None:
        """Plan the next attempt to connect, ever later while it keeps failing."""
        if self.stage.stopping:
            return
        delay = delay_seconds(self._failures, self.stage.rng, retry_after_seconds)
        self.reconnect_after(delay)

    def reconnect_after(self, seconds: float) -> None:
        """Plan an attempt to connect after exactly *seconds*, instead of any planned before."""
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        self._retry_timer = self.stage.loop.call_later(seconds, self._retry)

    def plan_beat(self, *, first: bool = False) -> None:
        """Plan the next heartbeat; the first after a random part of the interval, so that crowds disperse."""
        self._cancel_beat()
        interval = self._heartbeat_seconds()
        if math.isinf(interval) or self.stage.stopping:
            return
        delay = self.stage.jittered(interval, HEARTBEAT_SPREAD)
        if first:
            delay *= 0.5 + self.stage.rng.random() / 2
        self._beat_timer = self.stage.loop.call_later(delay, self._beat_now)

    def cancel_timers(self) -> None:
        """Forget everything planned."""
        self._cancel_beat()
        for timer in (self._apply_timer, self._retry_timer):
            if timer is not None:
                timer.cancel()
        self._apply_timer = self._retry_timer = None

    def receive(self, body: bytes) -> Reaction | None:
        """Hand one answer to the agent and count its latencies."""
        agent, monotonic = self.agent, time.monotonic()
        if self._said_at:
            self.stage.statistics.answer.add(monotonic - self._said_at)
            self._said_at = 0.0
        receipts = len(agent.received)
        reaction = agent.receive(body, at=time.time(), monotonic=monotonic)
        if len(agent.received) > receipts:
            newest = agent.received[-1]
            first = not receipts or agent.received[-2].connection != newest.connection
            self.stage.count_receipts(newest.hash, monotonic, agent.connected_at, first=first)
        return reaction

    def _heartbeat_seconds(self) -> float:
        extras = self.agent.extras
        given = extras.slots.current.heartbeat_seconds if extras is not None else None
        if given is None:
            return self.stage.options.heartbeat_seconds
        return given or math.inf  # 0 = no heartbeats

    def _trial_failed(self, why: str, *, refused: bool) -> None:
        if self.agent.extras is not None:
            self.agent.extras.slots.failed(why, refused=refused)

    def _count_said(self, body: bytes) -> None:
        statistics = self.stage.statistics
        statistics.messages_sent += 1
        statistics.bytes_sent += len(body)
        if not self._said_at:
            self._said_at = time.monotonic()

    def _plan_apply(self) -> None:
        if self._apply_timer is not None:
            self._apply_timer.cancel()  # a newer configuration takes the place of one being applied
        delay = self.stage.jittered(self.stage.options.apply_delay_seconds, APPLY_SPREAD)
        self._apply_timer = self.stage.loop.call_later(delay, self._finish_apply)

    def _begin_sync(self) -> None:
        if self.stage.stopping:
            return
        if self._sync is not None:
            self._sync.cancel()  # a newer list takes the place of the one being worked on
        self._sync = self.stage.begin(Sync(self.agent, self.stage, self.flush).run())

    def _finish_apply(self) -> None:
        self._apply_timer = None
        agent = self.agent
        agent.finish_apply(fails=self.stage.rng.random() < self.stage.options.fail_rate)
        self.stage.statistics.apply.add(time.monotonic() - agent.received[-1].monotonic)
        self.flush()

    def _beat_now(self) -> None:
        self._beat_timer = None
        if self.agent.extras is not None:
            self.agent.extras.renew_if_due(self.agent.uid, time.time())
        self.beat()

    def _retry(self) -> None:
        self._retry_timer = None
        if not self.stage.stopping:
            self.stage.spawn(self.connect())

    def _cancel_beat(self) -> None:
        if self._beat_timer is not None:
            self._beat_timer.cancel()
            self._beat_timer = None

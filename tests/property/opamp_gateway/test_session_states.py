"""The session as a machine with states: what an agent says, what is offered, who remembers; and what always holds."""

from __future__ import annotations

from gatewaylab.fuzzing import check, remembered
from gatewaylab.speech import UID, answer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway.heartbeat import is_beat
from opamp_gateway.offers import CONNECTION_SETTINGS, CUSTOM_MESSAGE, REMOTE_CONFIG
from opamp_gateway.session import WEBSOCKET, Memory, Rules, Session

RULES = Rules("gw-states", max_attributes=2)
HASHES = st.sampled_from([b"", b"a" * 32, b"b" * 32])
ABLE = 0x7FFF


class Conversation(RuleBasedStateMachine):
    """One agent through sessions that come and go; a model of its own keeps what must be true."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.number = -1
        self.epoch = 0
        self.announced = False
        self.published: dict[str, bytes] = {}
        self.session = Session(RULES, "default", UID, WEBSOCKET)
        self.fence = (0, 0)
        self._open(Memory())

    def _open(self, memory: Memory) -> None:
        self.epoch += 1
        self.session = Session(RULES, "default", UID, WEBSOCKET)
        self.session.remember(memory)
        self.session.epoch = self.epoch
        self.announced = False

    def _say(self, said: opamp.AgentToServer) -> opamp.ServerToAgent:
        self.now += 1.0
        step = self.session.receive(said, self.now, 1)
        check(self.session, said, step, greeted=self.announced)
        for fact in step.facts:
            read = facts_pb2.Fact.FromString(fact.to_bytes())
            assert (read.epoch, read.sequence) > self.fence
            self.fence = (read.epoch, read.sequence)
        self.announced = self.announced or not step.error
        self.number = said.sequence_num
        return answer(step.reply)

    def _next(self, capabilities: int = ABLE) -> opamp.AgentToServer:
        return opamp.AgentToServer(
            instance_uid=UID, sequence_num=(self.number + 1) % (1 << 64), capabilities=capabilities
        )

    @rule()
    def beats(self) -> None:
        """Say nothing new, in order."""
        self._say(self._next())

    @rule(number=st.integers(0, 2**64 - 1))
    def skips(self, number: int) -> None:
        """Count wrongly: whoever may be asked is asked."""
        said = self._next()
        said.sequence_num = number
        self._say(said)

    @rule(attributes=st.integers(0, 3))
    def describes(self, attributes: int) -> None:
        """Describe itself; too many attributes are refused."""
        said = self._next()
        said.agent_description.SetInParent()
        for index in range(attributes):
            said.agent_description.identifying_attributes.add(key=str(index))
        told = self._say(said)
        assert told.HasField("error_response") == (attributes > RULES.max_attributes)

    @rule(capabilities=st.sampled_from([1, 3, ABLE]), names=st.lists(st.sampled_from(["a", "b"]), max_size=2))
    def changes(self, capabilities: int, names: list[str]) -> None:
        """Take other things from now on."""
        said = self._next(capabilities)
        said.custom_capabilities.capabilities.extend(names)
        self._say(said)
        assert self.session.takes(REMOTE_CONFIG) == bool(capabilities & 2)
        assert self.session.takes(CUSTOM_MESSAGE, "a") == ("a" in names)
        assert not self.session.takes(CUSTOM_MESSAGE, "c")

    @rule(content_hash=HASHES, status=st.integers(0, 3))
    def reports(self, content_hash: bytes, status: int) -> None:
        """Report on a remote config."""
        said = self._next()
        said.remote_config_status.last_remote_config_hash = content_hash
        said.remote_config_status.status = status  # type: ignore[assignment]
        self._say(said)
        assert self.session.reported_hash == content_hash

    @rule(kind=st.sampled_from([REMOTE_CONFIG, CONNECTION_SETTINGS]), content_hash=HASHES)
    def is_offered(self, kind: int, content_hash: bytes) -> None:
        """Be told something; the same a moment later is too much."""
        self.session.delivered(kind, content_hash, "o", self.now, 1)
        assert self.session.just_offered(kind, content_hash, self.now)
        assert not self.session.just_offered(kind, content_hash, self.now + RULES.offer_repeat_seconds)

    @rule()
    def asks_for_components(self) -> None:
        """Be asked for components; what it told before counts as never told."""
        self.session.forget_components()

    @rule()
    def is_forgotten(self) -> None:
        """Lose what was published: everything is news again."""
        self.session.forget()
        assert not self.session.described

    @rule(known=st.booleans())
    def comes_back(self, *, known: bool) -> None:
        """Connect again, remembered or not."""
        self._open(remembered(self.session) if known else Memory())

    @precondition(lambda self: self.announced)
    @rule()
    def beats_fast(self) -> None:
        """Beat on the fast path: it decides what the ordinary road would have."""
        said = self._next(capabilities=self.session.capabilities)
        payload = b"\x00" + said.SerializeToString()
        before = self.session.sequence_num
        if is_beat(self.session, payload):
            self.session.sequence_num = before
            step = self.session.receive(said, self.now, 1)
            assert (step.facts, step.error) == ([], b"")
            self.number = said.sequence_num

    @invariant()
    def is_bounded(self) -> None:
        """Keep no more than a few hundred bytes, whatever was said."""
        session = self.session
        assert len(session.digests) == 64
        assert session.held is None
        assert len(session.caps_suffix) <= 11


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

"""Remote configuration: offers taken, refused, repeated, remembered."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import scenario
from opampctl.conformance.as_server.manners import Refusal
from opampctl.conformance.heard import Transport

if TYPE_CHECKING:
    from opampctl.conformance.as_server.said import Said
    from opampctl.conformance.as_server.scene import Scene

_ACCEPTS = opamp.AgentCapabilities_AcceptsRemoteConfig
_REPORTS = opamp.AgentCapabilities_ReportsRemoteConfig
_EFFECTIVE = opamp.AgentCapabilities_ReportsEffectiveConfig
_APPLIED, _APPLYING = opamp.RemoteConfigStatuses_APPLIED, opamp.RemoteConfigStatuses_APPLYING
_FAILED = opamp.RemoteConfigStatuses_FAILED
_ENDED = (_APPLIED, _FAILED)
_HASH_BYTES = 32
_SERVER_ERROR = 503


def offer(text: str) -> opamp.AgentRemoteConfig:
    """Offer a text nobody was offered before; its hash has nothing to do with it."""
    config_hash = secrets.token_bytes(_HASH_BYTES)
    made = opamp.AgentRemoteConfig(config_hash=config_hash)
    file = made.config.config_map["config.yaml"]
    file.body, file.content_type = f"{text}\n# {config_hash.hex()}\n".encode(), "text/yaml"
    return made


def good(scene: Scene) -> opamp.AgentRemoteConfig:
    """Offer what the agent is said to take."""
    return offer(scene.setting.good_config)


@scenario("C-047 C-049 C-095 C-110 C-111 C-112 C-113 C-114 C-116")
async def configuration_is_applied(scene: Scene) -> None:
    """The status goes through to its end, with the hash as it was sent, and the effective config follows."""
    await scene.meet()
    scene.need(_ACCEPTS)
    scene.need(_REPORTS)
    offered = good(scene)
    before = await scene.full_report()
    mark = await scene.tell(opamp.ServerToAgent(remote_config=offered))
    said = await scene.expect(
        "C-047 C-111",
        lambda each: "remote_config_status" in each.parts,
        "no status came after the offer",
        since=mark,
        seconds=scene.patience.effect,
    )
    scene.judge("C-110", condition=True, sentence="")
    said = await _ended(scene, mark, offered) or said
    status = said.message.remote_config_status
    scene.judge("C-112", status.last_remote_config_hash == offered.config_hash, "the hash is not the one offered")
    scene.judge("C-114", status.status in _ENDED, f"the status ends as {_name(status.status)}")
    scene.judge("C-049", condition=True, sentence="")
    if status.status == _APPLIED and scene.has(_EFFECTIVE):
        await scene.expect(
            "C-095 C-116",
            lambda each: (
                "effective_config" in each.parts and each.message.effective_config != before.message.effective_config
            ),
            "applied, and the effective config did not follow",
            since=mark,
        )
    elif status.status != _APPLIED:
        scene.skip("C-095 C-116", "the agent refused it: --good-config names another")
    report = await scene.full_report()
    again = report.message.remote_config_status.last_remote_config_hash
    scene.judge("C-113", again == status.last_remote_config_hash, "a later status has another hash")


@scenario("C-052 C-094")
async def configuration_comes_twice(scene: Scene) -> None:
    """The same offer again is met with silence."""
    offered = await _taken(scene)
    mark = await scene.tell(opamp.ServerToAgent(remote_config=offered))
    news = await scene.quiet(mark)
    scene.judge("C-052 C-094", not news, "the same configuration again causes a report")


@scenario("C-048")
async def configuration_among_others(scene: Scene) -> None:
    """An offer and a wish for the full state in one message are both heeded."""
    await scene.meet()
    scene.need(_ACCEPTS)
    scene.need(_REPORTS)
    offered = good(scene)
    mark = await scene.tell(opamp.ServerToAgent(remote_config=offered, flags=opamp.ServerToAgentFlags_ReportFullState))
    await scene.expect("C-048", lambda each: "agent_description" in each.parts, "the flag is not heeded", since=mark)
    await scene.expect(
        "C-048",
        lambda each: "remote_config_status" in each.parts and _about(each, offered),
        "the offer beside a flag is not heeded",
        since=mark,
        seconds=scene.patience.effect,
    )


@scenario("C-052 C-112 C-114")
async def configuration_is_refused(scene: Scene) -> None:
    """A configuration that fails is reported with its hash, once."""
    await scene.meet()
    scene.need(_ACCEPTS)
    scene.need(_REPORTS)
    offered = offer(scene.setting.bad_config)
    mark = await scene.tell(opamp.ServerToAgent(remote_config=offered))
    said = await scene.hear(
        lambda each: each.message.remote_config_status.status in _ENDED and _from(each, mark),
        mark,
        scene.patience.effect,
    )
    if said is None or said.message.remote_config_status.status != _FAILED:
        scene.leave("the agent did not refuse it: --bad-config names another")
        return
    status = said.message.remote_config_status
    scene.judge("C-112", status.last_remote_config_hash == offered.config_hash, "the hash of what failed is not told")
    scene.judge("C-114", condition=True, sentence="")
    await scene.full_report()
    mark = await scene.tell(opamp.ServerToAgent(remote_config=offered))
    news = await scene.quiet(mark)
    scene.judge("C-052", not news, "the same refused configuration again causes a report")


@scenario("C-113", restarts=True)
async def configuration_is_remembered(scene: Scene) -> None:
    """After a restart the hash is told again, so that the configuration need not be."""
    offered = await _taken(scene)
    uid = scene.door.uid
    await scene.stop()
    said = await scene.meet()
    if said.message.instance_uid != uid:
        scene.skip("C-113", "the agent comes back as another one")
        return
    scene.judge("C-113", _about(said, offered), "after a restart the hash is forgotten")


@scenario("C-076", transports=(Transport.HTTP,))
async def news_get_lost(scene: Scene) -> None:
    """A status in a request that the server could not take comes again."""
    await scene.meet()
    scene.need(_ACCEPTS)
    scene.need(_REPORTS)
    await scene.full_report()
    offered = good(scene)
    lost: list[Said] = []

    def refuse(said: Said) -> Refusal | None:
        if lost or said.message.remote_config_status.status not in _ENDED or not _about(said, offered):
            return None
        lost.append(said)
        return Refusal(_SERVER_ERROR, {"Retry-After": str(int(scene.patience.wait))})

    scene.manners.reply = refuse
    await scene.tell(opamp.ServerToAgent(remote_config=offered))
    if not await scene.log.until(lambda: lost, scene.patience.poll):
        scene.skip("C-076", "no status came that could have got lost")
        return
    await scene.expect(
        "C-076",
        lambda each: each.message.remote_config_status.status in _ENDED and _about(each, offered),
        "a status that was lost with its request never came again",
        since=lost[0].index + 1,
        seconds=scene.patience.poll,
    )


async def _taken(scene: Scene) -> opamp.AgentRemoteConfig:
    """Offer a configuration and wait until all is said about it."""
    await scene.meet()
    scene.need(_ACCEPTS)
    scene.need(_REPORTS)
    offered = good(scene)
    mark = await scene.tell(opamp.ServerToAgent(remote_config=offered))
    await _ended(scene, mark, offered)
    await scene.full_report()
    return offered


async def _ended(scene: Scene, mark: int, offered: opamp.AgentRemoteConfig) -> Said | None:
    """Wait for a status that is final; one with another hash counts as well."""
    return await scene.hear(
        lambda each: each.message.remote_config_status.status in _ENDED and (_about(each, offered) or not each.excused),
        mark,
        scene.patience.effect,
    )


def _about(said: Said, offered: opamp.AgentRemoteConfig) -> bool:
    return said.message.remote_config_status.last_remote_config_hash == offered.config_hash


def _from(said: Said, mark: int) -> bool:
    return said.index >= mark


def _name(status: opamp.RemoteConfigStatuses) -> str:
    return str(opamp.RemoteConfigStatuses.Name(status)).removeprefix("RemoteConfigStatuses_")

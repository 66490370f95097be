"""One agent's entry in the registry: its fields, how it is read, how a change of it is packed and written. Pure."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from contracts import registry as names
from opamp_gateway.messages import DIGEST, NOTHING, SLOTS, shared
from opamp_gateway.session import HTTP, Memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opamp_gateway.facts import Speaker

REPORTED = b"reported"
"""Raw hash of the remote config the agent last reported on; written and read by gateways only."""

CUSTOMS = b"customs"
"""Custom capabilities the agent announced, one a line; written and read by gateways only."""

CREDENTIAL = b"credential"
"""Id of what let the agent in; a poll that shows another is a connection of its own."""

SLOT_FIELDS = tuple(f"{names.DIGEST_PREFIX}{name}".encode() for name in SLOTS)
GATEWAY, TRANSPORT = names.GATEWAY.encode(), names.TRANSPORT.encode()
SEQUENCE_NUM, CAPABILITIES = names.SEQUENCE_NUM.encode(), names.CAPABILITIES.encode()
EPOCH, TURN, DESIRED = names.EPOCH.encode(), names.TURN.encode(), names.DESIRED.encode()

_HEAD = struct.Struct(">QIB")
_LENGTH = struct.Struct(">H")

WRITE = """
local ttl = ARGV[1]
local refused, displaced = {}, {}
for i, key in ipairs(KEYS) do
  local blob = ARGV[i + 1]
  local my_epoch, my_turn, release, at = struct.unpack('>I8I4B', blob)
  local known = redis.call('HMGET', key, 'epoch', 'turn', 'gateway', 'transport')
  local epoch, turn = tonumber(known[1] or '0') or 0, tonumber(known[2] or '0') or 0
  if epoch < my_epoch or (epoch == my_epoch and turn <= my_turn) then
    local fields = {'epoch', string.format('%.0f', my_epoch), 'turn', string.format('%.0f', my_turn)}
    while at <= #blob do
      fields[#fields + 1], at = struct.unpack('>I2c0', blob, at)
    end
    for place = 5, #fields, 2 do
      if fields[place] == 'gateway' and known[3] and known[3] ~= fields[place + 1] and known[4] == '1' then
        displaced[#displaced + 1] = {i, known[3], known[1]}
      end
    end
    redis.call('HSET', key, unpack(fields))
    if release == 1 then redis.call('HDEL', key, 'gateway') end
    redis.call('EXPIRE', key, ttl)
  else
    refused[#refused + 1] = i
  end
end
return {refused, displaced}
"""
"""
KEYS: entries. ARGV: time to live, then one packed update for each entry (see Update.pack).

Returns the places, from 1, of those that were refused for a higher (epoch, turn); and place, gateway and epoch of
those that took an agent over from a socket of another gateway.
"""


class Update:
    """What is to be written for one agent; later writes of the same session merge into it."""

    __slots__ = ("epoch", "fields", "release", "tenant_id", "turn", "uid")

    def __init__(self, session: Speaker) -> None:
        self.tenant_id = session.tenant_id
        self.uid = session.uid
        self.epoch = session.epoch
        self.turn = session.turn
        self.fields: dict[bytes, bytes] = {}
        self.release = False

    def pack(self) -> bytes:
        """Write it as one argument of the script: many small arguments cost more than all the rest."""
        parts = [_HEAD.pack(self.epoch, self.turn, self.release)]
        for name, value in self.fields.items():
            parts += (_LENGTH.pack(len(name)), name, _LENGTH.pack(len(value)), value)
        return b"".join(parts)


def newest(entry: Mapping[bytes, bytes], *updates: Update | None) -> Mapping[bytes, bytes]:
    """Add to what Redis knows what is about to be written there, oldest first."""
    for update in updates:
        if update is None or (update.epoch, update.turn) < (number_of(entry.get(EPOCH)), number_of(entry.get(TURN))):
            continue
        entry = {**entry, **update.fields, EPOCH: b"%d" % update.epoch, TURN: b"%d" % update.turn}
        if update.release:
            entry.pop(GATEWAY, None)
    return entry


def memory_of(entry: Mapping[bytes, bytes]) -> Memory:
    """Read an entry as Redis gives it; whatever is missing or unreadable counts as unknown."""
    digests = NOTHING
    known = [entry.get(name, b"") for name in SLOT_FIELDS]
    if any(known):
        digests = b"".join(digest if len(digest) == DIGEST else bytes(DIGEST) for digest in known)
    sequence_num = entry.get(SEQUENCE_NUM)
    return Memory(
        gateway_id=entry.get(GATEWAY, b"").decode(errors="replace"),
        epoch=number_of(entry.get(EPOCH)),
        transport=number_of(entry.get(TRANSPORT)),
        turn=number_of(entry.get(TURN)),
        sequence_num=None if sequence_num is None else number_of(sequence_num),
        capabilities=number_of(entry.get(CAPABILITIES)),
        digests=digests,
        reported_hash=entry.get(REPORTED, b""),
        desired=entry.get(DESIRED, b""),
        credential_id=entry.get(CREDENTIAL, b"").decode(errors="replace"),
        customs=shared(entry.get(CUSTOMS, b"").decode(errors="replace").split("\n")) if entry.get(CUSTOMS) else (),
    )


def may_adopt(memory: Memory, credential_id: str) -> bool:
    """Say whether *memory* tells of a polling session that goes on with the same credential."""
    goes_on = memory.transport == HTTP and bool(memory.gateway_id) and memory.epoch > 0
    return goes_on and memory.credential_id == credential_id


def lines(names: tuple[str, ...]) -> bytes:
    """Write names, one a line."""
    return "\n".join(names).encode()


def number_of(value: bytes | None) -> int:
    """Read a number; what is missing or none counts as 0."""
    return int(value) if value is not None and value.isdigit() else 0

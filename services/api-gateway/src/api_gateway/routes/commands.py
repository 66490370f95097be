"""What one agent is told now: restart, report components, a custom message."""

from __future__ import annotations

from api_gateway.compose.custom_messages import custom_message, reply_view
from api_gateway.compose.identity import told_view
from api_gateway.errors import CapabilityNotPermitted
from api_gateway.models.custom_messages import CustomMessageReply, NewCustomMessage
from api_gateway.models.identity import Told
from api_gateway.models.paging import NoQuery
from api_gateway.permissions import Permission, may_send
from api_gateway.registry import Answer, Call, Registry
from api_gateway.routes.agents import uid_of

routes = Registry()

_TAG = "agent commands"
_AGENT = "/api/v1/agents/{id}"


@routes.route(
    "POST",
    f"{_AGENT}/restart",
    permission=Permission.AGENT_COMMAND,
    tag=_TAG,
    answers={202: Told},
    errors=(404, 409),
)
async def restart_agent(call: Call[NoQuery, None]) -> Answer:
    """Tell an agent to restart; 409 when it is not connected or does not take the command."""
    reply = await call.parts.identity.restart(call.tenant_id, uid_of(call), call.principal.username)
    return Answer(told_view(reply), status=202)


@routes.route(
    "POST",
    f"{_AGENT}/components/refresh",
    permission=Permission.AGENT_COMMAND,
    tag=_TAG,
    answers={202: Told},
    errors=(404, 409),
)
async def refresh_components(call: Call[NoQuery, None]) -> Answer:
    """Ask an agent for the details of its components; they show in the agent once it has answered."""
    reply = await call.parts.identity.refresh_components(call.tenant_id, uid_of(call), call.principal.username)
    return Answer(told_view(reply), status=202)


@routes.route(
    "POST",
    f"{_AGENT}/custom-messages",
    permission=Permission.CUSTOM_MESSAGE_SEND,
    tag=_TAG,
    body=NewCustomMessage,
    answers={202: Told, 200: CustomMessageReply},
    errors=(404, 409, 504),
)
async def send_custom_message(call: Call[NoQuery, NewCustomMessage]) -> Answer:
    """
    Send an agent a custom message, and wait for its answer if asked to.

    Without await_reply the answer is 202. With it, 200 and the agent's next custom message of that capability (and
    of reply_type, if given), whichever gateway holds the agent; 504 when none came in time, though the agent may have
    acted. OpAMP does not say which message an answer belongs to: who needs that puts it into the content.
    """
    uid, document, principal = uid_of(call), call.body, call.principal
    if not may_send(principal, document.capability, call.parts.capability_roles):
        public = f"your role {principal.role.value} may not send messages of the capability {document.capability}"
        raise CapabilityNotPermitted(public)
    message = custom_message(document)
    if not document.await_reply:
        reply = await call.parts.identity.send(call.tenant_id, uid, message, principal.username)
        return Answer(told_view(reply), status=202)
    answer = await call.parts.custom_messages.ask(
        call.tenant_id,
        uid,
        message,
        principal.username,
        reply_type=document.reply_type,
        timeout_seconds=document.timeout_seconds,
    )
    return Answer(reply_view(answer))

"""The API in front of the real services: every answer is what openapi.json says, and nonsense never makes us fail."""

from __future__ import annotations

import functools
import json
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jsonschema
import pytest

if TYPE_CHECKING:
    import httpx

    from world.eventually import Eventually
    from world.platform import Platform

DOCUMENT: Any = json.loads((Path(__file__).parents[2] / "services" / "api-gateway" / "openapi.json").read_text())
ONE_OF_EACH = (
    "receivers: {nop: {}}\nexporters: {nop: {}}\nservice: {pipelines: {logs: {receivers: [nop], exporters: [nop]}}}\n"
)
ROUNDS = 12
KEPT_OUT = {"logout", "change_password", "login", "refresh", "delete_agent", "revoke_agent", "reject_agent"}
"""They would end the session or the agent the test lives on, or spend the failed logins of its address."""
METRICS = {"destination_endpoint": "https://telemetry.example.org/v1/metrics", "headers": {"X-Key": "s3cret"}}
GOOD: dict[str, object] = {"settings": {"own_metrics": METRICS}}
"""Required fields that take more than a text."""

TEXTS = (
    "", " ", "0", "-1", "9" * 40, "1e9", "null", "'; DROP TABLE agent; --", "../../etc/passwd", "%", "%00", "x" * 2000,
    "a\x00b", "\U0010ffff", "{}", "[]", "中文", "\r\nSet-Cookie: a=b", "*", "\\", "YWJj", "eyJhIjoxfQ==", "fleet.>",
)  # fmt: skip
VALUES: tuple[object, ...] = (
    None, True, 0, -1, 2**63, 1.5, "", "x", "x" * 5000, "a: b: c", "{{", "&a [*a]", [], [[]], {}, {"a": {"b": []}},
    [None], ["x"] * 50, {"env": "prod"}, {"": ""}, "yaml", "json",
)  # fmt: skip


def check(answer: httpx.Response, method: str, template: str) -> None:
    """Compare an answer with what the document declares for its status."""
    declared = DOCUMENT["paths"][template][method.lower()]["responses"].get(str(answer.status_code))
    assert declared is not None, f"{method} {template}: {answer.status_code} is not declared: {answer.text}"
    if "$ref" in declared:
        declared = DOCUMENT["components"]["responses"][declared["$ref"].rsplit("/", 1)[1]]
    schema = declared["content"][answer.headers["Content-Type"].split(";")[0]]["schema"]
    jsonschema.Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, format_checker=jsonschema.FormatChecker()
    ).validate(answer.json())


async def test_every_answer_is_what_the_document_says(running: Platform, eventually: Eventually, place: str) -> None:
    """Each operation once, on an agent that runs a configuration."""
    api, name = running.api, f"contract-{place}"
    body = {"name": name, "raw_config": ONE_OF_EACH, "selector": {"place": place}}
    async with running.websocket_agent(labels={"place": place}) as agent:
        await eventually(lambda: api.agent(agent))
        made = await api.ask("POST", "/configurations", json=body)
        check(made, "POST", "/api/v1/configurations")

        async def applied() -> bool:
            found = await api.agent(agent)
            return found is not None and found["config_state"] == "applied"

        await eventually(applied)
        one, config = f"/agents/{agent.id}", f"/configurations/{name}"
        for method, path, sent in (
            ("GET", "/agents?limit=1000&label.place=" + place, None),
            ("GET", "/agents?limit=1&sort=-name&search=a", None),
            ("GET", "/agents/online", None),
            ("GET", "/agents/offline?limit=2", None),
            ("GET", "/agents/status/summary", None),
            ("GET", one, None),
            ("GET", f"{one}/status", None),
            ("GET", f"{one}/connection-history", None),
            ("GET", f"{one}/active-connection", None),
            ("GET", f"{one}/apply-history?status=applied", None),
            ("GET", f"{one}/configuration", None),
            ("PUT", f"{one}/configuration", {"configuration_name": name}),
            ("POST", f"{one}/configuration/retry", None),
            ("DELETE", f"{one}/configuration", None),
            ("GET", "/configurations?body=false&sort=-priority", None),
            ("POST", "/configurations", body),
            ("POST", "/configurations", {"name": f"{name}-broken", "raw_config": "a: b: c"}),
            ("GET", config, None),
            ("PUT", config, {"description": "edited"}),
            ("PATCH", config, {"comment": "nothing new"}),
            ("GET", f"{config}/history", None),
            ("GET", f"{config}/history/1", None),
            ("GET", f"{config}/history/99", None),
            ("POST", f"{config}/rollback/1", None),
            ("POST", f"{config}/push", None),
            ("GET", f"{config}/apply-history", None),
            ("GET", f"{config}/status", None),
            ("GET", "/agents?approval=approved,pending", None),
            ("GET", f"{one}/credentials", None),
            ("POST", f"{one}/credentials/rotate", None),
            ("DELETE", f"{one}/credentials/none", None),
            ("POST", f"{one}/approve", {"comment": "already"}),
            ("POST", f"{one}/restart", None),
            ("POST", f"{one}/components/refresh", None),
            ("POST", f"{one}/custom-messages", {"capability": "com.example.echo", "await_reply": True}),
            (
                "PUT",
                f"/connection-settings/{name}",
                {"selector": {"place": place}, "settings": {"own_metrics": METRICS}},
            ),
            ("PUT", f"/connection-settings/{name}", {"settings": {"own_metrics": {}}}),
            ("GET", f"/connection-settings/{name}", None),
            ("GET", "/connection-settings?limit=1", None),
            ("GET", f"{one}/connection-settings", None),
            ("POST", f"{one}/connection-settings/retry", None),
            ("DELETE", f"/connection-settings/{name}", None),
            ("DELETE", f"/connection-settings/{name}", None),
            ("GET", "/certificate-authority", None),
            ("POST", "/enrolment-tokens", {"name": name, "issues": "bearer", "cidrs": ["10.0.0.0/8"], "max_uses": 2}),
            ("POST", "/enrolment-tokens", {"name": name, "ephemeral_seconds": 1}),
            ("GET", "/enrolment-tokens", None),
            ("GET", "/packages?sort=-size&active=true", None),
            ("GET", "/packages?platform=beos", None),
            ("GET", "/packages/statistics", None),
            ("POST", "/packages/uploads", {"name": "c", "version": "1", "platform": "linux", "arch": "any", "size": 1}),
            ("GET", "/users", None),
            ("GET", "/me", None),
            ("DELETE", config, None),
            ("GET", config, None),
            ("DELETE", one, None),
        ):
            answer = await api.ask(method, path, json=sent)
            template = "/api/v1" + path.split("?")[0].replace(agent.id, "{id}").replace(f"/{name}", "/{name}")
            template = template.replace("/credentials/none", "/credentials/{credential_id}")
            template = re.sub(r"/(history|rollback)/\d+", r"/\1/{version}", template)
            check(answer, method, template)
            assert answer.status_code < 500, f"{method} {path}: {answer.text}"


async def test_following_the_cursor_shows_each_agent_once(
    running: Platform, eventually: Eventually, place: str
) -> None:
    """Whatever the order; Link and next_cursor say the same."""
    api = running.api
    agents = [running.http_agent(labels={"place": place}) for _ in range(5)]
    async with agents[0], agents[1], agents[2], agents[3], agents[4]:

        async def standing() -> dict[str, Any]:
            found = (await api.get("/agents", **{"label.place": place}))["agents"]
            keys = ("created_at", "name", "last_seen_at", "status")
            return {agent["id"]: [agent[key] for key in keys] for agent in found}

        async def all_known() -> bool:
            return len(await standing()) == len(agents)

        async def walked(sort: str) -> list[str]:
            seen: list[str] = []
            path = f"/agents?limit=2&label.place={place}&sort={sort}"
            while path:
                answer = await api.ask("GET", path)
                seen += [agent["id"] for agent in answer.json()["agents"]]
                link = answer.headers.get("Link", "")
                assert ('rel="next"' in link) == bool(answer.json()["next_cursor"])
                path = link.split(">")[0].lstrip("<").removeprefix("/api/v1") if link else ""
            return seen

        async def walked_unmoved(sort: str) -> list[str] | None:
            """Who is heard from moves to the front meanwhile, and may be passed over: then nothing is said."""
            before, seen = await standing(), await walked(sort)
            return seen if await standing() == before else None

        await eventually(all_known)
        for sort in ("-created_at", "name", "-last_seen_at", "status"):
            seen = await eventually(functools.partial(walked_unmoved, sort))
            assert sorted(seen) == sorted(agent.id for agent in agents), sort


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_nonsense_makes_any_service_fail(running: Platform, eventually: Eventually, seed: int) -> None:
    """Good requests with something wrong in path, query or body: 2xx, 3xx or 4xx, from every service."""
    chance = random.Random(seed)  # noqa: S311 - reproducible on purpose
    api, failures, reached = running.api, [], set()
    async with running.websocket_agent() as agent:
        await eventually(lambda: api.agent(agent))
        offer = {"name": f"nonsense-{seed}", "version": "1.0.0", "platform": "linux", "arch": "any", "size": 9}
        upload = (await api.post("/packages/uploads", offer))["upload"]["id"]
        for number in range(ROUNDS):
            name = f"nonsense-{seed}-{number}"
            made = await api.ask("POST", "/configurations", json={"name": name, "raw_config": ONE_OF_EACH})
            assert made.status_code == 201, made.text
            real = {"name": name, "version": "1", "id": agent.id, "file": "index.css", "credential_id": "none"}
            real |= {"upload_id": upload, "signature_id": agent.id, "key_id": "none", "channel": "stable"}
            for template, item in DOCUMENT["paths"].items():
                for method, operation in item.items():
                    if operation["operationId"] in KEPT_OUT:
                        continue
                    path, body = _request(chance, template, operation, real)
                    url = running.run_json["api_url"] + path
                    answer = await api.ask(method.upper(), url, json=body)
                    if answer.is_success:
                        reached.add(operation["operationId"])
                    if answer.is_server_error:
                        failures.append(f"{method} {path[:200]} {body}: {answer.text}"[:800])

    assert failures == []
    assert len(reached) > 30, "nonsense should be mixed with sense, or it stops at the door"


def _request(
    chance: random.Random, template: str, operation: Any, real: dict[str, str]
) -> tuple[str, dict[str, object] | None]:
    """Make a request that is mostly right."""

    def part(match: re.Match[str]) -> str:
        return real[match[1]] if chance.random() < 0.8 else quote(chance.choice(TEXTS) or "x", safe="")

    path = re.sub(r"\{(\w+)\}", part, template)
    declared = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
    if declared and chance.random() < 0.6:
        path += f"?{quote(chance.choice(declared))}={quote(chance.choice(TEXTS))}"
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return path, None
    model = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    fields = list(model.get("properties", {}))
    body: dict[str, object] = {
        field: GOOD.get(field, f"{field}-{chance.random()}") for field in model.get("required", ())
    }
    for field in chance.sample(fields, min(len(fields), chance.randint(0, 2))):
        body[field] = chance.choice(VALUES)
    return path, body

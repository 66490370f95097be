"""The suite over a server that does everything right, and over none at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformancelab.authority import Authority
from conformancelab.judging import examine, failed_rows
from conformancelab.server import TOKEN, running

from opampctl.conformance import Options, Suite, Target, Unreachable, Verdict, server_rows

NEVER_JUDGED = {"S-003", "S-004", "S-032", "S-054", "S-055", "S-090", "S-092", "S-096", "S-111", "S-131", "S-201"}
"""Permissions the server does not use, and settings it was not started with."""


async def test_honest_server_fails_nothing() -> None:
    """No row fails; every row with a check is judged, but for permissions the server does not use."""
    results = await examine()

    assert {each.row.id: each.said for each in results if each.verdict is Verdict.FAIL} == {}
    assert {each.row.id for each in results if each.verdict is Verdict.NOT_APPLICABLE} == NEVER_JUDGED
    assert [each.row.id for each in results] == list(server_rows())


async def test_sins_add_up() -> None:
    """Two sins fail the rows of both."""
    assert await failed_rows("version 4 uids", "wordless errors") == {"S-050", "S-205"}


async def test_without_stimulus_rows_are_not_applicable() -> None:
    """A server nobody can move fails nothing, and the rows that need it say so."""
    async with running() as server:
        target = Target.parse(f"http://127.0.0.1:{server.port}/v1/opamp", token=TOKEN)
        results = await Suite(Options(target, frozenset({"S-001", "S-019", "S-178"}))).run()

    assert [each.verdict for each in results] == [Verdict.PASS, Verdict.NOT_APPLICABLE, Verdict.NOT_APPLICABLE]
    assert "--stimulus-command" in results[1].said


async def test_nobody_there_is_no_verdict() -> None:
    """Where nobody listens nothing is judged."""
    async with running() as server:
        port = server.port

    with pytest.raises(Unreachable):
        await Suite(Options(Target.parse(f"ws://127.0.0.1:{port}"))).run()


async def test_evidence_shows_no_credential() -> None:
    """Neither the token nor a credential learnt on the way is in the evidence."""
    results = await examine(only=frozenset({"S-127", "S-128", "S-132", "S-214"}))

    shown = "".join(line for each in results for line in each.evidence)
    assert shown
    assert TOKEN.encode().hex() not in shown
    assert b"own-".hex() not in shown


async def test_secure_endpoint_is_examined(tmp_path: Path) -> None:
    """Wss and https: with the CA that signed the server, or without verifying; otherwise there is no verdict."""
    rows = frozenset({"S-001", "S-007"})
    async with running(tls=Authority().serve(tmp_path)) as server:
        url = f"wss://127.0.0.1:{server.port}/v1/opamp"
        for trust in ({"ca_file": str(tmp_path / "ca.pem")}, {"verify_tls": False}):
            results = await Suite(Options(Target.parse(url, token=TOKEN, **trust), rows)).run()
            assert [each.verdict for each in results] == [Verdict.PASS, Verdict.PASS]

        with pytest.raises(Unreachable):
            await Suite(Options(Target.parse(url, token=TOKEN), rows)).run()

"""The Dockerfiles: one pattern, non-root, nothing in the last stage but what runs."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch

import pytest
from deployment.rooms import ROOT, SERVICES, is_setting, package_of

Instruction = tuple[str, str]
SHARED = ("libs/contracts", "libs/servicekit")


def instructions(service: str) -> list[Instruction]:
    """Read a Dockerfile as (keyword, rest), continuation lines joined, comments dropped."""
    text = (ROOT / "services" / service / "Dockerfile").read_text()
    lines = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [
        (keyword, re.sub(r"\s+", " ", rest).strip())
        for line in lines.splitlines()
        if line.strip()
        for keyword, _, rest in [line.partition(" ")]
    ]


def stages(service: str) -> list[list[Instruction]]:
    """Cut the instructions into stages; what stands before the first FROM is stage 0."""
    result: list[list[Instruction]] = [[]]
    for instruction in instructions(service):
        if instruction[0] == "FROM":
            result.append([])
        result[-1].append(instruction)
    return result


def last(service: str, keyword: str) -> str:
    """Find the one instruction of the last stage with this keyword."""
    found = [rest for name, rest in stages(service)[-1] if name == keyword]
    assert len(found) == 1, f"{service}: {keyword} stands {len(found)} times"
    return found[0]


def libraries(service: str) -> list[str]:
    """List the libraries of the house a service is made of, the shared ones first, as its pyproject.toml says."""
    project = tomllib.loads((ROOT / "services" / service / "pyproject.toml").read_text())["project"]
    named = [f"libs/{name.removeprefix('fleet-')}" for name in project["dependencies"] if name.startswith("fleet-")]
    assert set(SHARED) <= set(named), service
    return [*SHARED, *(name for name in named if name not in SHARED)]


@pytest.mark.parametrize("service", SERVICES)
def test_base_image_is_pinned(service: str) -> None:
    """One base for both stages, with an exact version; a digest can be given at build time."""
    head, *rest = stages(service)

    assert len(rest) == 2
    assert len(head) == 1
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.11\.\d+-slim-\w+", head[0][1])
    assert [stage[0][1] for stage in rest] == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE} AS final"]


@pytest.mark.parametrize("service", SERVICES)
def test_runs_as_nobody_in_particular(service: str) -> None:
    """The process has a numeric id other than 0, so Kubernetes can check it."""
    uid, _, gid = last(service, "USER").partition(":")

    assert int(uid) > 0
    assert int(gid) > 0


@pytest.mark.parametrize("service", SERVICES)
def test_last_stage_builds_nothing(service: str) -> None:
    """Only the finished environment is copied; no installer and no compiler runs there."""
    stage = stages(service)[-1]

    assert [rest for name, rest in stage if name == "COPY"] == ["--from=build /opt/venv /opt/venv"]
    assert not any(re.search(r"\b(pip|apt-get|gcc|curl|wget)\b", rest) for name, rest in stage if name == "RUN")
    assert "ADD" not in {name for name, _ in stage}


@pytest.mark.parametrize("service", SERVICES)
def test_copied_paths_exist_and_reach_the_builder(service: str) -> None:
    """What is copied is in the tree and not kept out by .dockerignore."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [rest.split()[0] for name, rest in stages(service)[1] if name == "COPY"]

    assert sources == ["constraints.txt", *libraries(service), f"services/{service}"]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(source == path or fnmatch(source, f"{path}/*") for path in allowed), source


@pytest.mark.parametrize("service", SERVICES)
def test_installs_by_path_and_lock(service: str) -> None:
    """Our own names are never looked up on an index, and versions come from the one lock."""
    stage = " ".join(rest for _, rest in stages(service)[1])

    paths = " ".join(f"./{path}" for path in [*libraries(service), f"services/{service}"])
    assert f"pip install {paths} " in stage
    assert "PIP_CONSTRAINT=/src/constraints.txt" in stage


@pytest.mark.parametrize("service", SERVICES)
def test_starts_stops_and_tells_its_health(service: str) -> None:
    """Process 1 is the service itself, is told to stop by SIGTERM and is asked for its liveness."""
    package = package_of(service)

    assert last(service, "ENTRYPOINT") == f'["python", "-m", "{package}"]'
    assert last(service, "CMD") == '["serve"]'
    assert last(service, "STOPSIGNAL") == "SIGTERM"
    assert "http://127.0.0.1:9090/health/live" in last(service, "HEALTHCHECK")
    assert "9090" in last(service, "EXPOSE").split()


@pytest.mark.parametrize("service", SERVICES)
def test_environment_holds_settings_and_no_secrets(service: str) -> None:
    """Variables baked into the image are settings the service has, and none of them is a secret."""
    prefix = f"{package_of(service).upper()}_"
    pairs = dict(pair.split("=", 1) for name, rest in stages(service)[-1] if name == "ENV" for pair in rest.split())
    ours = {name for name in pairs if name.startswith(prefix)}

    assert all(is_setting(service, name) for name in ours)
    assert set(pairs) - ours == {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    assert not any(re.search(r"PASSWORD|SECRET|TOKEN|KEY|URL", name) for name in pairs)
    assert pairs[f"{prefix}OPS_PORT"] == "9090"


def test_there_is_one_pattern() -> None:
    """Every Dockerfile is the same text once name, ports and libraries are taken out, and the gateway's compilation."""

    def pattern(service: str) -> str:
        text = (ROOT / "services" / service / "Dockerfile").read_text()
        for name in (service, package_of(service), package_of(service).upper()):
            text = text.replace(name, "SERVICE")
        for library in libraries(service)[len(SHARED) :]:
            text = text.replace(f"COPY {library} {library}\n", "").replace(f" ./{library}", "")
        text = text.replace("ports, and that this one compiles (", "ports (")
        text = re.sub(
            r"^    && (apt-get .*|.* /opt/compile .*|PYTHONPATH=/opt/compile .*) \\\n", "", text, flags=re.MULTILINE
        )
        text = re.sub(r"^ENV SERVICE_COMPILED=required\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"^ENV SERVICE_HOST=0\.0\.0\.0 SERVICE_PORT=\d+\n", "", text, flags=re.MULTILINE)
        return re.sub(r"^EXPOSE .*$", "EXPOSE", text, flags=re.MULTILINE)

    assert len({pattern(service) for service in SERVICES}) == 1

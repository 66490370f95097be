# The front door. `make` alone prints the map.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
PIP_LOG := $(VENV)/pip.log
ROOMS := libs/contracts libs/servicekit libs/rollout libs/devstack services/opamp-gateway services/agent-state services/config-service services/package-service services/api-gateway cli
EDITABLE := $(foreach room,$(ROOMS),-e ./$(room))
CODE := libs services cli tools tests benchmarks
T ?=
PYTEST := $(PY) -m pytest

# Each failure at the door is one line that says what to do.
define need_python
@command -v $(firstword $(PYTHON)) >/dev/null || { echo "There is no $(firstword $(PYTHON)): install Python 3.11 or newer, or set PYTHON=/path/to/python3.11" >&2; exit 1; }
endef
define need_new_python
$(need_python)
@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "OpAMP Platform needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11")'
endef
NO_PACKAGES = { echo "Could not install packages: is a package index reachable? What pip said is in $(PIP_LOG)" >&2; exit 1; }

.PHONY: help setup lock proto proto-check fmt lint types imports docs docs-check openapi run demo test test-unit \
	test-integration test-flow test-fault test-fuzz interop bench soak k8s-check check clean compile clean-compiled test-compiled up down images

help:  ## Print this map
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} /^[a-zA-Z0-9_-]+:.*##/ {printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Use it
demo: $(VENV)/.installed  ## Bring up the whole platform with a simulated fleet of 25 agents (Ctrl-C ends it)
	@$(PY) -m devstack demo

run: $(VENV)/.installed  ## Bring up the whole platform without agents (PORT_BASE=9000 moves every port)
	@$(PY) -m devstack run

##@ With Docker
up:  ## Build the images and start everything with docker compose
	$(need_python)
	@$(PYTHON) tools/make_secrets.py
	docker compose up --build --detach --wait

down:  ## Stop it; the volumes stay
	docker compose down

images:  ## Build one image per service
	docker compose build

##@ Set up
setup: $(VENV)/.ready  ## Make the virtual environment with everything in it

# What running needs; tools for developers come on top of it.
$(VENV)/.installed: constraints.txt $(foreach room,$(ROOMS),$(room)/pyproject.toml)
	$(need_new_python)
	@echo "Setting up $(VENV) (a minute or two the first time) ..."
	@test ! -e $(VENV) || $(PY) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "$(VENV) is not usable, making it afresh"; rm -rf $(VENV); }
	@test -x $(PY) || said=$$($(PYTHON) -m venv $(VENV) 2>&1) || { rm -rf $(VENV); echo "Could not make $(VENV): install python3-venv (Debian, Ubuntu: apt install python3-venv). Python said: $$(tail -n 1 <<<"$$said")" >&2; exit 1; }
	@$(PIP) install -c constraints.txt $(EDITABLE) >$(PIP_LOG) 2>&1 || $(NO_PACKAGES)
	@touch $@

$(VENV)/.ready: $(VENV)/.installed requirements-dev.txt
	@echo "Adding the tools for developers ..."
	@$(PIP) install -c constraints.txt -r requirements-dev.txt >$(PIP_LOG) 2>&1 || $(NO_PACKAGES)
	@touch $@

lock:  ## Resolve every dependency afresh into constraints.txt
	$(need_new_python)
	@rm -rf .state/lock && $(PYTHON) -m venv .state/lock
	@.state/lock/bin/pip --disable-pip-version-check -q install $(EDITABLE) -r requirements-dev.txt
	@{ echo "# The one lock: made by 'make lock', never edited."; .state/lock/bin/pip --disable-pip-version-check freeze --exclude-editable; } > constraints.txt
	@rm -rf .state/lock

##@ Write code
proto: $(VENV)/.ready  ## Regenerate the protobuf code
	@$(PY) tools/gen_proto.py

docs: $(VENV)/.ready  ## Regenerate docs/bus.md, docs/settings.md, docs/metrics.md, docs/errors.md, docs/conformance.md and openapi.json
	@$(PY) tools/gen_docs.py
	@$(PY) tools/gen_conformance.py

fmt: $(VENV)/.ready  ## Format the code
	@$(BIN)/ruff format -q $(CODE) && $(BIN)/ruff check -q --fix-only $(CODE)

##@ Check it
lint: $(VENV)/.ready  ## Style, types, import rules
	@$(BIN)/ruff format --check -q $(CODE)
	@$(BIN)/ruff check -q $(CODE)
	@$(BIN)/lint-imports --no-cache >/tmp/.imports.$$$$ || { cat /tmp/.imports.$$$$; exit 1; }; rm -f /tmp/.imports.$$$$
	@$(BIN)/mypy --no-error-summary $(CODE)

proto-check: $(VENV)/.ready  ## Fail when the protobuf code is not current
	@$(PY) tools/gen_proto.py --check

docs-check: $(VENV)/.ready  ## Fail when generated documents are not current
	@$(PY) tools/gen_docs.py --check
	@$(PY) tools/gen_conformance.py --check

k8s-check: $(VENV)/.ready  ## Validate the Kubernetes manifests and the compose file offline
	@$(PYTEST) tests/deploy -q $(T)

test: $(VENV)/.ready  ## Every test but the long ones: unit to flow, on real servers
	@$(BIN)/coverage erase
	@FAULT_AGENTS=$(or $(AGENTS),60) $(PYTEST) -n 2 --dist loadfile --cov --cov-report= tests/unit tests/property tests/contract tests/architecture tests/deploy tests/integration tests/flow tests/fault $(T)
	@$(BIN)/coverage report --fail-under=85

test-unit: $(VENV)/.ready  ## Only what needs no server (T=path narrows)
	@$(PYTEST) -n 2 $(if $(T),$(T),tests/unit tests/property tests/contract tests/architecture)

test-integration: $(VENV)/.ready  ## One service and real servers
	@$(PYTEST) $(if $(T),$(T),tests/integration)

test-flow: $(VENV)/.ready  ## Agent speaks, API shows: all services and real servers
	@$(PYTEST) $(if $(T),$(T),tests/flow)

test-fault: $(VENV)/.ready  ## Kill every part under 2,000 agents (AGENTS=200 for a small run)
	@FAULT_AGENTS=$(or $(AGENTS),2000) $(PYTEST) -x tests/fault $(T)

test-fuzz: $(VENV)/.ready  ## A million inputs to the session machine, 300,000 frames and requests to the doors (INPUTS=n FRAMES=n)
	@FUZZ_INPUTS=$(or $(INPUTS),1000000) FUZZ_FRAMES=$(or $(FRAMES),100000) $(PYTEST) -x tests/fuzz $(T)

interop: $(VENV)/.ready  ## Clients nobody here wrote, from their registries
	@$(PY) tests/fixtures/goprograms.py
	@$(PYTEST) -x tests/interop $(T)

compile: $(VENV)/.ready  ## Compile the gateway's busiest modules (needs a C compiler); it then runs them wherever they fit its sources
	@$(PY) services/opamp-gateway/compile.py

clean-compiled:  ## Remove the compiled gateway; Python source runs again
	@rm -rf services/opamp-gateway/src/opamp_gateway/_compiled services/opamp-gateway/src/opamp_gateway/_compiled.new

test-compiled: compile  ## The gateway's own tests against its compiled form
	@OPAMP_GATEWAY_COMPILED=required PYTHONPATH=tests/fixtures $(PYTEST) -p compiledform tests/unit/opamp_gateway tests/property/opamp_gateway tests/integration/opamp_gateway $(T)

bench: $(VENV)/.ready  ## Ratios against a bare floor, and against a peer's binary (PEER=path)
	@$(PY) -m benchmarks $(if $(PEER),--peer $(PEER)) $(BENCH)

soak: $(VENV)/.ready  ## 20,000 agents for ten minutes; writes docs/benchmarks.md (AGENTS=n MINUTES=n)
	@$(PY) -m benchmarks.soak --agents $(or $(AGENTS),20000) --minutes $(or $(MINUTES),10) --write

check: lint proto-check docs-check test  ## All that CI runs, but for the long tests

clean: clean-compiled  ## Forget the virtual environment and caches; keeps .data
	@rm -rf $(VENV) .state .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

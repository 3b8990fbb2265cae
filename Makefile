# The project's commands. `make` lists them.
#
# Every target sets up what it needs first: a virtual environment with the locked packages, and the code that
# is derived from protos/. That happens once; nothing here needs the network afterwards.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The first Python on PATH that is new enough.
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$each" && break; done)
BIN := .venv/bin
STATE_DIR ?= .local
export STATE_DIR

# What to check; folders that don't exist yet don't count.
CODE := $(wildcard benchmarks deploy gateway services tests tools)
# What to test: `make test TESTS=tests/local` runs a part, without the demand for coverage and by one worker unless
# it says otherwise: `TESTS="--workers 3 tests/local"`.
TESTS ?=
# The lines of services/ and gateway/ that the tests must run, in percent.
COVERAGE := 90

# For `make fuzz`: requests an operation, for each kind of data.
EXAMPLES ?= 50

.PHONY: help setup run token test lint console protos fuzz bench screenshots format lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Set up the virtual environment and the generated code (the others do it, too)
	@if [ -z "$(PYTHON)" ]; then echo "error: Python 3.11 or later is needed, and not on PATH" >&2; exit 1; fi
	@$(PYTHON) deploy/local/bootstrap.py $(WITH)

# What starts the engines needs what runs on Node.js as well.
run test fuzz bench screenshots: WITH := --node --console
lint console: WITH := --console

run: setup ## Run the whole system with embedded engines (STATE_DIR, GATEWAY_PORT, DATABASE_URL, REDIS_URL, MONGODB_URL)
	@$(BIN)/python -m deploy.local --with-parent

token: setup ## Print a bearer token for the system in STATE_DIR: make -s token ROLE=owner
	@$(BIN)/python -m deploy.local.tokens "$(ROLE)"

test: setup ## Run all tests against real engines, or those in TESTS (folders, files, options of pytest)
	@$(BIN)/python -m deploy.local.run_tests --fail-under $(COVERAGE) $(TESTS)

lint: setup ## Check style and types
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/mypy $(CODE)
	@$(BIN)/node node_modules/@biomejs/biome/bin/biome ci --error-on-warnings
	@$(BIN)/node node_modules/typescript/bin/tsc -p console/tsconfig.json
	@$(BIN)/node node_modules/typescript/bin/tsc -p .railway/tsconfig.json

console: setup ## Build the web pages into console/dist

# `setup` has derived the code where the contract changed: replacing it needlessly would pull it away under a
# system that is just starting.
protos: setup ## Derive the code from the contract, and check the contract
	@$(BIN)/python tools/protos.py check

fuzz: setup ## Send generated requests to every route: make fuzz EXAMPLES=100 SEED=1
	@seed="$${SEED:-$$$$}"; echo "SEED=$$seed"; \
	FUZZ_EXAMPLES="$(EXAMPLES)" FUZZ_SEED="$$seed" $(BIN)/python -m pytest tests/openapi/test_operations.py -q

bench: setup ## Measure the system on this machine
	@$(BIN)/python -m benchmarks

screenshots: setup ## Take the pictures of the pages anew: docs/images
	@$(BIN)/python -m tools.screenshots

format: setup ## Rewrite the code and the contract in their format
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/python tools/protos.py format
	@$(BIN)/node node_modules/@biomejs/biome/bin/biome check --write

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --quiet
IMAGES := registry redis_svc mongo_svc bun_proxy gateway

# The images take the versions of requirements.lock, each those that it needs.
lock: setup ## Resolve the packages of pyproject.toml anew into requirements.lock, and for each image
	@$(BIN)/$(LOCK) --all-extras --output-file requirements.lock
	@for each in $(IMAGES); do \
		$(BIN)/$(LOCK) --extra "$$each" --constraints requirements.lock \
			--output-file "deploy/docker/requirements/$$each.txt" || exit 1; \
	done
	@$(BIN)/$(LOCK) --extra build --extra registry --constraints requirements.lock \
		--output-file deploy/docker/requirements/build.txt

clean: ## Delete generated code, caches, and the data in STATE_DIR
	@$(PYTHON) -m deploy.local.clean

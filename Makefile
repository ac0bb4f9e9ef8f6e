# Every task of the project, the same for people and for CI. `make` lists them.

PYTHON ?= python3
WORKERS ?= 3
PYTEST_ARGS ?=
DAY ?= 2028-02-29 12:00

BIN := .venv/bin
INSTALLED := .venv/.installed
LOCK := requirements/dev.txt
CLIENTS := tests/conformance/requirements

# Tests start hundreds of processes, each of which would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test test-on test-needs lint format sync-face lock

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv with everything that the other tasks and daily use need

$(INSTALLED): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Entrepot needs Python 3.11 or newer; say which: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { echo "on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/pip install -qq --require-hashes -r $(LOCK)
	$(BIN)/pip install -qq --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## Run Entrepot with two months of a wind farm in it, until Ctrl-C (DEMO_EXIT=1 ends it)
	$(BIN)/entrepot demo

test: install test-needs ## Install what the tests need and run them all
	$(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS)

test-on: install test-needs ## Run the tests with the clock on another day: make test-on DAY="2036-10-26 00:30" (in UTC)
	$(BIN)/python -m tests.support.another_day "$(DAY)" $(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS)

test-needs: install
	@requirements/debian.sh
	@$(BIN)/python -m tests.conformance.environments

lint: install ## Check style, types and the directions of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## Repair what style can be repaired by machine
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

sync-face: install ## Write the SDK's sync face out of its async one
	$(BIN)/python -m tools.sync_face

lock: install ## Renew the pinned versions of all dependencies and of the published clients
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header pyproject.toml --extra server --group dev --output-file $(LOCK)
	for client in $(CLIENTS)/*.in; do \
		$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-annotate --no-header $$client --output-file $${client%.in}.txt || exit; \
	done

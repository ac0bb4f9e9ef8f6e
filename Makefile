# Every task of the project, the same for people and for CI. `make` lists them.

PYTHON ?= python3
WORKERS ?= 3
PYTEST_ARGS ?=
DAY ?= 2028-02-29 12:00

BIN := .venv/bin
INSTALLED := .venv/.installed
LOCK := requirements/dev.txt
NPM := $(BIN)/python -m tools.frontend
MODULES := frontend/node_modules/.package-lock.json
BUNDLE := src/entrepot/server/console/static/manifest.json
FRONTEND := $(shell find frontend/src frontend/styles -type f) frontend/build.mjs
CLIENTS := tests/conformance/requirements

# Tests start hundreds of processes, each of which would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test test-on test-needs coverage lint format changes pictures types sync-face lock

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) $(BUNDLE) ## Make .venv with everything that the other tasks and daily use need

$(INSTALLED): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Entrepot needs Python 3.11 or newer; say which: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { echo "on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/pip install -qq --require-hashes -r $(LOCK)
	$(BIN)/pip install -qq --no-deps --no-build-isolation -e .
	@touch $@

$(MODULES): $(INSTALLED) frontend/package-lock.json frontend/.npmrc
	$(NPM) ci
	@touch $@

$(BUNDLE): $(MODULES) $(FRONTEND)
	$(NPM) run build

demo: install ## Run Entrepot with two months of a wind farm in it, until Ctrl-C (DEMO_EXIT=1 ends it)
	$(BIN)/entrepot demo

test: install test-needs ## Install what the tests need and run them all
	$(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS)

test-on: install test-needs ## Run the tests with the clock on another day: make test-on DAY="2036-10-26 00:30" (in UTC)
	$(BIN)/python -m tests.support.another_day "$(DAY)" $(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS)

test-needs: install
	@requirements/debian.sh
	@$(BIN)/python -m tests.conformance.environments

coverage: install test-needs ## Run the tests and print what they leave out, the least covered modules first; a part: PYTEST_ARGS=tests/unit
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS); ended=$$?; \
		$(BIN)/coverage combine --quiet && $(BIN)/coverage report --sort=cover --skip-covered | sed -n 1,40p; \
		printf 'covered in all: '; $(BIN)/coverage report --format=total | sed 's/$$/ %/'; exit $$ended

lint: install ## Check style, types and the directions of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.interface_types --check
	$(NPM) run check

format: install ## Repair what style can be repaired by machine
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

changes: install ## Print what the next version will be said to bring
	@$(BIN)/towncrier build --draft

pictures: install test-needs ## Take the pictures of the console's pages in docs/ anew
	@rm -rf build/pictures && mkdir -p build/pictures
	ENTREPOT_PICTURES=$(CURDIR)/build/pictures $(BIN)/pytest -q tests/browser -m pictures
	$(BIN)/python -m tools.pictures build/pictures

types: install ## Write the types of the console's scripts out of the interface
	$(BIN)/python -m tools.interface_types

sync-face: install ## Write the SDK's sync face out of its async one
	$(BIN)/python -m tools.sync_face

lock: install ## Renew the pinned versions of all dependencies and of the published clients
	$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header pyproject.toml --extra server --group dev --output-file $(LOCK)
	for client in $(CLIENTS)/*.in; do \
		$(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-annotate --no-header $$client --output-file $${client%.in}.txt || exit; \
	done

# make demo   the whole response on a synthetic leak, from a fresh machine; then the console stays up
# make test   everything that is checked, from a fresh machine
# make help   the rest

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.9

.PHONY: help setup compiled demo test check bench plugin format screenshots clean

help: ## what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: .venv/.ready ## the environment alone: .venv with .venv/bin/checkvalve

.venv/.ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Checkvalve needs Python 3.11 or newer; found $$($(PYTHON) --version). Set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
	  || { echo "Could not make .venv. On Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@$(BIN)/uv sync --quiet --frozen --inexact --compile-bytecode --group demo
	@touch $@

compiled: setup ## what reads text compiled, for busy gateways (needs gcc); the next `make setup` takes it back
	@rm -rf build/compiled && mkdir -p build/compiled
	@cp -r src pyproject.toml README.md LICENSE build/compiled/ && find build/compiled -name '*.so' -delete
	@cd build/compiled && HATCH_BUILD_HOOK_ENABLE_MYPYC=1 ../../$(BIN)/uv build --quiet --wheel --out-dir . \
	  || { echo "Not compiled; everything works as before. On Debian: apt-get install gcc python3-dev" >&2; exit 2; }
	@$(BIN)/uv pip install --quiet --no-deps --target build/compiled/installed build/compiled/*.whl
	@cd build/compiled/installed && ls checkvalve/detection/scanner.*.so >/dev/null
	$(BIN)/pytest -q -o pythonpath="build/compiled/installed ." tests/unit/detection tests/unit/gateway tests/content/test_detectors.py
	@$(BIN)/uv pip install --quiet --reinstall --no-deps build/compiled/*.whl && rm -f .venv/.ready

demo: setup ## the first response, end to end (DEMO_EXIT=1: stop after the summary)
	@$(BIN)/python -m demo

test: setup ## install what the tests need, run every test
	@$(BIN)/python -m tests.simulators.prepare php npm chromium poppler java openssl postgres restic webservers
	@$(BIN)/uv sync --quiet --frozen --inexact --group demo --group engines --group stores
	@$(MAKE) --no-print-directory check
	$(BIN)/pytest

check: setup ## format, lint, types, import contracts, PHP lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@find wordpress tests/simulators -name '*.php' -print0 | xargs -0 -n1 -P2 php -l | { ! grep -v '^No syntax errors'; }

bench: setup ## every figure of the README, peers measured in the same run
	@$(BIN)/python -m benchmarks

plugin: setup ## dist/checkvalve.zip, the file a shop owner uploads
	@$(BIN)/python wordpress/build.py

format: setup ## let ruff write the format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

screenshots: setup ## docs/images, made by the running product
	@$(BIN)/python -m demo.screenshots

clean: ## remove what was built; the download cache stays
	rm -rf .venv .demo dist build

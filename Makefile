# Every command of the project. `make demo` and `make test` set up all they need by themselves:
# CPython >= 3.11 with venv, a Rust toolchain and a C linker are what the machine has to have.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
ARGS ?=
MINUTES ?= 6
QUICK ?=

# An activated environment, of this or another project, has no say here.
unexport CONDA_PREFIX PYTHONPATH PYTHONHOME
export VIRTUAL_ENV := $(CURDIR)/.venv
BIN := .venv/bin
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export COVERAGE_FILE ?= $(CURDIR)/.coverage

# Stamps live inside .venv, so that removing it removes what is known about it.
STAMPS := .venv/stamps
NATIVE_SOURCES := Cargo.toml Cargo.lock $(shell find crates/native crates/ampcodec crates/telnetcodec \
	crates/wscodec crates/markup \( -name '*.rs' -o -name Cargo.toml \) -not -path '*/tests/*' -not -path '*/benches/*')
WEB := python/portal/web tests/web eslint.config.js
# What has to be covered better than the rest: the path of a player's line.
COVERED := wire/* amp/* hub/* session.py sessionhandler.py holding.py

# The set-up runs under a lock: two commands that start at once share one environment.
LOCKED = flock --close Makefile $(MAKE) --no-print-directory --silent

.PHONY: help setup demo test evennia check lint types layers rust web bench wheel fuzz clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup:  ## build .venv with the compiled module and the development tools
	@$(LOCKED) $(STAMPS)/development

demo:  ## run the Portal with its demo game; ARGS='--telnet-port 0' are passed on
	@$(LOCKED) $(STAMPS)/native
	@exec $(BIN)/portal demo $(ARGS)

test: setup  ## run all tests with branch coverage (>= 90 % over all, >= 95 % on a line's path)
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90
	@for part in $(foreach part,$(COVERED),'$(part)'); do \
		$(BIN)/coverage report --include="python/portal/$$part" --fail-under=95 --format=total >/dev/null \
			|| { echo "error: branch coverage of $$part is under 95 %" >&2; exit 1; }; \
	done

evennia: setup  ## install what tests/interop/evennia runs against: both releases of Evennia, in .evennia
	@$(BIN)/python tests/interop/evennia/install.py

check: lint types layers rust web  ## everything that can be known without running the program

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup
	$(BIN)/mypy
	$(BIN)/stubtest portal._native

layers: setup
	$(BIN)/lint-imports

rust: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo test --workspace --quiet

web:
	@$(LOCKED) node_modules/.stamp
	node_modules/.bin/tsc
	node_modules/.bin/eslint $(WEB)
	@echo 'node --test tests/web'; out=$$(node --test --test-reporter=tap tests/web/*.test.js 2>&1) \
		|| { echo "$$out"; exit 1; }; grep -E '^# (pass|fail) ' <<<"$$out"

bench: setup  ## measure, and write benches/results; QUICK=1 takes five minutes instead of twenty
	@$(LOCKED) $(STAMPS)/bench
	@$(BIN)/python tests/interop/evennia/install.py 5.0.1
	cargo build --release --quiet -p load
	$(BIN)/python benches/run.py $(if $(QUICK),--quick)

wheel: setup  ## build the abi3 wheel and the source distribution into dist/
	$(BIN)/maturin sdist --out dist
	$(BIN)/maturin build --release --out dist

fuzz:  ## fuzz the decoders for MINUTES=6 in all
	fuzz/run $(MINUTES)

clean:  ## remove everything that the other commands made
	rm -rf .venv .evennia node_modules target fuzz/target dist .coverage .coverage.* \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find python tests benches examples -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f python/portal/_native*.so

define REQUIRE
fail() { echo "error: $$1" >&2; exit 1; }; \
command -v $(PYTHON) >/dev/null || fail "no $(PYTHON): install CPython 3.11 or newer"; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| fail "$$($(PYTHON) --version) is too old: 3.11 or newer is needed (make PYTHON=python3.12 ... names another)"; \
$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	|| fail "$(PYTHON) has no venv module (Debian: apt-get install python3-venv)"; \
command -v cargo >/dev/null || fail "no cargo: install a Rust toolchain"; \
command -v cc >/dev/null || fail "no cc: Rust needs a C linker (Debian: apt-get install gcc libc6-dev)"
endef

$(STAMPS)/environment:
	@$(REQUIRE)
	@echo "== set-up: an environment in .venv" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade pip 'maturin>=1.10,<2'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/native: $(STAMPS)/environment pyproject.toml $(NATIVE_SOURCES)
	@echo "== set-up: the compiled module and what running needs (the first time, a minute or so)" >&2
	@PIP_QUIET=1 $(BIN)/maturin develop --release --quiet >&2
	@touch $@

$(STAMPS)/development: $(STAMPS)/environment pyproject.toml | $(STAMPS)/native
	@echo "== set-up: the development tools" >&2
	@PIP_QUIET=1 $(BIN)/maturin develop --release --quiet --extras dev >&2
	@touch $@

$(STAMPS)/bench: $(STAMPS)/environment pyproject.toml | $(STAMPS)/development
	@echo "== set-up: what the benches measure beside Portal" >&2
	@PIP_QUIET=1 $(BIN)/maturin develop --release --quiet --extras dev,bench >&2
	@touch $@

define REQUIRE_NODE
fail() { echo "error: $$1" >&2; exit 1; }; \
command -v node >/dev/null \
	|| fail "no node: checking the web client needs Node.js 18.18 or newer (Debian: apt-get install nodejs npm)"; \
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a * 100 + +b < 1818 ? 1 : 0)' \
	|| fail "Node.js $$(node --version) is too old: checking the web client needs 18.18 or newer"; \
command -v npm >/dev/null || fail "no npm: it brings the tools for the web client (Debian: apt-get install npm)"
endef

# The stamp is removed with what it speaks of, like those in .venv.
node_modules/.stamp: package.json .npmrc
	@$(REQUIRE_NODE)
	@echo "== set-up: what checks the web client" >&2
	@npm install --silent --no-progress >&2
	@touch $@

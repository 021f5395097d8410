# The commands of this project. Every one of them first sees to it that what it needs is there.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup servers demo check test sim format lint types imports contracts

BIN := .venv/bin
# One BLAS thread: the tests claim bitwise equality, and two cores are shared by many processes.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

help: ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | while IFS='|' read -r name what; \
	  do printf '  make %-8s %s\n' "$$name" "$$what"; done

setup: ## make .venv and .cache: Python, locked dependencies, the apse command, broker jars
	@bash deploy/setup/setup.sh >&2

servers: setup
	@bash deploy/setup/servers.sh

demo: setup ## broker, engine and paper executor on real prices (ARGS='--bars 500 --exit --json')
	@$(BIN)/apse demo $(ARGS)

check: servers lint types imports contracts ## the quick loop: all gates, and the tests that take moments
	@$(BIN)/python -m pytest -q -x -n auto --dist loadfile -m 'not slow and not kafka and not soak'

# Quick tests and slow ones on both cores, then those that need the broker to themselves.
test: servers lint types imports contracts ## everything but soak: all gates, all tests, with branch coverage
	@mkdir -p .cache/coverage
	@APSE_TEST_PROFILE=ci $(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'not slow and not kafka and not soak' --cov --cov-report= --cov-fail-under=0
	@APSE_TEST_PROFILE=ci $(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'slow and not kafka and not soak'
	@APSE_TEST_PROFILE=ci $(BIN)/python -m pytest -m 'kafka and not soak' --cov --cov-append --cov-report=term --durations=15

sim: setup ## the whole topology under seeded faults, 10 000 seeds (ARGS='--seed N' for one again)
	@$(BIN)/python -m streams.simulation $(ARGS)

bench: setup ## the benchmarks with their peers, into benchmarks/ (ARGS=--quick within five minutes)
	@bash benchmarks/peers.sh
	@$(BIN)/python -m benchmarks.run $(ARGS)

format: setup ## rewrite the sources as the formatter wants them
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

imports: setup
	@$(BIN)/lint-imports

contracts: setup
	@$(BIN)/python -m streams.contracts --check
	@$(BIN)/python -m streams.api.document --check

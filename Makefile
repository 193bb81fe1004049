# Two commands carry the project: `make demo` shows it working, `make test` proves it.
# Both build .venv on first use; stamps inside it make the second run start at once.
# PYTHON chooses the interpreter for .venv (after `make clean`): make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
WORKERS ?= 2

# Test workers share the cores: one thread each, and the oracle (real Keras) on torch.
TEST_ENV := KERAS_BACKEND=torch MPLBACKEND=Agg OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: demo test bench lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(BIN)/python -m torchkeras examples/digits.py

test: lint
	$(TEST_ENV) $(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

# Bytecode first, as an installed package has it: the import is measured too.
bench: $(VENV)/.test
	$(BIN)/python -m compileall -q torchkeras
	KERAS_BACKEND=torch $(BIN)/python -m benchmarks $(BENCH_ARGS)

lint: $(VENV)/.test
	$(BIN)/python -m ruff check .
	$(BIN)/python tests/test_import_direction.py

clean:
	rm -rf $(VENV) build dist torchkeras_shim.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch comes first, alone and exact, so that no later requirement brings in another build (gigabytes of CUDA libraries).
$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt torch==2.13.0
	touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e '.[demo]'
	$(BIN)/python -m compileall -q torchkeras
	touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e '.[test]'
	$(BIN)/python -m compileall -q torchkeras
	touch $@

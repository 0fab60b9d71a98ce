# Two commands do all on a fresh machine with Python 3.11+ and make:
#   make train    set up, train a Neural Turing Machine on copy, evaluate it, draw its figures
#   make test     set up, run all tests
#   make docs     set up, build the site into docs/_build

VENV := .venv
BIN := $(VENV)/bin
# Written last, so a set-up that was cut off is done again and one that is complete costs nothing.
READY := $(VENV)/.ready

# The first Python of at least 3.11; `make PYTHON=... train` chooses another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup train test check docs record-equations rerun-results clean

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "tapehead needs Python 3.11 or newer; none was found" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing tapehead and its pinned parts into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

# Run again, it goes on where it was stopped; a finished run is only evaluated and drawn again.
train: $(READY)
	$(BIN)/tapehead train copy --out runs/copy --resume $(ARGS)

# One thread for each worker: the tests are many small operations. They start many processes, which
# would translate all of our code anew where bytecode is not to be kept. A file stays in one worker,
# so that what its tests share is made once. Those with the most tests first would leave files of a
# few long tests for the end.
test: $(READY)
	env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n logical --maxprocesses 8 \
		--dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyrefly check

# Runs the examples, and reads and writes nothing but files.
docs: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet \
		$(ARGS) docs docs/_build/html
	@echo "open docs/_build/html/index.html"

# Once a kernel follows a changed equation again and `make test` shows it: see docs/architecture.md.
record-equations: $(READY)
	$(BIN)/python -m tapehead.ops.verified \
		tapehead.ops.ntm tapehead.ops.ntm.choosing tapehead.ops.dnc tapehead.ops.rmsprop \
		tapehead.ops.entities tapehead.ops.gru tapehead.ops.sparse_ntm tapehead.ops.dynamic_ntm

# A random sample of results/, run again and compared; `make rerun-results ARGS="--budget 3600 --seed 1"`.
rerun-results: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m tapehead.recipes.verification $(ARGS)

clean:
	rm -rf $(VENV)

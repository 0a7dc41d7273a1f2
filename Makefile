# Everything here sets itself up: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
NAMES  := $(notdir $(patsubst %/,%,$(wildcard assignments/*/)))

.PHONY: demo test redteam fuzz killtest lint release verify notebooks bench clean help

help:            ## show this list
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */	/'

demo: $(READY)   ## release every assignment, grade a small class of each, print its table (no data set needed)
	@sh examples/demo.sh $(BIN)

test: $(READY)   ## run the test suite
	$(BIN)/python -m pytest -n auto --dist loadgroup

redteam: $(READY) ## hand in hostile submissions; print which were stopped, and by which layers
	REDTEAM=whole $(BIN)/python -m pytest tests/redteam -n auto --dist loadgroup -q

fuzz: $(READY)   ## try the properties of tests/fuzz on thousands of examples each (minutes)
	FUZZ=long $(BIN)/python -m pytest tests/fuzz --hypothesis-show-statistics

killtest: $(READY) ## grade 100 submissions while the grader's processes are killed at random (Linux)
	$(BIN)/python -m benchmarks.kills

lint: $(READY)   ## check style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

release: $(READY) ## build release/ anew from assignments/ and source/
	@for name in $(NAMES); do $(BIN)/autograder release $$name || exit 1; done

verify: $(READY) ## hold every assignment against its author's gate
	@for name in $(NAMES); do $(BIN)/autograder verify $$name || exit 1; done

notebooks: $(READY) ## run every source notebook top to bottom with the solutions (needs CIFAR-10)
	$(BIN)/python -m benchmarks.notebooks $(NAMES)

bench: $(READY)  ## measure what grading one submission costs (needs CIFAR-10)
	@for name in $(NAMES); do $(BIN)/python -m benchmarks.grading_cost $$name || exit 1; done

clean:           ## remove the environment and everything that was built
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with PYTHON=…")'
	@echo "Setting up $(VENV) (once; this downloads PyTorch and Jupyter)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

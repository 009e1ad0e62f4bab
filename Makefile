# The VAE tutorial. `make help` lists what there is; `make lab` is where to start.

# A Python of version 3.10 or newer, used only to create $(VENV).
PYTHON ?= python3
# The folder everything is installed into; deleting it is safe.
VENV = .venv
# Passed on to the command behind the target: make lab ARGS=--no-browser
ARGS ?=
# Address of a package index with a smaller, CPU-only torch; used when torch is installed for the first time.
TORCH_INDEX ?=

RUN = $(VENV)/bin/python
# In a container everybody is root, and Jupyter wants to hear that this is meant.
AS_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)
# Python reads and writes UTF-8 whatever the language settings of the shell; pip does not advertise itself.
export PYTHONUTF8 = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Python keeps what it has compiled, even where the shell forbids it: otherwise every start compiles torch again.
export PYTHONDONTWRITEBYTECODE =

# The environment of `make test-oldest`, and the notebooks that run there.
OLDEST = .venv-oldest
OLDEST_NOTEBOOKS = $(wildcard notebooks/00_*.ipynb notebooks/05_*.ipynb)

.PHONY: help lab test test-oldest notebooks try models bench pretrained figures clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

lab: $(VENV)/.installed  ## install if needed, then open JupyterLab on notebook 00 (ARGS=--no-browser on a server)
	$(RUN) -m jupyterlab \
	    --ServerApp.root_dir=. \
	    --LabApp.app_settings_dir=jupyter \
	    --LabApp.workspaces_dir=$(VENV)/share/jupyter/lab/workspaces \
	    --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
	    $(AS_ROOT) $(ARGS)

test: $(VENV)/.installed-test  ## check the code, then the built notebooks, then run every test in three processes (in one: ARGS="-k cache")
	$(RUN) -m ruff check tutorial_utils tests notebooks/src conftest.py
	$(RUN) -m ruff format --check --quiet tutorial_utils tests notebooks/src conftest.py
	$(RUN) notebooks/src/build.py --check
	$(RUN) -m pytest $(or $(ARGS),-n 3)

test-oldest: $(OLDEST)/.installed  ## the tests and notebooks 00 and 05 with the oldest versions that pyproject.toml allows
	$(OLDEST)/bin/python -m pytest tests $(OLDEST_NOTEBOOKS) $(or $(ARGS),-n 3)

notebooks: $(VENV)/.installed-test  ## build and execute the notebooks whose source has changed (ARGS=--all for every one)
	$(RUN) notebooks/src/build.py $(ARGS)

try: $(VENV)/.installed-test  ## run a notebook with other settings, and name what fails (ARGS="05 seeds=[20,21] epochs=2")
	$(RUN) notebooks/src/try_notebook.py $(ARGS)

models: $(VENV)/.installed  ## train what is missing or stale in notebooks/trained, hours (ARGS=--check: three again)
	$(RUN) notebooks/src/models.py $(ARGS)

bench: $(VENV)/.installed  ## measure speed: one table of ratios, 2 to 12 minutes (ARGS=--full for three seeds)
	$(RUN) tests/bench.py $(ARGS)

pretrained: $(VENV)/.installed  ## copy the two shipped models from the shelf again, after make models
	$(RUN) -m tutorial_utils.store.pretrained

figures: $(VENV)/.installed-test  ## make the README's pictures, GIF and playground again
	$(RUN) notebooks/src/figures.py

clean:  ## delete the cache of trained models; notebooks then train theirs again
	@if [ -x $(RUN) ]; then $(RUN) -m tutorial_utils.store.files --clear; else echo "Nothing is installed yet: make lab"; fi

# The files below are stamps: each is written last, so an interrupted installation is done again.

$(VENV)/.installed: $(RUN) pyproject.toml
	$(call install,-e .)
	@touch $@

$(VENV)/.installed-test: $(RUN) pyproject.toml
	$(call install,-e ".[test]")
	@touch $(VENV)/.installed $@

# uv, because pip cannot choose the oldest versions.
$(OLDEST)/.installed: $(RUN) pyproject.toml
	"$(PYTHON)" -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet uv
	$(OLDEST)/bin/python -m uv pip install --python $(OLDEST)/bin/python --resolution lowest-direct -e ".[test]"
	@touch $@

$(RUN):
	@command -v "$(PYTHON)" > /dev/null || { \
	    echo "There is no $(PYTHON) here. Install Python 3.10 or newer, or name yours: make lab PYTHON=python3.12"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "Python 3.10 or newer is needed, and $(PYTHON) is older. Name another: make lab PYTHON=python3.12"; exit 1; }
	@test -n "$(TORCH_INDEX)" || "$(PYTHON)" -c '$(HAS_WHEELS)' || { \
	    echo "pip finds no torch for this machine (Intel Mac, or Windows on Arm): see \"Which way on which machine\" in README.md"; \
	    exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2> /dev/null || { \
	    echo "$(PYTHON) cannot create environments. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Creating $(VENV). Installing takes a few minutes, the first time only."
	"$(PYTHON)" -m venv --clear $(VENV)

# Fails on the two kinds of machines for which PyPI has no torch of the version that is needed.
HAS_WHEELS = import platform, sys; \
    sys.exit((platform.system(), platform.machine()) in [("Darwin", "x86_64"), ("Windows", "ARM64")])

# $(call install,WHAT): pip first where it is missing or too old, then torch from TORCH_INDEX if that is set, then WHAT.
# --no-compile: Python compiles what it uses, when it first does, and most of it never.
define install
	@$(RUN) -m pip --version > /dev/null 2>&1 || $(RUN) -m ensurepip --upgrade
	@$(RUN) -m pip install --quiet 'pip>=22'
	$(if $(TORCH_INDEX),$(RUN) -m pip install --no-compile --index-url '$(TORCH_INDEX)' torch torchvision)
	$(RUN) -m pip install --no-compile $(1)
endef

# make setup        what the services need, without torch: 0.4 GB
# make setup-full   everything: GPUs, FunASR's own engine, second pass and punctuation
# make demo | test | test-full | test-runtime | mutants | clean
#
# Another Python:     make setup PYTHON=python3.12
# The CPU build of torch (small; for machines without an NVIDIA GPU), with uv:
#     make setup-full PIP_INSTALL="uv pip install --python .venv/bin/python --torch-backend cpu"
#
# Without make: the first lines of requirements-runtime.txt.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP_INSTALL ?= $(RUN) -m pip install --quiet --disable-pip-version-check
# A file's tests stay together: they share what took long to make.
PYTEST := $(RUN) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile
# stdout is the services': everything that is said here goes to stderr.
SAY := @echo >&2 "make:"

.PHONY: setup setup-full demo test test-full test-runtime mutants clean
.DELETE_ON_ERROR:

setup: $(VENV)/.installed
	$(SAY) "ready: $(RUN) asr_service_streaming.py --help"

setup-full: $(VENV)/.installed-full
	$(SAY) "ready: $(RUN) asr_service_streaming.py --help"

# On a terminal with a view for people (a Python 3.8 has none), else the plain service.
demo: $(VENV)/.installed $(VENV)/.installed-view
	@if [ -t 1 ] && $(RUN) -c "import wcwidth" 2>/dev/null; then set -- clients/view.py; else set --; fi; \
		$(RUN) "$$@" asr_service_streaming.py --demo
	$(SAY) "it works; the demo model knows synthetic voices and its own sentences alone"
	$(SAY) "next, with your own voice (downloads the real model, 880 MB): $(RUN) clients/view.py asr_service_streaming.py"

test: $(VENV)/.installed-dev
	$(SAY) "ruff, mypy, pytest"
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m ruff format --check --quiet .
	@$(RUN) -m mypy
	@$(PYTEST) -m "not full"

test-full: $(VENV)/.installed-dev
	$(SAY) "pytest, what takes long"
	@$(PYTEST) -m full

# The services in an environment of their own, which has no torch; the tests run in the other one.
test-runtime: $(VENV)/.installed-dev
	@$(MAKE) --no-print-directory VENV=$(VENV)-runtime setup
	$(SAY) "pytest, services without torch"
	@SERVICE_PYTHON=$(CURDIR)/$(VENV)-runtime/bin/python $(PYTEST) tests/process/test_runtime.py \
		tests/process/test_speech.py tests/process/test_commands.py tests/process/test_microphone.py

# Goes on where it was interrupted; MUTANTS="--again" tries the survivors once more.
mutants: $(VENV)/.installed-mutants
	$(SAY) "mutants of the code, and which of them the fast tests do not notice"
	@$(RUN) tools/mutants/run.py $(MUTANTS)

clean:
	@rm -rf $(VENV) $(VENV)-runtime mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is as old as the last installation: changed requirements are newer and install again.
$(VENV)/.installed: requirements-runtime.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 8) and "make: Python 3.8 or newer is needed: make PYTHON=python3.x")'
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) >&2 || \
		{ echo >&2 "make: no virtual environment; on Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	$(SAY) "installing requirements-runtime.txt into $(VENV)"
	@$(PIP_INSTALL) -r requirements-runtime.txt >&2
	@$(PIP_INSTALL) --no-deps silero-vad==6.2.3 >&2
	@touch $@

$(VENV)/.installed-full: requirements.txt $(VENV)/.installed
	$(SAY) "installing requirements.txt into $(VENV): minutes the first time, as torch is large"
	@$(PIP_INSTALL) -r requirements.txt >&2
	@touch $@

# The group of one program: from its name to the next blank line.
$(VENV)/.installed-view: requirements-clients.txt $(VENV)/.installed
	@sed -n '/^# view.py$$/,/^$$/p' requirements-clients.txt > $(VENV)/view.txt
	@$(PIP_INSTALL) -r $(VENV)/view.txt >&2
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed-full $(VENV)/.installed-view
	$(SAY) "installing requirements-dev.txt"
	@$(PIP_INSTALL) -r requirements-dev.txt >&2
	@touch $@

$(VENV)/.installed-mutants: tools/mutants/requirements.txt $(VENV)/.installed-dev
	@$(PIP_INSTALL) -r tools/mutants/requirements.txt >&2
	@touch $@

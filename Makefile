# Each target sets up .venv by itself; all it takes is make and Python >= 3.11.
# Another interpreter: make test PYTHON=python3.13

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CODE := $(wildcard exporter tests bench prometheus deploy/compose/demo deploy/image deploy/source docs/examples docs/source \
	grafana/source .ci/release_notes.py)
SHELL_SCRIPTS := $(wildcard .ci/run .ci/image .ci/smoke-image .ci/compose-flows docs/examples/*.sh)

.PHONY: demo test check rules docs dashboards manifests bench lock clean

demo: $(VENV)/.run-ready
	@$(BIN)/smsbat-exporter demo

test: $(VENV)/.dev-ready
	@$(BIN)/python -m pytest

check: $(VENV)/.dev-ready
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/interrogate exporter grafana prometheus deploy docs
	$(BIN)/python -m prometheus.source --check
	$(BIN)/python -m docs.source --check
	$(BIN)/python -m deploy.source --check
	$(BIN)/codespell
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive exporter
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck $(SHELL_SCRIPTS)
	$(BIN)/zizmor --offline --quiet --persona=auditor .github
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(wildcard .github/workflows/*.yml)
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml

dashboards: $(VENV)/.dev-ready
	@$(BIN)/python -m grafana.source

bench: $(VENV)/.dev-ready
	@$(BIN)/python -m bench

# Rules, alerts, their tests and Grafana's provisioning, from prometheus/source.
rules: $(VENV)/.dev-ready
	@$(BIN)/python -m prometheus.source

# The table of settings in docs/configuration.md, from the model and the comments of config.example.yaml.
docs: $(VENV)/.dev-ready
	@$(BIN)/python -m docs.source

# The rules and dashboards in the chart, and the plain manifests from it.
manifests: $(VENV)/.dev-ready
	@$(BIN)/python -m deploy.source

# Each lock is a constraint of the next, so that one environment can hold all three.
COMPILE := $(BIN)/python -m piptools compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras \
	--no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

lock: $(VENV)/.dev-ready
	$(COMPILE) -o requirements/run.txt pyproject.toml
	$(COMPILE) -o requirements/dev.txt --extra dev -c requirements/run.txt pyproject.toml
	$(COMPILE) -o requirements/build.txt --build-deps-for editable --only-build-deps \
		-c requirements/dev.txt pyproject.toml

clean:
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find exporter tests bench docs grafana prometheus -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# --- the environment ---

INSTALL := $(PIP) install --quiet
INSTALL_PROJECT := $(INSTALL) --no-deps --no-build-isolation --editable .

$(VENV)/.run-ready: pyproject.toml requirements/run.txt requirements/build.txt | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements/build.txt -r requirements/run.txt
	$(INSTALL_PROJECT)
	@touch $@

$(VENV)/.dev-ready: pyproject.toml requirements/dev.txt requirements/build.txt | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements/build.txt -r requirements/dev.txt
	$(INSTALL_PROJECT)
	@touch $@ $(VENV)/.run-ready

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "make: there is no $(PYTHON); install Python 3.11 or newer (Debian: apt install python3" \
			"python3-venv; macOS: brew install python) or name one: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1), and this needs Python 3.11 or newer;" \
			"name another one: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: $(PYTHON) cannot make virtual environments; install its venv module" \
			"(Debian: apt install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

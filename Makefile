# Everything a developer or an operator types. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUGSINK := .venv-bugsink
HOME_ASSISTANT := .venv-homeassistant
GENERATORS := .venv-generators
CLUSTER := .venv-cluster
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Use

.PHONY: help
help: ## List these targets.
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/.run ## Start the service on http://127.0.0.1:8000 with an embedded PostgreSQL.
	$(BIN)/gunicorn wsgi:app

.PHONY: migrate
migrate: $(VENV)/.run ## Bring the database to this version's schema.
	$(BIN)/openwatt migrate

##@ Containers

# docker or podman, whichever answers; ENGINE=docker, podman or native chooses.
ENGINE ?=

.PHONY: up
up: ## Start the service in containers, with PostgreSQL, Valkey, ingestion and metrics; wait until it is ready.
	@ENGINE=$(ENGINE) ops/stack up service

.PHONY: down
down: ## Stop them; their data is kept.
	@ENGINE=$(ENGINE) ops/stack down service

.PHONY: monitoring-up
monitoring-up: ## Start Prometheus, Alertmanager and Grafana; ENGINE=native: the system's own, without Grafana.
	@ENGINE=$(ENGINE) ops/stack up monitoring

.PHONY: monitoring-down
monitoring-down: ## Stop them; their data is kept.
	@ENGINE=$(ENGINE) ops/stack down monitoring

.PHONY: elk-up
elk-up: ## Start Elasticsearch, Logstash and Kibana, and let the service ship its log there.
	@ENGINE=$(ENGINE) ops/stack up elk

.PHONY: elk-down
elk-down: ## Stop them; their data is kept.
	@ENGINE=$(ENGINE) ops/stack down elk

##@ Check

# Home Assistant, the generators of clients and Spark are installed where their tests are run: with all tests, or
# with T=tests/integrations, T=tests/generators and T=tests/cluster.
TEST_ENVIRONMENTS = $(VENV)/.dev $(BUGSINK)/.done $(if $(filter-out tests/cluster%,$(T)),,$(CLUSTER)/.done) $(if $(filter-out tests/generators%,$(T)),,$(GENERATORS)/.done) $(if $(filter-out tests/integrations%,$(T)),,$(HOME_ASSISTANT)/.done)

.PHONY: test-environments
test-environments: $(TEST_ENVIRONMENTS)

.PHONY: test
test: $(TEST_ENVIRONMENTS) ## Run every test; T=tests/web runs a part.
	$(BIN)/python -m pytest --numprocesses=$(or $(JOBS),auto) --dist=worksteal $(PYTEST_ARGS) $(T)

.PHONY: test-fresh
test-fresh: ## Run the tests that ask the most of a system in a minimal Debian made on the spot; T= and FRESH="--suite bookworm".
	JOBS=$(JOBS) PYTEST_ARGS="$(PYTEST_ARGS)" tests/fresh/run $(FRESH) $(T)

.PHONY: prove
prove: $(VENV)/.dev ## Build, start and break the containers on a real engine; IMAGES=real pulls the makers' images.
	$(BIN)/python -m tests.containers.prove --images=$(or $(IMAGES),debian) $(PROVE)

.PHONY: prove-versions
prove-versions: $(VENV)/.dev ## Run the tests of monitoring and store with the programs of newer Debian suites.
	JOBS=$(JOBS) tests/containers/prove-versions

.PHONY: prove-systemd
prove-systemd: $(VENV)/.dev ## Follow the guide for one small machine under a real systemd; SYSTEMD="--suite trixie".
	tests/systemd/run $(SYSTEMD)

.PHONY: lint
lint: $(VENV)/.dev ## Look for faults of style and form.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.dev ## Check the types.
	$(BIN)/mypy

.PHONY: check
check: lint types test ## Everything that must be clean before a change is handed in.

.PHONY: release-check
release-check: $(VENV)/.dev ## Build sdist and wheel into dist/, install the wheel in an empty environment and use it there.
	$(BIN)/python -m tests.release.check

.PHONY: chaos
chaos: $(VENV)/.dev $(BUGSINK)/.done ## Run the long forms of the chaos tests, which `test` runs in short.
	$(BIN)/python -m pytest -m "slow" --timeout=900 $(PYTEST_ARGS)

.PHONY: contract
contract: ## Lint the contract of a running service and call it from TypeScript; ADDRESS=http://… (needs Node.js).
	tests/generators/by_hand $(or $(ADDRESS),http://127.0.0.1:8000)

.PHONY: bench
bench: $(VENV)/.dev ## Measure, and print ratios; what each script asks is in bench/README.md.
	$(BIN)/python bench/requests.py
	$(BIN)/python bench/ladder.py
	$(BIN)/python bench/history.py
	$(BIN)/python bench/start.py
	$(BIN)/python bench/limiter.py
	$(BIN)/python bench/prices.py
	$(BIN)/python bench/explanations.py
	$(BIN)/python bench/scrape.py
	$(BIN)/python bench/shipping.py
	$(BIN)/python -m bench.bills
	$(BIN)/python -m bench.sheets
	$(BIN)/python -m bench.backup

##@ Change

.PHONY: format
format: $(VENV)/.dev ## Bring the code into form.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: dashboards
dashboards: $(VENV)/.dev ## Write Grafana's dashboards from ops/grafana/source.
	$(BIN)/python -m ops.grafana.source.build

.PHONY: picture
picture: $(VENV)/.dev ## Write the picture of the page that README shows, in Debian's chromium.
	BROWSER_PICTURES=var/browser $(BIN)/python -m pytest -q tests/browser/test_pages_in_browser.py -k picture_of_readme
	$(BIN)/python -m tests.browser.picture var/browser/readme.png

.PHONY: set-version
set-version: ## Write another version wherever it must stand: V=0.2.0.
	@echo "$(V)" | grep -Eqx '[0-9]+\.[0-9]+\.[0-9]+' || { echo "name it as in: make set-version V=0.2.0" >&2; exit 2; }
	sed -i 's/^__version__ = .*/__version__ = "$(V)"/' openwatt/__init__.py
	sed -i 's/\(openwatt:\)[0-9][0-9.]*[0-9]/\1$(V)/' ops/docker-compose.yaml ops/stack
	sed -i 's/^\( *newTag: \).*/\1$(V)/' ops/kubernetes/kustomization.yaml

.PHONY: lock
lock: $(VENV)/.dev ## Compile requirements*.txt from pyproject.toml, with hashes; UPGRADE=1 takes newer versions.
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 $(if $(UPGRADE),--upgrade) \
	  --quiet pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 $(if $(UPGRADE),--upgrade) \
	  --quiet pyproject.toml --group dev \
	  --constraints requirements.txt --output-file requirements-dev.txt
	(echo "# What builds the package when an image is made; \`make lock\` writes it."; echo "setuptools>=80" | \
	  $(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 --quiet --no-header --no-annotate -) \
	  > ops/build-requirements.txt
	echo "bugsink==2.6.1" | $(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 \
	  --quiet - --output-file tests/bugsink-requirements.txt
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 $(if $(UPGRADE),--upgrade) \
	  --quiet tests/generators/requirements.in --output-file tests/generators/requirements.txt
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 $(if $(UPGRADE),--upgrade) \
	  --quiet pyproject.toml --extra cluster tests/cluster/requirements.in --output-file tests/cluster/requirements.txt
	$(BIN)/python -m tests.integrations.home_assistant_lock

.PHONY: clean
clean: ## Remove what these targets made, except the data in var/.
	rm -rf $(VENV) $(BUGSINK) $(HOME_ASSISTANT) $(GENERATORS) $(CLUSTER) .node-generators *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The virtual environment, made again whenever what it is made from has changed.

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "OpenWatt needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "This Python cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# The Sentry-compatible server that tests report to; its pins are not ours, so it lives apart.
$(BUGSINK)/.done: tests/bugsink-requirements.txt | $(VENV)/bin/python
	$(PYTHON) -m venv $(BUGSINK)
	$(BUGSINK)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Generators of clients, whose pins are not ours either.
$(GENERATORS)/.done: tests/generators/requirements.txt | $(VENV)/bin/python
	$(PYTHON) -m venv $(GENERATORS)
	$(GENERATORS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Spark and a server of S3's protocol, with OpenWatt itself: 1.1 GB, half of it Spark, which PyPI has as sources only.
$(CLUSTER)/.done: tests/cluster/requirements.txt | $(VENV)/.dev
	$(PYTHON) -m venv $(CLUSTER)
	$(BIN)/uv pip sync --quiet --require-hashes --python $(CLUSTER)/bin/python $<
	$(BIN)/uv pip install --quiet --no-deps --python $(CLUSTER)/bin/python --editable .
	@touch $@

# A Home Assistant for its package's tests, the newest that a Python of this machine runs; 0.5 GB.
$(HOME_ASSISTANT)/.done: $(wildcard tests/integrations/home-assistant-python*.txt) | $(VENV)/.dev
	$(BIN)/python -m tests.integrations.home_assistant_venv
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

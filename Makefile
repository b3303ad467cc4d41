# Every target sets up what it needs. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Debian keeps venv in a package of its own.
INSTALL_VENV = if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv; \
	else echo "make: $(PYTHON) has no venv; on Debian: apt-get install python3-venv" >&2; exit 1; fi

.DEFAULT_GOAL := help
.PHONY: help venv packages image-parts node-bundle node-image webhook-image images compiled-wheel test-compiled chart kubectl-plugin demo test agreement conformance cover check bench fuzz image-requirements docs format golden clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

$(STAMP): pyproject.toml requirements/constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"make: $(PYTHON) is Python {v[0]}.{v[1]}; nadmit needs 3.11 or later: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV) || { $(INSTALL_VENV); $(PYTHON) -m venv --clear $(VENV); }
	PIP_CONSTRAINT=requirements/constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

venv: $(STAMP) ## make .venv with the project and its development tools

demo: $(STAMP) ## answer recorded reviews with a real HTTPS server, no cluster needed
	@$(BIN)/python examples/demo.py

# The parts of the frozen form of the node bundle. dpkg-dev unpacks the sources that pythonsource.py fetches.
FROZEN_PACKAGES := python3 libpython3-dev libssl-dev zlib1g-dev dpkg-dev

CROSS_PACKAGES_x86_64 := gcc-aarch64-linux-gnu libc6-dev-arm64-cross
CROSS_PACKAGES_aarch64 := gcc-x86-64-linux-gnu libc6-dev-amd64-cross
HERE := $(shell uname -m)

# Real CNI plugins and iptables, for the tests of the node, and compilers for the bundles. Installing them needs root.
NODE_PACKAGES := containerd containernetworking-plugins iptables iproute2 gcc libc6-dev binutils $(FROZEN_PACKAGES) $(CROSS_PACKAGES_$(HERE))

packages: ## install the Debian packages for the tests of the node (as root), and fetch sources for its bundle
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "make: not root on Debian: tests of the node that need $(NODE_PACKAGES) may be skipped"; \
	elif ! dpkg-query -W $(NODE_PACKAGES) >/dev/null 2>&1; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $(NODE_PACKAGES); fi
	@! command -v apt-get >/dev/null || $(PYTHON) manifests/node/pythonsource.py || \
		echo "make: the frozen form of the node bundle is neither built nor tested" >&2

# One worker a core. `worksteal` gives each a run of neighbours, which share the servers of their module. With a real API
# server there is one process: the tests share that server, and each module cleans up what it installed.
REAL_API := $(KUBEBUILDER_ASSETS)$(wildcard /usr/local/kubebuilder/bin/kube-apiserver)
WORKERS ?= $(if $(REAL_API),0,auto)
# pytest keeps the rewritten tests, so that the next run collects them in a third of the time.
test cover agreement: export PYTHONDONTWRITEBYTECODE :=

# Fetched once; remove the file, or run `make image-parts`, for newer packages.
PARTS := build/parts/.fetched

test: $(STAMP) packages | $(PARTS) ## run every test, one worker a core; PYTEST_ARGS="-k annotation" for some, WORKERS=0 for one process
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

# What runs in the compiled modules, and what shows that no request stops them. The tree is a copy: the sources stay plain.
COMPILED_TESTS ?= tests/cniplugin/netspec tests/cniplugin/access tests/webhook/admission tests/webhook/review

test-compiled: $(STAMP) ## run the tests of the compiled modules on the compiled form, in build/compiled; COMPILED_TESTS="tests/webhook" for others
	$(BIN)/python -m images.compiled.tree build/compiled
	cd build/compiled && $(abspath $(BIN)/python) -m pytest -n $(WORKERS) --dist worksteal -m 'not plain' $(COMPILED_TESTS) $(PYTEST_ARGS)

agreement: $(STAMP) packages ## compare the webhook's verdicts with what nodes do, as root; MULTUS=path tries Multus too, ONLY="pods/" some cases
	$(BIN)/python -m tests.agreement $(if $(MULTUS),--multus $(MULTUS)) $(if $(ONLY),--only '$(ONLY)')

conformance: $(STAMP) packages ## test a plugin or a webhook against the standards, as root; SUBJECT=path/to/subject.yaml, REPORT=folder, PYTEST_ARGS="-k interface"
	$(BIN)/python -m conformance --subject $(or $(SUBJECT),conformance/subjects/nadmit.yaml) $(if $(REPORT),--report $(REPORT)) $(if $(PYTEST_ARGS),-- $(PYTEST_ARGS))

cover: $(STAMP) ## check that the fast tests of the access rules take every branch
	$(BIN)/python -m pytest -q -m 'not slow' --hypothesis-seed=0 tests/cniplugin/access \
		--cov=cniplugin.access --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

check: $(STAMP) ## ruff, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy docs/picture.py docs/flows.py docs/reference.py docs/website.py manifests/node/bundle.py manifests/node/foreign.py manifests/node/pythonsource.py
	$(BIN)/lint-imports --no-cache

bench: $(STAMP) ## measure throughput, latency, memory and start-up, compared with a bare ASGI app; MULTUS=path, NADAC=path, NRI=path: with other programs too
	$(BIN)/python -m tests.bench $(if $(MULTUS),--multus $(MULTUS)) $(if $(NADAC),--nadac $(NADAC)) $(if $(NRI),--nri $(NRI)) $(BENCH_ARGS)

fuzz: $(STAMP) ## try random inputs on every parser; TARGET="kubeyaml labels" chooses parsers, FUZZ_SECONDS=60 is for each
	$(BIN)/python -W ignore -m tests.fuzz --seconds $(or $(FUZZ_SECONDS),60) $(TARGET)

image-requirements: $(STAMP) ## write requirements/image.txt and plugin.txt, packages with hashes; run it after a change of constraints.txt
	$(BIN)/python requirements/image.py

# Architectures of bundles and images, by either name: ARCH="x86_64 aarch64", ARCH="amd64 arm64".
ARCH ?= $(HERE)
MACHINES = $(subst arm64,aarch64,$(subst amd64,x86_64,$(ARCH)))
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

# The name of an image in its archive: IMAGE, or that of the manifests in the registry and folder REGISTRY.
NAME = $(if $(IMAGE),--name $(IMAGE),$(if $(REGISTRY),--name $(REGISTRY)/$(1):$(VERSION)))

images: webhook-image node-image ## build both images; ARCH="x86_64 aarch64" for both architectures, REGISTRY=registry.example/net

chart: $(STAMP) ## package the Helm chart into dist/
	@mkdir -p dist
	@$(BIN)/python -c 'import helm_python' 2>/dev/null || { echo 'make: helm-python-sdk has no wheel for this machine; use helm: helm package charts/nadmit -d dist' >&2; exit 1; }
	@$(BIN)/python -c 'import helm_python as helm; print(helm.package("charts/nadmit", destination="dist"))'

node-bundle: $(STAMP) ## build the node bundle: plugin, interpreter and libc, for hosts that have neither; FORM=frozen or modules (default: frozen if its parts are there), ARCH=aarch64 for another architecture
	@for machine in $(MACHINES); do \
		if [ $$machine = $(HERE) ]; then $(BIN)/python manifests/node/bundle.py dist $(FORM); \
		else $(BIN)/python -m images.parts --only debian $$machine \
			&& PYTHONPATH=. $(BIN)/python manifests/node/foreign.py $$machine dist; fi || exit 1; done

node-image: node-bundle ## build the node image as an OCI archive; ARCH="x86_64 aarch64" for both, IMAGE=registry.example/net/nadmit-node:0.1.0
	$(BIN)/python -m images.node $(call NAME,nadmit-node) $(MACHINES:%=dist/nadmit-node-$(VERSION)-%.tar.gz)

webhook-image: $(STAMP) ## build the image of the webhook as an OCI archive; ARCH and IMAGE as for node-image, FORM=compiled for reviews as machine code
	$(BIN)/python -m images.parts $(MACHINES)
	$(BIN)/python -m images.webhook $(call NAME,nadmit-webhook) $(if $(filter compiled plain,$(FORM)),--form $(FORM)) $(MACHINES)

kubectl-plugin: $(STAMP) ## build the archive of kubectl nadmit, for machines that have Python alone; ARCH="x86_64 aarch64" for both
	$(BIN)/python -m images.parts --only plugin $(MACHINES)
	$(BIN)/python -m images.plugin $(MACHINES)

compiled-wheel: $(STAMP) ## build the wheel with the modules of a review as machine code, for this Python and architecture; needs gcc and the headers of Python
	$(BIN)/python -m images.compiled.wheel

image-parts: ## fetch the packages and wheels that images are built from, for the tests of the images
	@rm -f $(PARTS)
	@$(MAKE) --no-print-directory $(PARTS)

$(PARTS): $(STAMP)
	@$(BIN)/python -m images.parts x86_64 aarch64 && $(BIN)/python -m images.parts --only emulator --only plugin $(HERE) && touch $(PARTS) \
		|| echo "make: tests of images that need their parts are skipped" >&2

docs: $(STAMP) ## make the site of the pages in build/site
	$(BIN)/python -m mkdocs build --strict

format: $(STAMP) ## format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

golden: $(STAMP) ## write the golden files, generated pages and the picture again; read the diff before you commit it
	$(BIN)/python docs/picture.py
	$(BIN)/python docs/flows.py
	$(BIN)/python docs/reference.py
	$(BIN)/python -m webhook.plugindata.touches && $(BIN)/ruff format --quiet cniplugin/access/content/plugintable.py
	$(BIN)/python -m webhook.plugindata.reads && $(BIN)/ruff format --quiet cniplugin/netspec/pluginreads.py
	$(BIN)/python -m webhook.jsonschemas.kindscopy
	$(BIN)/python -m charts.copies
	$(BIN)/python -m conformance.clausetable
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q -k golden

clean: ## remove everything that make has written
	rm -rf $(VENV) build dist *.egg-info .fuzz .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

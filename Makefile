PY := .venv/bin/python
PYTEST := $(PY) -m pytest
ROOT := $(filter 0,$(shell id -u))
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help setup trial trial-down test lint unit lab bench docs goldens lock soak

help:  ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1\t\2/p' Makefile | expand -t 20

setup:
	@scripts/setup

trial: setup  ## Mattermost on a real host on this machine (MATTERMOST_RELEASE= a tarball or its URL)
	@$(PY) -m tests.lab.trial

trial-down:  ## stop that host and remove it
	@$(PY) -m tests.lab.trial down

test: setup  ## unit tests and the core of the lab; without root, those that need none
	@start=$$(date +%s); $(MAKE) lint && $(MAKE) --jobs=2 unit lab; status=$$?; \
	echo "make test: $$(( $$(date +%s) - start )) s"; exit $$status

lint: setup  ## format, lint and types
	@.venv/bin/ruff format --check --quiet . || \
		{ echo "These files are not formatted; run .venv/bin/ruff format."; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy --no-error-summary

unit: setup  ## tests without a host
	@$(PYTEST) -rs tests/unit

ifdef ROOT
lab: setup  ## tests on real hosts; they need root
	@$(PY) -m tests.lab.suite

soak: setup  ## the long scenarios on real hosts, which are not part of make test; docs/soak.md
	@$(PY) -m tests.lab.suite soak
else
lab soak:
	@echo "$@: left out, because it boots real hosts and that needs root."
endif

bench: setup  ## measure our speed against others, side by side (PARTS="nochange many"); needs root
	@$(PY) -m tests.bench.bench $(PARTS)

goldens: setup  ## write the reviewed results of whole sites anew
	@RENEW_GOLDENS=1 $(PYTEST) -rs tests/unit/site/test_goldens.py

lock:  ## write the exact versions of all packages anew (requirements/)
	@scripts/lock

docs: setup  ## generate the references in docs/
	@$(PY) -m mattermost_host.cli.reference_docs

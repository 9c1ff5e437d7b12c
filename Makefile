# The front door: `make help` lists what there is. All that is installed goes to .venv.

PORT    = 2000
BIN     = .venv/bin
PYTEST  = $(BIN)/python -m pytest
PURE    = consoled/protocol/*,consoled/config/*,consoled/console/lifecycle.py,consoled/console/cursor.py,consoled/console/linelimit.py
PYTHONS = python3.13 python3.12 python3.11 python3
MODERN  = import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
NO_PYTHON = No Python >= 3.11 with venv: sudo apt install python3 python3-venv (Debian 12 or newer)
# What the tests talk to, as command:package of Debian.
PEERS   = procServ:procserv conserver:conserver-server console:conserver-client socat:socat \
          telnet:telnet nc.openbsd:netcat-openbsd mandoc:mandoc systemd-analyze:systemd \
          faketime:faketime logrotate:logrotate bindfs:bindfs mkfs.ext4:e2fsprogs strace:strace
export PATH := $(PATH):/usr/sbin:/sbin

.NOTPARALLEL:
.PHONY: help run test check unit wire e2e fuzz bench dev clean peers

help:    ## this list
	@sed -n 's/^\([a-z0-9 ]*\):[^#]*## */  make \1\t/p' Makefile

run: .venv/run.stamp    ## serve three demo consoles: telnet localhost 2000 (or PORT=n)
	@sh tests/support/ioc/demo.sh $(BIN) $(PORT)

test: peers check unit    ## everything: linters, types, all tests, coverage of pure modules
	mandoc -Tlint -Wwarning man/*
	$(PYTEST) -q -n 2 --dist loadgroup --ignore=tests/unit tests

check: dev    ## ruff and mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

unit: dev    ## tests of pure code, of which 95 % must be covered
	$(PYTEST) -q --cov=consoled --cov-report= tests/unit
	$(BIN)/python -m coverage report --include='$(PURE)' --skip-covered --fail-under=95

wire e2e fuzz: dev peers    ## one layer of tests: dialogues, real processes, random input
	$(PYTEST) -n 2 --dist loadgroup tests/$@

bench: dev peers    ## measure beside procServ and conserver
	$(BIN)/python -m tests.bench

dev: .venv/dev.stamp    ## .venv with everything for development

clean:    ## remove .venv and all that was generated
	rm -rf .venv build dist demo *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis

peers:    ## say which real programs the tests miss
	@miss=; for p in $(PEERS); do command -v "$${p%:*}" >/dev/null || miss="$$miss $${p#*:}"; done; \
	[ -z "$$miss" ] || { echo "The tests need real peers: sudo apt install$$miss" >&2; exit 1; }

.venv/bin/pip:
	@for p in $(PYTHONS); do $$p -c '$(MODERN)' 2>/dev/null && break; p=; done; \
	[ "$$p" ] || { echo '$(NO_PYTHON)' >&2; exit 1; }; \
	echo "$$p -m venv .venv"; $$p -m venv .venv || { rm -rf .venv; exit 1; }

.venv/dev.stamp: setup.cfg | .venv/bin/pip
	$(BIN)/python -m pip install -q -e '.[dev,ioc]'
	@touch $@

.venv/run.stamp: setup.cfg | .venv/bin/pip
	$(BIN)/python -m pip install -q -e .
	$(BIN)/python -m pip install -q --only-binary epicscorelibs -e '.[ioc]' || \
	echo 'No epicscorelibs, so no real IOC in the demo. To try again: make clean run'
	@touch $@

# pdpp: every command a person needs. `make help` lists them.
#
# The server module is built by extension/Makefile (PGXS), the program by client/Makefile; both run from here.

SHELL := /bin/bash
PG_MAJOR ?= 15
PG_CONFIG ?= /usr/lib/postgresql/$(PG_MAJOR)/bin/pg_config
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
export PG_CONFIG PG_MAJOR

VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" control/pdpp.control)

# What a fresh Debian 12 lacks. The second line is for the tests, the third for `make lint`.
PACKAGES = gcc g++ make pkgconf postgresql-$(PG_MAJOR) postgresql-server-dev-$(PG_MAJOR) postgresql-common libpq-dev \
	libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev libssl-dev libcli11-dev libspdlog-dev libxxhash-dev prometheus-cpp-dev perl \
	libboost-test1.81-dev postgresql-$(PG_MAJOR)-pgtap libtap-parser-sourcehandler-pgtap-perl libipc-run-perl curl python3-jsonschema pgbouncer
BENCH_PACKAGES = wrk
LINT_PACKAGES = clang clang-format clang-tidy cppcheck

BUILD_EXTENSION = $(MAKE) -f extension/Makefile
BUILD_CLIENT = $(MAKE) -f client/Makefile

.DEFAULT_GOAL := all
.PHONY: help deps lint-deps bench-deps all extension client unit install uninstall demo check chaos fuzz bench lint dist format clean \
	chunks compile_commands.json

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z_.-]+:.*## / { printf "  make %-21s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: PREFIX=$(PREFIX)  PG_CONFIG=$(PG_CONFIG)  CXX, CC, with_llvm=no, DESTDIR"
	@echo "           CHUNKS=no: compile file by file, for whoever changes files"

deps: ## install the Debian packages that are missing (elsewhere: say which)
	@.ci/deps $(PACKAGES)

lint-deps:
	@.ci/deps $(LINT_PACKAGES)

bench-deps:
	@.ci/deps $(BENCH_PACKAGES)

all: extension client ## build the extension and the program pdpp

# The + hands make's job server on. unit follows client because the two share objects.
extension:
	+@$(BUILD_EXTENSION) all

client:
	+@$(BUILD_CLIENT) all

unit: client
	+@$(BUILD_CLIENT) unit

install: all ## install the extension into the server and pdpp into PREFIX/bin
	+@$(BUILD_EXTENSION) install
	install -D -m 755 build/pdpp $(DESTDIR)$(PREFIX)/bin/pdpp

uninstall: ## take both away again
	@$(BUILD_EXTENSION) uninstall
	rm -f $(DESTDIR)$(PREFIX)/bin/pdpp

demo: deps ## build, install, and show real runs on a private cluster (ONCE=1: stop by itself)
	@mkdir -p build && echo "building and installing (build/install.log) ..."
	@$(MAKE) --no-print-directory -j$(JOBS) install >build/install.log 2>&1 || { cat build/install.log; exit 1; }
	@PATH="$(PREFIX)/bin:$$PATH" test/demo/in-cluster

CHECKED = build
CHECKED_CLIENT =
CHECKED_SUITES =
# the client's suites under sanitizers, where a finding ends the program, and so fails the test
ifdef SAN
CHECKED = build/san
CHECKED_CLIENT = SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" CXXFLAGS="-O0 -g1"
CHECKED_SUITES = unit cluster http
endif
check: deps ## build, and run every test (SAN=1: the client's, under address and undefined sanitizers)
	@mkdir -p build && echo "building (build/install.log) ..."
	@{ $(MAKE) --no-print-directory -j$(JOBS) extension && $(BUILD_EXTENSION) install && \
	   $(BUILD_CLIENT) BUILD=$(CHECKED) $(CHECKED_CLIENT) -j$(JOBS) all unit; } >build/install.log 2>&1 \
	    || { cat build/install.log; exit 1; }
	@PDPP_BUILD=$(CHECKED) PDPP_SANITIZED=$(SAN) perl test/check.pl $(CHECKED_SUITES)

chaos: deps ## kill everything at random while runs are admitted and polled (SECONDS=30, SEED=…)
	@mkdir -p build && echo "building and installing (build/install.log) ..."
	@$(MAKE) --no-print-directory -j$(JOBS) install >build/install.log 2>&1 || { cat build/install.log; exit 1; }
	@test/as-postgres perl test/chaos/chaos.pl --seconds $(or $(SECONDS),30) $(if $(SEED),--seed $(SEED))

# libFuzzer's own defaults, with what it has found so far in build/fuzz/corpus
fuzz: deps lint-deps ## fuzz whatever reads what strangers send (SECONDS=60 each)
	@mkdir -p build && echo "building (build/fuzz.log) ..."
	@$(BUILD_CLIENT) BUILD=build/fuzz CXX=clang++ CXXFLAGS="-O1 -g" -j$(JOBS) \
	    SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzz >build/fuzz.log 2>&1 \
	    || { cat build/fuzz.log; exit 1; }
	@test/fuzz/run $(or $(SECONDS),60)

bench: deps bench-deps ## measure the speed, as ratios in one run
	@mkdir -p build && echo "building and installing (build/install.log) ..."
	@$(MAKE) --no-print-directory -j$(JOBS) install >build/install.log 2>&1 || { cat build/install.log; exit 1; }
	@CLUSTER_OPTIONS="-o fsync=on -o shared_buffers=1GB -o max_wal_size=8GB \
		-o shared_preload_libraries=pdpp -o pdpp.databases=pdpp_bench" test/in-cluster bash -c 'bench/run && bench/gateway'

lint: deps lint-deps ## formatting, clang-tidy, cppcheck, the project's own rules, both compilers
	@.ci/lint

# for tools that read what is compiled
chunks:
	@$(BUILD_EXTENSION) chunks
	@$(BUILD_CLIENT) chunks

# for editors and other tools: how each source is compiled by itself
compile_commands.json: ## write down how each source is compiled
	@{ $(MAKE) -Bn CHUNKS=no with_llvm=no --no-print-directory extension unit; } | .ci/compile-commands >$@

dist: ## pack what is committed for PGXN: pdpp-VERSION.zip
	git archive --format=zip --prefix=pdpp-$(VERSION)/ -o pdpp-$(VERSION).zip HEAD
	@echo pdpp-$(VERSION).zip

format: lint-deps ## format the C++ sources in place
	@git ls-files '*.hpp' '*.cpp' | xargs clang-format -i

clean: ## remove what was built
	@[ ! -e "$$($(PG_CONFIG) --pgxs 2>/dev/null)" ] || $(BUILD_EXTENSION) clean
	rm -rf build

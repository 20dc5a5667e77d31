# pdpp: every command a person needs. `make help` lists them.
#
# The server module is built by extension/Makefile (PGXS), the program by client/Makefile; both run from here.

SHELL := /bin/bash
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)

VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" control/pdpp.control)

# The server is the one that .ci/postgresql finds; PG_CONFIG= or PG_MAJOR= says another, to all that is called from here.
BUILD_EXTENSION = $(MAKE) -f extension/Makefile
BUILD_CLIENT = $(MAKE) -f client/Makefile

.DEFAULT_GOAL := all
.PHONY: help deps extension-deps model-deps lint-deps bench-deps deb-deps browser-deps all extension client unit install uninstall demo model check check-extension check-threads check-versions chaos chaos-ha fuzz bench bench-peers lint deb check-packages dist format clean \
	chunks compile_commands.json

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z_.-]+:.*## / { printf "  make %-21s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: PREFIX=$(PREFIX)  PG_CONFIG=$$(.ci/postgresql) (or PG_MAJOR=N)  CXX, CC, with_llvm=no, DESTDIR"
	@echo "           CHUNKS=no: compile file by file, for whoever changes files"

deps: ## install what building and testing need and is missing (Debian, Ubuntu; elsewhere: say what it is)
	@.ci/deps extension program extension-test program-test

extension-deps:
	@.ci/deps extension extension-test

model-deps:
	@.ci/deps model

lint-deps:
	@.ci/deps lint

browser-deps:
	@.ci/browser

bench-deps:
	@.ci/deps bench

deb-deps:
	@.ci/deps extension program deb

all: extension client ## build the extension and the program pdpp

# The + hands make's job server on. unit follows client because the two share objects.
extension: ## build the extension alone
	@.ci/deps --present extension
	+@$(BUILD_EXTENSION) all

client: ## build the program alone
	@.ci/deps --present program
	+@$(BUILD_CLIENT) all

unit: client
	+@$(BUILD_CLIENT) unit

install: all ## install the extension into the server, and pdpp with its manual into PREFIX
	+@$(BUILD_EXTENSION) install
	+@$(BUILD_CLIENT) PREFIX=$(PREFIX) install

uninstall: ## take both away again
	@$(BUILD_EXTENSION) uninstall
	@$(BUILD_CLIENT) PREFIX=$(PREFIX) uninstall

demo: deps ## build, install, and show real runs on a private cluster (ONCE=1: stop by itself; DEMO_BROWSER=1: open a browser)
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
CHECKED_SUITES = unit cluster http page
endif
check: deps browser-deps ## build, and run every test (SAN=1: the client's, under address and undefined sanitizers)
	@mkdir -p build && echo "building (build/install.log) ..."
	@{ $(MAKE) --no-print-directory -j$(JOBS) extension && $(BUILD_EXTENSION) install && \
	   $(BUILD_CLIENT) BUILD=$(CHECKED) $(CHECKED_CLIENT) -j$(JOBS) all unit; } >build/install.log 2>&1 \
	    || { cat build/install.log; exit 1; }
	@PDPP_BUILD=$(CHECKED) PDPP_SANITIZED=$(SAN) perl test/check.pl $(CHECKED_SUITES)

# those in which the threads of a gateway have to do with each other
THREAD_TESTS = threads waiting streaming limits session log retry upstream status_reads
check-threads: deps ## the gateway's tests with four threads, under the thread sanitizer: a report fails the test
	@mkdir -p build && echo "building (build/install.log) ..."
	@{ $(MAKE) --no-print-directory -j$(JOBS) extension && $(BUILD_EXTENSION) install && \
	   $(BUILD_CLIENT) BUILD=build/tsan SANITIZE="-fsanitize=thread -Wno-tsan -DBOOST_ASIO_DISABLE_FENCED_BLOCK" CXXFLAGS="-O1 -g1" -j$(JOBS) all; } \
	    >build/install.log 2>&1 || { cat build/install.log; exit 1; }
	@PATH="$(CURDIR)/build/tsan:$$PATH" PDPP_BUILD=build/tsan PDPP_SANITIZED=thread PDPP_THREADS=4 test/as-postgres prove -v $(THREAD_TESTS:%=test/http/%.t)

CHECKED_MODULE =
# what is undefined ends the server that it happens in, and so fails the test
ifdef SAN
CHECKED_MODULE = BUILD=build/san with_llvm=no CXXFLAGS="-O1 -g -fsanitize=undefined -fno-sanitize-recover=all" SHLIB_LINK="-lstdc++ -lubsan"
PRELOADED = CLUSTER_OPTIONS="-o shared_preload_libraries=pdpp"
endif
check-extension: extension-deps ## the extension alone, by the suites that need nothing else (SAN=1: preloaded, under the sanitizer of what is undefined; then make install again)
	@mkdir -p build && echo "building (build/install.log) ..."
	@{ $(BUILD_EXTENSION) $(CHECKED_MODULE) -j$(JOBS) all && $(BUILD_EXTENSION) $(CHECKED_MODULE) install; } >build/install.log 2>&1 \
	    || { cat build/install.log; exit 1; }
	@$(if $(SAN),rm -f pdpp.so)
	@$(PRELOADED) perl test/check.pl sql regress isolation

check-versions: ## make check on PostgreSQL 13 to 18, each in a root tree of its own (as root; TREES=…)
	@.ci/deps release
	@.ci/check-versions

chaos: deps ## kill everything at random while runs are admitted and polled (SECONDS=30, SEED=…)
	@mkdir -p build && echo "building and installing (build/install.log) ..."
	@$(MAKE) --no-print-directory -j$(JOBS) install >build/install.log 2>&1 || { cat build/install.log; exit 1; }
	@test/as-postgres perl test/chaos/chaos.pl --seconds $(or $(SECONDS),30) $(if $(SEED),--seed $(SEED))

chaos-ha: deps ## the same with three servers under Patroni, which fail over (SECONDS=30, SEED=…; needs patroni and etcd-server)
	@mkdir -p build && echo "building and installing (build/install.log) ..."
	@$(MAKE) --no-print-directory -j$(JOBS) install >build/install.log 2>&1 || { cat build/install.log; exit 1; }
	@test/as-postgres perl test/chaos/ha.pl --seconds $(or $(SECONDS),30) $(if $(SEED),--seed $(SEED)) $(HA)

model: model-deps ## check a model of the locks in every order of steps, and that the check can fail (minutes)
	@perl model/check.pl

# libFuzzer's own defaults, with what it has found so far in build/fuzz/corpus. Clang 14 cannot check calls of functions where
# there are coroutines
fuzz: deps lint-deps ## fuzz whatever reads what strangers send (SECONDS=60 each)
	@mkdir -p build && echo "building (build/fuzz.log) ..."
	@$(BUILD_CLIENT) BUILD=build/fuzz CXX=clang++ CXXFLAGS="-O1 -g" -j$(JOBS) \
	    SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=function -fno-sanitize-recover=all" fuzz >build/fuzz.log 2>&1 \
	    || { cat build/fuzz.log; exit 1; }
	@test/fuzz/run $(or $(SECONDS),60)

bench: deps bench-deps ## measure the speed, as ratios in one run
	@mkdir -p build && echo "building and installing (build/install.log) ..."
	@$(MAKE) --no-print-directory -j$(JOBS) install >build/install.log 2>&1 || { cat build/install.log; exit 1; }
	@CLUSTER_OPTIONS="-o fsync=on -o shared_buffers=1GB -o max_wal_size=8GB \
		-o shared_preload_libraries=pdpp -o pdpp.databases=pdpp_bench" test/in-cluster bash -c 'bench/run && bench/import && bench/gateway'

bench-peers: deps ## the same beside pg-boss, graphile-worker and DBOS, which come by npm (ROUNDS=, SECONDS_EACH=, BOUND=)
	@mkdir -p build && echo "building and installing (build/install.log) ..."
	@$(MAKE) --no-print-directory -j$(JOBS) install >build/install.log 2>&1 || { cat build/install.log; exit 1; }
	@bench/peers

lint: deps lint-deps ## formatting, clang-tidy, cppcheck, the project's own rules, both compilers
	@.ci/lint

# for tools that read what is compiled
chunks:
	@$(BUILD_EXTENSION) chunks
	@$(BUILD_CLIENT) chunks

# for editors and other tools: how each source is compiled by itself
compile_commands.json: ## write down how each source is compiled
	@{ $(MAKE) -Bn CHUNKS=no with_llvm=no --no-print-directory extension unit; } | .ci/compile-commands >$@

deb: deb-deps ## make Debian packages, for each installed version of PostgreSQL: build/deb/*.deb
	@JOBS=$(JOBS) .ci/deb

check-packages: ## install, upgrade, remove and purge the packages in a private tree (as root; RELEASE=bookworm)
	@.ci/check-packages $(RELEASE)

dist: ## pack what is committed for PGXN: pdpp-VERSION.zip
	git archive --format=zip --prefix=pdpp-$(VERSION)/ -o pdpp-$(VERSION).zip HEAD
	@echo pdpp-$(VERSION).zip

format: lint-deps ## format the C++ sources in place
	@git ls-files '*.hpp' '*.cpp' | xargs clang-format -i

clean: ## remove what was built
	rm -rf build pdpp.so

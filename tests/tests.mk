# SPDX-License-Identifier: Apache-2.0
# Test tiers and checks; included by the Makefile. Each tier prints its progress and ends with
# a line "TIER: N passed, N failed"; `make test` runs them all and sums.

TIERS ?= unit-asan unit-tsan integration e2e chaos deploy compose fuzz-smoke trace lint
# Run beside the others (BESIDE= all one after the other); NICE: those that no clock watches.
BESIDE ?= deploy compose trace fuzz-smoke lint
NICE := trace fuzz-smoke lint
C_FILES = $(shell git ls-files '*.c' '*.h')
TIDY_FILES = $(filter %.c,$(filter-out tests/%,$(C_FILES)))
# What anybody on the net can send first runs longer (SEC-27).
FUZZ_SECONDS ?= 10
FUZZ_LONG_SECONDS ?= 60
FUZZ_LONG := fuzz_ws_upgrade fuzz_ws_frame fuzz_sip_msg fuzz_sdp fuzz_reginfo fuzz_jwt
# Files of a tier that run side by side, unless LANES says how many.
lanes = $(or $(LANES),$(1))

.PHONY: deps deps-npm test check tier-% integration e2e compose unit-asan unit-tsan
deps: ## install what is missing (Debian packages, npm modules); quick when all is there
	@deploy/setup/install.sh build test browser docker
	@$(MAKE) --no-print-directory deps-npm
deps-npm:
	@tests/lib/npm-install.sh tests deploy/softphone deploy/waf

test: deps ## everything: all tiers, from a fresh clone on a fresh machine
	@-$(if $(filter $(BESIDE),$(TIERS)),$(MAKE) --no-print-directory softphone)
	@BESIDE="$(BESIDE)" NICE="$(NICE)" tests/lib/run-tiers.sh $(TIERS)

unit-asan: ## unit tests under address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory MODE=asan unit
unit-tsan: ## unit tests of what has threads (the media workers, the ring) under the thread sanitizer
	@$(MAKE) --no-print-directory MODE=tsan unit \
		TEST_SRC="$(filter tests/unit/common/% tests/unit/agw/worker/% tests/unit/agw/context/%,$(TEST_SRC))"
# For churn.test.js: the media workers under the thread sanitizer.
.PHONY: tsan-agw
tsan-agw:
	@$(call locked,tsan) $(MAKE) --no-print-directory $(PARALLEL) MODE=tsan build/tsan/bin/wicgate-agw
integration: deps-npm asan tsan-agw ## both processes on this machine against real peers
	@tests/lib/run-node.sh integration tests/integration $(call lanes,3)
e2e: deps-npm asan softphone ## Chromium and JsSIP through both processes to the core
	@tests/lib/run-node.sh e2e tests/e2e $(call lanes,2)
compose: deps-npm ## the two images, scaled, with core and browser in the compose network
	@tests/lib/run-node.sh compose tests/compose

.PHONY: chaos chaos-long leak bench-scale
chaos: deps-npm release ## faults on two eP-CSCFs and two AGWs under live calls, a table of what became of those (root)
	@WICGATE_BIN=$(CURDIR)/build/release/bin tests/lib/run-node.sh chaos tests/chaos
chaos-long: deps-npm release ## the same under 50 calls
	@WICGATE_BIN=$(CURDIR)/build/release/bin node tests/chaos/run.mjs --calls 50
.PHONY: chaos-thousand
chaos-thousand: deps-npm release ## kill -9 of an AGW and of an eP-CSCF with 1000 calls (root)
	@WICGATE_BIN=$(CURDIR)/build/release/bin node tests/chaos/thousand.mjs
leak: deps-npm release ## 100 000 calls through both processes, after which nothing may be left
	@node tests/bench/leak.mjs
bench-scale: deps-npm release ## calls with 1, 2, 3 AGWs and 1, 2 eP-CSCFs; CPU per call of each process
	@node tests/bench/scale.mjs

.PHONY: deploy
deploy: deb deps-npm ## systemd units, Debian packages, Kubernetes manifests: checked, built, installed, removed
	@tests/lib/run-node.sh deploy tests/deploy

.PHONY: trace lint lint-format lint-arrows lint-cppcheck lint-tidy lint-spelling format fuzz-smoke
trace: ## requirement IDs against tests, both ways (tests/REQUIREMENTS.md)
	@node tests/lib/trace.mjs && echo "trace: 1 passed, 0 failed"
lint: lint-format lint-arrows lint-spelling lint-shell lint-cppcheck lint-tidy ## all static checks
	@echo "lint: 1 passed, 0 failed"
format: ## rewrite all C files in house style
	@clang-format -i $(C_FILES)
lint-format:
	@echo "  FORMAT $(words $(C_FILES)) C files"
	@clang-format --dry-run -Werror $(C_FILES)
lint-arrows: ## who may include whom, and that no log line names a user
	@node tests/lib/include-arrows.mjs
	@node tests/lib/log-identities.mjs
lint-spelling:
	@codespell -q 3 -L ue,ues,medias,ist,unparseable,ans,te,nd,iff,ser,hist,inout,mis -S '*.sdp,package-lock.json,node_modules,build' \
		common proto cscf agw deploy tests README.md Makefile
.PHONY: lint-shell
lint-shell:
	@shellcheck $$(git ls-files '*.sh' .ci/run)
lint-cppcheck:
	@echo "  CPPCHECK common proto cscf agw"
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches -j2 \
		--include=/usr/include/utlist.h --include=/usr/include/uthash.h -D__GNUC__ \
		'--suppress=*:/usr/include/*' -I. \
		common proto cscf agw
# clang-tidy is slow: a file is checked again only when it, a header or the rules changed.
TIDY_STAMPS = $(patsubst %.c,build/tidy/%.ok,$(TIDY_FILES))
lint-tidy: ; @$(MAKE) --no-print-directory $(PARALLEL) MODE=debug $(TIDY_STAMPS)
build/tidy/%.ok: %.c .clang-tidy $(filter %.h,$(C_FILES)) | build/debug/gen/iq.pb-c.h
	@mkdir -p $(@D)
	@echo "  TIDY  $<"
	@clang-tidy --quiet $< -- $(BASE) -DGW_DEBUG=1 2>build/tidy/$(subst /,_,$*).err || \
		{ grep -v 'warnings generated' build/tidy/$(subst /,_,$*).err; exit 1; }
	@touch $@

# libFuzzer harnesses: tests/fuzz/<process>/fuzz_*.c, each LLVMFuzzerTestOneInput.
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*/fuzz_*.c))
FUZZ_BIN := $(patsubst tests/fuzz/%.c,build/fuzz/bin/%,$(FUZZ_SRC))
FUZZ_FLAGS := -O1 -g1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -DGW_DEBUG=1
fuzz_src = $(if $(filter tests/fuzz/cscf/%,$(1)),$(CSCF_SRC))$(if \
	$(filter tests/fuzz/agw/%,$(1)),$(AGW_SRC)) $(PROTO_SRC) $(COMMON_SRC)
build/fuzz/obj/%.o: %.c | build/debug/gen/iq.pb-c.h
	@mkdir -p $(@D)
	@echo "  FUZZ  $<"
	@clang $(subst build/$(MODE)/gen,build/debug/gen,$(BASE)) $(FUZZ_FLAGS) -w -MMD -MP -c -o $@ $<
build/fuzz/obj/iq.pb-c.o: build/debug/gen/iq.pb-c.c
	@mkdir -p $(@D)
	@clang $(BASE) $(FUZZ_FLAGS) -w -c -o $@ $<
define fuzz_rule
$(patsubst tests/fuzz/%.c,build/fuzz/bin/%,$(1)): $(patsubst %.c,build/fuzz/obj/%.o,$(1) $(call fuzz_src,$(1))) \
		build/fuzz/obj/iq.pb-c.o
	@mkdir -p $$(@D) && echo "  LINK  $$@" && clang $(LLD) -fsanitize=fuzzer,address,undefined -o $$@ $$^ $(LIBS)
endef
$(foreach f,$(FUZZ_SRC),$(eval $(call fuzz_rule,$(f))))
-include $(foreach d,* */* */*/*,$(wildcard build/fuzz/obj/$d/*.d))
.PHONY: fuzz-build fuzz
fuzz-build: $(FUZZ_BIN)
fuzz-smoke: ## every fuzz target for FUZZ_SECONDS (10), FUZZ_LONG for FUZZ_LONG_SECONDS (60), two at a time
	@$(MAKE) --no-print-directory $(PARALLEL) fuzz-build
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $(FUZZ_LONG_SECONDS) "$(FUZZ_LONG)" $(FUZZ_BIN)
fuzz: ## the same for ten minutes each, with another seed each time
	@FUZZ_SEED=0 $(MAKE) --no-print-directory fuzz-smoke FUZZ_SECONDS=600 FUZZ_LONG_SECONDS=600

check: lint unit-asan unit-tsan ## what to run before each push

.PHONY: bench-signalling
bench-signalling: deps-npm release ## registrations per CPU-second and memory per WIC, beside Kamailio
	@deploy/setup/install.sh bench
	@node tests/bench/signalling.mjs
.PHONY: bench-calls
bench-calls: deps-npm release ## call set-ups per CPU-second, set-up times, memory per call, beside Kamailio + rtpengine
	@deploy/setup/install.sh bench
	@node tests/bench/calls.mjs
.PHONY: bench-idle
bench-idle: deps-npm release ## 20 000 registered WICs; half of them cut off at once and back
	@node tests/bench/idle.mjs
.PHONY: bench-storm
bench-storm: deps-npm release ## handshakes: ECDSA, RSA, tickets; what registered WICs feel of them
	@node tests/bench/storm.mjs
.PHONY: bench-media
bench-media: release ## packets per CPU-second, latency, memory and set-up cost per call, beside rtpengine
	@deploy/setup/install.sh bench
	@node tests/bench/media/run.mjs $(BENCH)

.PHONY: browser-soak
browser-soak: deps-npm release ## Chromium for MINUTES (10), audio and audio with video: nothing lost, all counters agree
	@WICGATE_BIN=$(CURDIR)/build/release/bin MINUTES=$(or $(MINUTES),10) node --test --test-reporter=spec tests/e2e/browser-soak.test.js

# Calls that come and go on one wicgate-agw, watched; they end with 1 when anything is wrong. SOAK="--rate 50 …": more
# options of tests/bench/media/soak.mjs.
SOAK_MINUTES ?= 30
MINUTES ?= 10
live = node tests/bench/media/soak.mjs --name $(1) $(2) $(SOAK)
.PHONY: soak churn-tsan flood
soak: release ## 200 calls a second for SOAK_MINUTES (30): memory, ports and descriptors over time
	@$(call live,soak,--minutes $(SOAK_MINUTES) --rate 200)
churn-tsan: release tsan-agw ## 100 calls a second across two workers under the thread sanitizer, MINUTES (10), then as long on shared ports
	@$(call live,churn-tsan,--bin build/tsan/bin --minutes $(MINUTES) --rate 100)
	@$(call live,churn-tsan-shared,--bin build/tsan/bin --minutes $(MINUTES) --rate 100 --shared 1)
flood: release asan ## 100 calls under a flood of hostile datagrams, MINUTES each (10): release and sanitizers, own and shared ports
	@$(call live,flood,--minutes $(MINUTES) --rate 10 --stay 100 --flood 20000)
	@$(call live,flood-shared,--minutes $(MINUTES) --rate 10 --stay 100 --flood 20000 --shared 1)
	@$(call live,flood-asan,--bin build/asan/bin --minutes $(MINUTES) --rate 10 --stay 100 --flood 4000)
	@$(call live,flood-asan-shared,--bin build/asan/bin --minutes $(MINUTES) --rate 10 --stay 100 --flood 4000 --shared 1)

.PHONY: run
run: ## install, build, start everything, place one call, keep running with a softphone page
	@deploy/run/run.sh

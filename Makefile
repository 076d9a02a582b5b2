# SPDX-License-Identifier: Apache-2.0
#
# One Makefile: variables and rules. Each folder's module.mk adds its own sources:
#
#   COMMON_SRC += common/log.c          -> libcommon.a   (no SIP, RTP or 3GPP word)
#   PROTO_SRC  += proto/frame.c         -> libproto.a    (the Iq control channel)
#   CSCF_SRC   += cscf/ws/conn.c        -> libcscf.a     -> wicgate-cscf (+ cscf/main.c)
#   AGW_SRC    += agw/relay/forward.c   -> libagw.a      -> wicgate-agw  (+ agw/main.c)
#   PROGRAMS   += wicgatectl            -> bin/wicgatectl from wicgatectl_SRC,
#                                          linked with wicgatectl_LIBS (common proto …)
#
# Unit tests: tests/unit/<process>/<module>/test_*.c, one program each, found by wildcard.
# Fuzz targets: tests/fuzz/<process>/fuzz_*.c. Objects go to build/<MODE>/.

MODE ?= debug
MODES := debug release asan tsan
B := build/$(MODE)
.DEFAULT_GOAL := debug

PKG_CONFIG ?= pkg-config
pkg = $(shell $(PKG_CONFIG) --silence-errors $(1) $(2))
isystem = $(patsubst -I%,-isystem %,$(call pkg,--cflags,$(1)))

PKGS := libosip2 libevent libevent_openssl libsrtp2 openssl nice glib-2.0 libprotobuf-c \
        jansson libcares yaml-0.1 libxml-2.0 libcurl jose
LIBS := $(call pkg,--libs,$(PKGS)) -lwslay -lhttp_parser -lpthread -lm

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wcast-qual -Wcast-align=strict -Wwrite-strings \
	-Wpointer-arith -Wformat=2 -Wundef -Wvla -Walloca -Wswitch-enum -Wimplicit-fallthrough=5 \
	-Wnull-dereference -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wjump-misses-init \
	-Wdouble-promotion -Werror
# A report names functions and lines, no variables: CFLAGS=-g for a debugger.
SAN := -O1 -g1 -fno-omit-frame-pointer -fno-sanitize-recover=all
HARDEN := -O2 -g -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection -ftrivial-auto-var-init=zero

CFLAGS_debug   := $(HARDEN) -DGW_DEBUG=1
CFLAGS_release := $(HARDEN) -DNDEBUG
CFLAGS_asan    := $(SAN) -fsanitize=address,undefined -DGW_DEBUG=1
CFLAGS_tsan    := $(SAN) -fsanitize=thread -DGW_DEBUG=1
# Each unit test is a program of its own: lld, where it is there, links one in a quarter of the time.
LLD := $(if $(shell command -v ld.lld),-fuse-ld=lld)
LDFLAGS_asan   := -fsanitize=address,undefined $(LLD)
LDFLAGS_tsan   := -fsanitize=thread $(LLD)

BASE := -std=c17 -D_GNU_SOURCE -I. -I$(B)/gen -fno-common -fPIE $(call isystem,$(PKGS))
CFLAGS_ALL = $(BASE) $(CFLAGS_$(MODE)) $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(LDFLAGS_$(MODE)) $(LDFLAGS)

include $(sort $(wildcard common/module.mk proto/module.mk cscf/module.mk cscf/*/module.mk \
	agw/module.mk agw/*/module.mk deploy/*/module.mk tests/*/module.mk tests/*/*/module.mk))

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
GEN_SRC := $(patsubst proto/%.proto,$(B)/gen/%.pb-c.c,$(wildcard proto/*.proto))
GEN_HDR := $(GEN_SRC:.c=.h)
GEN_OBJ := $(GEN_SRC:.c=.o)

LIBCOMMON := $(B)/libcommon.a
LIBPROTO := $(B)/libproto.a
LIBCSCF := $(B)/libcscf.a
LIBAGW := $(B)/libagw.a
lib_common := $(LIBCOMMON)
lib_proto := $(LIBPROTO)
lib_cscf := $(LIBCSCF)
lib_agw := $(LIBAGW)
BIN_CSCF := $(if $(wildcard cscf/main.c),$(B)/bin/wicgate-cscf)
BIN_AGW := $(if $(wildcard agw/main.c),$(B)/bin/wicgate-agw)
BIN_MORE := $(addprefix $(B)/bin/,$(PROGRAMS))

TEST_SRC := $(sort $(wildcard tests/unit/*/test_*.c tests/unit/*/*/test_*.c))
TEST_BIN := $(patsubst tests/unit/%.c,$(B)/unit/%,$(TEST_SRC))

# One compiler per processor, unless whoever called make has said how many.
JOBS ?= $(shell nproc)
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

# One make at a time builds in a mode: tiers run side by side.
locked = mkdir -p build && flock build/.$(1).lock

# Kept, though only a step on the way. Not .SECONDARY for all: then an archive newer than a source that
# was just added to a module.mk would count as up to date without its object.
.PRECIOUS: $(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h
.DELETE_ON_ERROR:
.PHONY: all $(MODES) programs
$(MODES): ## build the programs in that mode into build/<mode>/bin (default: debug)
	@$(call locked,$@) $(MAKE) --no-print-directory $(PARALLEL) MODE=$@ programs
all: $(MODES) ## build every mode
programs: $(BIN_CSCF) $(BIN_AGW) $(BIN_MORE)

# --- objects, archives, programs ------------------------------------------------------------
$(B)/obj/%.o: %.c | $(GEN_HDR)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CFLAGS_ALL) $(WARN) -MMD -MP -c -o $@ $<

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	@echo "  PROTO $<"
	@protoc-c --proto_path=proto --c_out=$(B)/gen $<
$(B)/gen/%.pb-c.o: $(B)/gen/%.pb-c.c
	@$(CC) $(CFLAGS_ALL) -w -MMD -MP -c -o $@ $<

$(LIBCOMMON): $(call obj,$(COMMON_SRC))
$(LIBPROTO): $(call obj,$(PROTO_SRC)) $(GEN_OBJ)
$(LIBCSCF): $(call obj,$(CSCF_SRC))
$(LIBAGW): $(call obj,$(AGW_SRC))
%.a:
	@mkdir -p $(@D)
	@rm -f $@ && $(AR) rcs $@ $^

link = mkdir -p $(@D) && echo "  LINK  $@" && $(CC) $(LDFLAGS_ALL) -o $@ $(1) $(LIBS)
$(B)/bin/wicgate-cscf: $(call obj,cscf/main.c) $(LIBCSCF) $(LIBPROTO) $(LIBCOMMON)
	@$(call link,$^)
$(B)/bin/wicgate-agw: $(call obj,agw/main.c) $(LIBAGW) $(LIBPROTO) $(LIBCOMMON)
	@$(call link,$^)
define program_rule
$(B)/bin/$(1): $(call obj,$($(1)_SRC)) $(foreach l,$($(1)_LIBS),$(lib_$(l)))
	@$$(call link,$$^)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# --- unit tests -----------------------------------------------------------------------------
TEST_LIB_SRC := $(wildcard tests/lib/*.c)
unit_libs = $(if $(filter tests/unit/cscf/%,$(1)),$(LIBCSCF) $(LIBPROTO),$(if \
	$(filter tests/unit/agw/%,$(1)),$(LIBAGW) $(LIBPROTO),$(if \
	$(filter tests/unit/proto/%,$(1)),$(LIBPROTO)))) $(LIBCOMMON)
define unit_rule
$(patsubst tests/unit/%.c,$(B)/unit/%,$(1)): $(call obj,$(1)) $(call obj,$(TEST_LIB_SRC)) \
		$(call unit_libs,$(1))
	@mkdir -p $$(@D) && echo "  LINK  $$@" && \
	$(CC) $(LDFLAGS_ALL) -o $$@ $$^ $(LIBS) -lcmocka
endef
$(foreach t,$(TEST_SRC),$(eval $(call unit_rule,$(t))))

.PHONY: unit unit-build unit-one
unit-build: $(TEST_BIN)
unit: ## run the unit tests of MODE (default debug)
	@$(call locked,$(MODE)) $(MAKE) --no-print-directory $(PARALLEL) MODE=$(MODE) TEST_SRC="$(TEST_SRC)" unit-build
	@tests/lib/run-unit.sh $(TEST_BIN)
unit-one: ## run one unit test: make unit-one T=tests/unit/cscf/sdp/test_x
	@$(MAKE) --no-print-directory $(PARALLEL) MODE=$(MODE) $(patsubst tests/unit/%,$(B)/unit/%,$(T:.c=))
	@$(patsubst tests/unit/%,$(B)/unit/%,$(T:.c=))

include tests/tests.mk

.PHONY: clean help
clean: ## remove everything built
	rm -rf build
help: ## list the targets
	@grep -hE '^[a-z$$(][a-zA-Z0-9_ $$()-]*:.*##' Makefile tests/tests.mk | sed 's|$$(MODES)|debug release asan tsan|' | \
	awk -F ':.*## ' '{printf "  %-28s %s\n", $$1, $$2}'

ALL_OBJ := $(call obj,$(COMMON_SRC) $(PROTO_SRC) $(CSCF_SRC) $(AGW_SRC) $(TEST_SRC) $(TEST_LIB_SRC))
# Tests lie up to five folders deep.
-include $(foreach d,* */* */*/* */*/*/*,$(wildcard $(B)/obj/$d/*.d))

# `make` builds the program and the library, `make help` lists the rest.
# A board is a folder of boards/ that picks ports, a platform and flags: BOARD=… chooses one.
# CROSS=aarch64-linux-gnu- builds for another machine that runs Linux, into a folder of its own. A board that says
# IMAGE := yes is no program for an operating system but an image of firmware, and names its own compiler.
# V=1 shows the commands.
BOARD ?= linux

ifeq ($(origin CC),default)
CC := $(CROSS)gcc
endif
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory $(if $(V),,--silent)
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

THIRD       := build/third-party
MBEDTLS_USE  = -isystem $(THIRD)/mbedtls/include -Iport/mbedtls \
               -DMBEDTLS_CONFIG_FILE='<$(or $(MBEDTLS_CONFIG),mbedtls_config.h)>'
# What is built, and for whom: it names the folders.
VARIANT     := $(BOARD)$(if $(CROSS),-$(CROSS:%-=%))
PYTHON      := /usr/bin/python3# Debian's: it has the packages installed for it; another may come first in PATH
PREFIX      ?= /usr/local
REPEAT       = to repeat:

# SANITIZE=1 builds everything of ours a second time, beside the first; FUZZ=1 what the fuzz targets need, a third;
# SMALL=1 without what core/include/holdfast/build.h says may be left out. DEFINES=-DHF_…=… sets what stands there, for any of them.
ifdef SANITIZE
BUILD  := build/$(VARIANT)-asan
CC     := clang
CFLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifdef FUZZ
BUILD  := build/$(VARIANT)-fuzz
CC     := clang
CFLAGS := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer \
          -DHF_SCRIPT_LINKS=24# fewer to look through: inputs are run so much faster
else
BUILD  := build/$(VARIANT)
endif

ifdef SMALL
BUILD  := $(BUILD)-small
endif

include boards/$(BOARD)/board.mk
ifdef IMAGE
CC := $(CROSS)gcc
endif
ifdef SMALL
CFLAGS += -DHF_SMALL=1
endif
CFLAGS += $(DEFINES)

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wundef -Wvla -Wpointer-arith -Wwrite-strings -Wformat=2 \
            -Wimplicit-fallthrough $(if $(WERROR_OFF),,-Werror)
# Paths in debug information and assertions are relative to the tree, wherever it stands.
# Which of its HARDENING a compiler has is asked when it is there, so at the first use: hence `=`. Sanitizers see for
# themselves what a fortified function would hide from them.
COMMON    = -std=c11 $(WARNINGS) -ffile-prefix-map=$(CURDIR)=. -ffunction-sections -fdata-sections \
            $(MACHINE) $(WITH) $(if $(SANITIZE)$(FUZZ),,$(HARDENING))
LDFLAGS  += -Wl,--gc-sections -Wl,-O1
link      = $(CC) $(MACHINE) $(CFLAGS) $(if $(SANITIZE)$(FUZZ),,$(HARDENING_LINK)) $(LDFLAGS)

# The folders of the core, from the lowest; each may include from those before it (tests/lint/arrows.py).
CORE := core/base core/settings core/machine core/engine core/pg

use = -Icore/include -Icore $(use_$(patsubst %/,%,$(dir $1)))
compile = $(COMMON) $(CFLAGS) $(call use,$1)

sources  = $(wildcard $(addsuffix /*.c,$1))
objects  = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$1))

core     := $(call objects,$(CORE))
ports    := $(call objects,$(PORTS:%=port/%))
script   := $(call objects,port/script)
platform := $(call objects,$(PLATFORM:%=platform/%))
main     := $(filter %/main.o,$(platform))
board    := $(call objects,$(or $(BOARD_FROM),boards/$(BOARD)))
unit     := $(call objects,$(UNIT))
bench    := $(call objects,tests/bench)
sim      := $(call objects,tests/sim)
fuzz     := $(call objects,tests/fuzz)

library      := $(BUILD)/libholdfast.a
library_test := $(BUILD)/libholdfast_test.a
program      := $(if $(main),$(BUILD)/$(or $(PROGRAM),holdfast))
sysroot      := $(patsubst %,%/.made,$(filter $(THIRD)/%,$(SYSROOT)))
third        := $(THIRD_PARTY:%=$(THIRD)/$(VARIANT)/lib%.a)

.PHONY: all help images run demo test check sim sim-mutants sim-digest digest fuzz fuzzers torture lint bench size install clean \
        distclean format FORCE packages-build packages-test packages-bench

all: $(program) $(if $(IMAGE),,$(library) $(library_test)) ## build the program and the libraries into build/linux

help: ## this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-26s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---- what is needed first -----------------------------------------------------------------------

packages-build packages-test packages-bench: packages-%: # installs what is missing of a group
	$(INSTALLER) $*
packages-test packages-bench: packages-build

fetched := $(THIRD_PARTY:%=$(THIRD)/.fetched-%)

$(fetched): $(THIRD)/.fetched-%: port/third-party.sh $(wildcard port/*/*.patch) | packages-build
	port/third-party.sh $*
	touch $@

$(THIRD)/sysroot-%/.made: boards/linux/sysroot.sh | packages-build
	boards/linux/sysroot.sh $* $(@D)

# Changed flags rebuild everything that was built with others.
told = mkdir -p $(@D) && { echo '$1' | cmp -s - $@ || echo '$1' >$@; }
$(BUILD)/.flags: FORCE | packages-build $(sysroot)
	@$(call told,$(CC) $(COMMON) $(CFLAGS))
$(THIRD)/$(VARIANT)/.flags: FORCE | packages-build $(sysroot)
	@$(call told,$(third_flags) $(WITH) $(MBEDTLS_FLAGS))

# One for all builds of a target, with sanitizers or without: made by its gcc.
third_party = rm -rf $(@:.a=) && $(MAKE) -f port/third-party.mk LIB=$@ CC=$(CROSS)gcc AR=$(CROSS)ar
third_flags = $(or $(THIRD_CFLAGS),-O2 -g) -ffile-prefix-map=$(CURDIR)=. -ffunction-sections -fdata-sections \
              $(MACHINE) $(THIRD_HARDENING)
$(third): $(THIRD)/$(VARIANT)/.flags port/third-party.mk

$(THIRD)/$(VARIANT)/libmbedtls.a: $(THIRD)/.fetched-mbedtls $(wildcard port/mbedtls/*_config.h)
	@echo 'building mbedTLS'
	+$(third_party) SOURCES='$(THIRD)/mbedtls/library/*.c' FAST='$(MBEDTLS_FAST)' $(MBEDTLS_FLAGS) \
	    CFLAGS="$(third_flags) $(WITH) -I$(THIRD)/mbedtls/include $(MBEDTLS_USE)"

$(THIRD)/$(VARIANT)/libcjson.a: $(THIRD)/.fetched-cjson
	@echo 'building cJSON'
	+$(third_party) SOURCES=$(THIRD)/cjson/cJSON.c CFLAGS="$(third_flags)"

lwip = $(THIRD)/lwip/src
$(THIRD)/$(VARIANT)/liblwip.a: $(THIRD)/.fetched-lwip $(wildcard port/lwip/*opts.h port/lwip/arch/*.h $(or $(LWIPOPTS_FROM),boards/$(BOARD))/lwipopts.h)
	@echo 'building lwIP'
	+$(third_party) SOURCES='$(lwip)/core/*.c $(lwip)/core/ipv4/*.c $(lwip)/core/ipv6/*.c $(lwip)/netif/ethernet.c' \
	    CFLAGS="$(third_flags) -I$(lwip)/include -Icore/include -Iport/lwip -I$(or $(LWIPOPTS_FROM),boards/$(BOARD))"

# ---- compile and link ---------------------------------------------------------------------------

$(BUILD)/%.o: %.c $(BUILD)/.flags
	mkdir -p $(@D)
	@echo '$(CC) $<'
	$(CC) $(call compile,$<) -MMD -MP -c $< -o $@

# Headers of fetched sources have to be there, and a change of them is a change.
$(ports) $(platform) $(board) $(unit) $(bench): $(fetched)

# An adapter and the library it adapts become one object in which only hf_ names are global, so that
# libholdfast.a never clashes with another mbedTLS or cJSON in the same program.
$(BUILD)/merged-%.o:
	$(CC) -r -nostdlib -o $@ $^
	$(CROSS)objcopy --wildcard --keep-global-symbol='hf_*' $@
$(BUILD)/merged-mbedtls.o: $(filter $(BUILD)/port/mbedtls/%,$(ports)) $(THIRD)/$(VARIANT)/libmbedtls.a
$(BUILD)/merged-cjson.o: $(filter $(BUILD)/port/cjson/%,$(ports)) $(THIRD)/$(VARIANT)/libcjson.a

merged := $(foreach p,mbedtls cjson,$(if $(filter $(BUILD)/port/$p/%,$(ports)),$(BUILD)/merged-$p.o))

$(library): $(core) $(filter-out $(BUILD)/port/mbedtls/% $(BUILD)/port/cjson/%,$(ports)) $(merged)
$(library_test): $(core) $(script)
$(BUILD)/libplatform.a: $(filter-out $(main),$(platform))
$(BUILD)/libunit.a: $(filter-out $(BUILD)/$(UNIT)/test_%,$(unit)) $(UNIT_WITH:%=$(BUILD)/%.o)
$(BUILD)/lib%.a: | $(BUILD)/.flags
	printf '!<arch>\n' >$@
	$(if $^,$(CROSS)ar rcsD $@ $^)

# lwIP is not hidden in the library: an image has one, which the application may use too.
lwip_library := $(filter %/liblwip.a,$(third))

# An image for another machine is linked from its parts, so that the map tells them apart.
links := $(platform) $(board) $(if $(IMAGE),$(core) $(ports) $(third),$(library) $(lwip_library))

$(program): $(links) $(LINK_SCRIPTS)
	@echo 'link $@'
	$(link) -o $@ $(links) $(CSVLIBS) $(LDLIBS)

# Beside an image, for its tests: the same with the hooks that fail closed, and one that does wrong on purpose.
images := $(if $(IMAGE),$(addprefix $(BUILD)/,closed.elf traps.elf))
traps  := $(if $(IMAGE),$(call objects,tests/boards))
$(BUILD)/closed.elf: $(filter-out $(BUILD)/platform/qemu/%,$(links)) $(LINK_SCRIPTS)
$(BUILD)/traps.elf: $(traps) $(filter-out $(BUILD)/platform/logger/%,$(platform)) $(board) $(LINK_SCRIPTS)
$(images):
	$(link) -o $@ $(filter %.o %.a,$^) $(LDLIBS)

# ---- tests --------------------------------------------------------------------------------------

# Under an emulator without those that try every byte of long streams, for each takes as long as all others together,
# and without the one that counts system calls: the emulator's signals add some.
not_emulated := $(if $(RUNNER),%/test_linux_wait %/test_mbedtls_link %/test_mbedtls_heap %/test_pg_hostile %/test_pg_model %/test_dsn \
                            %/test_rules_faults)
tests := $(patsubst %.o,%,$(filter $(BUILD)/$(UNIT)/test_%,$(unit)))
benches := $(patsubst %.o,%,$(bench))
program_links := $(BUILD)/libplatform.a $(library_test) $(library)

$(tests): %: %.o $(BUILD)/libunit.a $(program_links) $(third)
	$(link) -o $@ $^ -lcmocka $(CSVLIBS) $(LDLIBS)

$(benches): %: %.o $(program_links) $(third)
	$(link) -o $@ $^ $(if $(findstring libpq,$@),-lpq) $(CSVLIBS) $(LDLIBS)

simulator := $(BUILD)/tests/sim/sim

# Put between the program and libc by the tests that make its calls fail.
interposer := $(BUILD)/tests/torture/interpose.so

$(interposer): tests/torture/interpose.c $(BUILD)/.flags
	mkdir -p $(@D)
	gcc $(filter-out -ffunction-sections -fdata-sections,$(COMMON)) -O1 -g -shared -fPIC -o $@ $< -ldl

# A client on one connection, in the hands of test_replay.py.
replay := $(BUILD)/tests/integration/replay

$(replay): %: %.o $(library)
	$(link) -o $@ $^ $(LDLIBS)

$(simulator): $(core) $(sim)
	$(link) -o $@ $^

# Linked from the objects themselves: where no name is local, every line is counted.
fuzzers := $(patsubst %.o,%,$(filter $(BUILD)/tests/fuzz/fuzz_%,$(fuzz)))
$(fuzzers): %: %.o $(BUILD)/tests/fuzz/memory_file.o $(BUILD)/tests/sim/hash.o $(BUILD)/tests/unit/peer.o \
            $(BUILD)/tests/unit/peer_fate.o $(BUILD)/tests/unit/peer_say.o \
            $(core) $(ports) $(script) $(board) $(filter-out $(main),$(platform)) $(third)
	@echo 'link $@'
	$(link) -fsanitize=fuzzer -o $@ $^ $(CSVLIBS) $(LDLIBS)
fuzzers: $(fuzzers)

groups := test-unit test-sanitize test-sim test-fuzz test-integration test-integration-sanitize test-lwip test-readme test-boards test-cross
BOARDS := mps2-an386 mps2-an385 mps2-an505
.PHONY: $(groups)

test: packages-test ## all tests, group by group; says at the end which failed
	MAKE='$(MAKE)' tests/run.sh groups $(groups)

test-unit: packages-test ## unit tests on a virtual clock (cmocka)
	$(MAKE) $(filter-out $(not_emulated),$(tests))
	RUNNER='$(RUNNER)' tests/run.sh programs $(filter-out $(not_emulated),$(tests))

test-sanitize: packages-test ## the unit tests with address and undefined-behaviour sanitizers
	$(MAKE) SANITIZE=1 all
	$(MAKE) SANITIZE=1 test-unit
	$(MAKE) SANITIZE=1 SMALL=1 test-small

# The other unit tests are of what a small build leaves out, or read its messages.
small_tests := $(filter %/test_scram %/test_pg_login %/test_pg_hostile %/test_pg_unnamed %/test_pg_model,$(tests))
test-small: packages-test # the unit tests that a small build passes as well (SMALL=1)
	$(MAKE) $(small_tests)
	tests/run.sh programs $(small_tests)

test-integration: packages-test ## the program against real servers (pytest)
	$(MAKE) all $(interposer) $(replay) $(BUILD)/tests/unit/test_mbedtls_hash
	tests/run.sh integration $(BUILD)/holdfast

test-integration-sanitize: packages-test ## the same, with the program built with sanitizers
	$(MAKE) SANITIZE=1 all build/$(VARIANT)-asan/tests/torture/interpose.so build/$(VARIANT)-asan/tests/integration/replay
	TEST_ASAN=1 tests/run.sh integration build/$(VARIANT)-asan/holdfast

test-boards: packages-test ## firmware images under QEMU against a real server (pytest)
	for board in $(BOARDS); do $(MAKE) BOARD=$$board images || exit 1; done
	tests/run.sh boards

images: $(program) $(images)

test-cross: packages-test ## the program and its unit tests for arm64 and armhf, under qemu-user
	for machine in $(CROSSES); do \
	    for what in all test-unit test-machine; do $(MAKE) CROSS=$$machine- $$what || exit 1; done; \
	done

test-machine: # with CROSS: a query over TLS
	RUNNER='$(RUNNER)' tests/run.sh integration $(BUILD)/holdfast -k logs_in_over_tls

test-lwip: packages-test ## the lwIP port: unit tests, sanitized, and the fault tests over a TAP device (as root)
	$(MAKE) BOARD=linux-lwip SANITIZE=1 test-unit
	$(MAKE) BOARD=linux-lwip all
	HOLDFAST_PORT=lwip tests/run.sh integration build/linux-lwip/holdfast -m 'fault or lwip'

test-readme: packages-test ## compile the C programs in README.md
	$(MAKE) all
	CC='$(CC)' LIBS='$(LDLIBS)' tests/readme.sh $(BUILD)

test-fuzz: packages-test ## the fuzz targets: all that is known replayed, then new inputs, the same each time
	$(MAKE) FUZZ=1 fuzzers
	tests/fuzz/run.sh build/$(VARIANT)-fuzz same

fuzz: packages-test ## fuzz for SECONDS= (60) a target; TARGET= one (wire, pool, csv …)
	$(MAKE) FUZZ=1 fuzzers
	tests/fuzz/run.sh build/$(VARIANT)-fuzz $(or $(SECONDS),60) $(TARGET)

torture: packages-test ## every allocation, socket and file call of a report failing in turn (some of them: make test)
	$(MAKE) all $(interposer)
	TORTURE=all tests/run.sh integration $(BUILD)/holdfast -k torture

# The range is fixed, so that what passes here passes everywhere. More: make sim N=100000, or FROM= elsewhere.
test-sim: packages-build ## the simulator: many seeds, fewer with sanitizers, and the mutants
	$(MAKE) sim-digest
	$(MAKE) SANITIZE=1 sim N=1500
	$(MAKE) sim-mutants
	@echo 'for more: make sim N=100000; make SANITIZE=1 sim N=10000'

sim: packages-build ## the simulator: N= seeds FROM= one, or SEED= alone
	$(MAKE) $(simulator)
	$(simulator) $(if $(SEED),--seed $(SEED),--from $(or $(FROM),1) --count $(or $(N),10000)) $(if $(LOG),--log $(LOG))

# With SANITIZE=1 or another CC the same numbers are expected. AGAINST= looks at the build at hand only.
sim-digest: packages-build ## do 20,000 seeds behave as recorded? WRITE=1 records, AGAINST=COMMIT finds the seed
	$(MAKE) digest
	$(if $(AGAINST)$(SMALL),,$(MAKE) SMALL=1 digest)

digest:
	$(MAKE) $(simulator)
	tests/sim/digest.sh $(if $(AGAINST),against $(AGAINST) '$(MAKE)' $(simulator) $(or $(FROM),1) $(or $(N),1000),\
	    $(if $(WRITE),write,check) $(simulator) $(if $(SMALL),small,whole) $(or $(N),20000))

sim-mutants: packages-build ## faults put into the core one by one: the simulator must find each
	$(MAKE) $(simulator)
	tests/sim/mutants.sh $(BUILD) $(CC) $(COMMON) $(CFLAGS) $(if $(MUTANTS),-- $(MUTANTS))

check: ## lint and test: what CI runs
	$(MAKE) lint
	$(MAKE) test

demo: packages-test ## a report that survives a server's restart, in a minute
	$(MAKE) all
	HOLDFAST=$(abspath $(BUILD)/holdfast) tests/demo.sh

bench: packages-bench packages-test ## libpq and holdfast side by side
	$(MAKE) all $(benches)
	HOLDFAST=$(abspath $(BUILD)/holdfast) BENCHES=$(abspath $(BUILD)/tests/bench) $(PYTHON) tests/bench/run.py

run: $(if $(IMAGE),packages-test) ## with BOARD=mps2-…: the image under QEMU, through a stopped server and a cut cable
	$(if $(IMAGE),:,echo 'make run is for an image: say BOARD=mps2-an386' >&2; exit 1)
	$(MAKE) $(program)
	$(PYTHON) tests/boards/run.py $(program)

size: ## what the code weighs, beside the sizes to reach
	$(MAKE) $(if $(IMAGE),packages-test,$(library)) $(program) $(third)
	$(PYTHON) $(if $(IMAGE),tests/boards/size.py $(program) $(if $(WRITE),--write),\
	    tests/size.py $(BUILD) $(THIRD)/$(VARIANT) $(CC) $(CSVLIBS) $(LDLIBS))

# ---- lint ---------------------------------------------------------------------------------------

code    := $(call sources,$(LINT))
all_c    = $(shell find core port platform boards tests -name '*.[ch]')
shells  := $(wildcard boards/*/*.sh port/*.sh tests/*.sh tests/*/*.sh) .ci/run
lints   := lint-arrows lint-format lint-shell lint-symbols lint-tidy lint-tidy-lwip lint-tidy-images
.PHONY: $(lints)

lint: packages-test packages-bench ## arrows, format, clang and clang-tidy, shellcheck; no tests
	$(MAKE) -k $(lints) || { echo 'lint: FAILED, repeat with: make lint'; exit 1; }
	@echo 'lint: clean'

lint-arrows: # the rules of the tree, and that each claim of the documents has its test
	$(PYTHON) tests/lint/selftest.py
	$(PYTHON) tests/lint/arrows.py
	$(PYTHON) tests/lint/traceability.py

lint-format:
	clang-format --dry-run -Werror $(all_c) || { echo '$(REPEAT) make lint-format; to mend: make format'; exit 1; }

format: ## rewrite the C files in the one style
	clang-format -i $(all_c)

lint-shell:
	shellcheck $(shells)

lint-symbols: $(core) $(library) $(library_test) # what the linker sees
	tests/lint/symbols.sh core $(core)
	tests/lint/symbols.sh library $(library) $(library_test)

# One stamp for each file: again only when it or a header of it changed.
lint-tidy: $(patsubst %.c,$(BUILD)/%.tidy,$(code))
$(BUILD)/%.tidy: $(BUILD)/%.o .clang-tidy tests/.clang-tidy
	@echo 'clang-tidy $*.c'
	clang $(call compile,$*.c) $(CLANG_CFLAGS) -fsyntax-only $*.c
	clang-tidy --quiet $*.c -- $(call compile,$*.c) $(CLANG_CFLAGS) 2>&1 | { ! grep -v -e 'warnings\? generated' -e '^Suppressed' -e '^Use -header'; }
	touch $@

lint-tidy-lwip: # what that board alone compiles
	$(MAKE) BOARD=linux-lwip lint-tidy

lint-tidy-images: # what is compiled for a Cortex-M alone
	$(MAKE) BOARD=mps2-an386 lint-tidy
	$(MAKE) BOARD=mps2-an505 lint-tidy

# ---- install ------------------------------------------------------------------------------------

install: $(if $(wildcard boards/$(BOARD)/install.sh),all) ## install program, libraries and headers below PREFIX (/usr/local), in DESTDIR
	[ -e boards/$(BOARD)/install.sh ] || { echo 'boards/$(BOARD) has no install.sh: nothing of it is installed' >&2; exit 1; }
	CC='$(CC) $(MACHINE)' LIBS='$(LDLIBS)' boards/$(BOARD)/install.sh $(BUILD) $(PREFIX) '$(DESTDIR)'

clean: ## remove what was built (but the third-party part: distclean)
	rm -rf build/$(VARIANT) build/$(VARIANT)-asan build/$(VARIANT)-fuzz

distclean: ## remove build/ whole
	rm -rf build

-include $(patsubst %.o,%.d,$(core) $(ports) $(script) $(platform) $(board) $(unit) $(bench) $(sim) $(fuzz) $(replay).o) $(UNIT_WITH:%=$(BUILD)/%.d)

# What is built, how it is compiled, linked and installed. `make` builds the program and the library, `make help` lists
# the rest; V=1 shows the commands. The other questions have a file each:
#
#   boards/boards.mk      for whom: the board, the machine, the way of building; what the machine has to have
#   boards/*/board.mk     what one board is made of
#   port/third-party.mk   the sources of others: fetched, compiled
#   tests/tests.mk        how it is tested, measured and shown
#   tests/lint/lint.mk    how it is linted
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory $(if $(V),,--silent)
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

THIRD       := build/third-party
MBEDTLS_USE  = -isystem $(THIRD)/mbedtls/include -Iport/mbedtls \
               -DMBEDTLS_CONFIG_FILE='<$(or $(MBEDTLS_CONFIG),mbedtls_config.h)>'
PREFIX      ?= /usr/local

# The folders of the core, from the lowest; each may include from those before it (tests/lint/arrows.py).
CORE := core/base core/settings core/machine core/engine core/pg

include boards/boards.mk

# ---- compile and link ---------------------------------------------------------------------------

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

use = -Icore/include -Icore $(patsubst %,-I%,$(wildcard port/*/include)) $(use_$(patsubst %/,%,$(dir $1)))
compile = $(COMMON) $(CFLAGS) $(call use,$1)

sources  = $(wildcard $(addsuffix /*.c,$1))
objects  = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$1))

core     := $(call objects,$(CORE))
ports    := $(call objects,$(PORTS:%=port/%))
script   := $(call objects,port/script)
platform := $(call objects,$(PLATFORM:%=platform/%))
main     := $(filter %/main.o,$(platform))
board    := $(call objects,$(or $(BOARD_FROM),boards/$(BOARD)))

library      := $(BUILD)/libholdfast.a
library_test := $(BUILD)/libholdfast_test.a
program      := $(if $(main),$(BUILD)/$(or $(PROGRAM),holdfast))

.PHONY: all help install clean distclean FORCE

all: $(program) $(if $(IMAGE),,$(library) $(library_test)) ## build the program and the libraries into build/linux

help: ## this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-26s %s\n", $$1, $$2 }' $(filter Makefile %.mk,$(MAKEFILE_LIST))

# Changed flags rebuild everything that was built with others.
told = mkdir -p $(@D) && { echo '$1' | cmp -s - $@ || echo '$1' >$@; }
$(BUILD)/.flags: FORCE | needs $(sysroot)
	@$(call told,$(CC) $(COMMON) $(CFLAGS))

include port/third-party.mk

$(BUILD)/%.o: %.c $(BUILD)/.flags
	mkdir -p $(@D)
	@echo '$(CC) $<'
	$(CC) $(call compile,$<) -MMD -MP -c $< -o $@

# Headers of fetched sources have to be there, and a change of them is a change.
$(ports) $(platform) $(board): $(fetched)

# An adapter and the library it adapts become one object in which only hf_ names are global, so that
# libholdfast.a never clashes with another mbedTLS or cJSON in the same program.
$(BUILD)/merged-%.o:
	$(CC) -r -nostdlib -o $@ $^ $(MERGE_$*)
	$(CROSS)objcopy --wildcard --keep-global-symbol='hf_*' $@
$(BUILD)/merged-mbedtls.o: $(filter $(BUILD)/port/mbedtls/%,$(ports)) $(THIRD)/$(VARIANT)/libmbedtls.a
$(BUILD)/merged-cjson.o: $(filter $(BUILD)/port/cjson/%,$(ports)) $(THIRD)/$(VARIANT)/libcjson.a

merged := $(foreach p,mbedtls cjson,$(if $(filter $(BUILD)/port/$p/%,$(ports)),$(BUILD)/merged-$p.o))

$(library): $(core) $(filter-out $(BUILD)/port/mbedtls/% $(BUILD)/port/cjson/%,$(ports)) $(merged)
$(library_test): $(core) $(script)
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

include tests/tests.mk tests/lint/lint.mk

# ---- install ------------------------------------------------------------------------------------

install: $(if $(wildcard boards/$(BOARD)/install.sh),all) ## install program, libraries and headers below PREFIX (/usr/local), in DESTDIR
	[ -e boards/$(BOARD)/install.sh ] || { echo 'boards/$(BOARD) has no install.sh: nothing of it is installed' >&2; exit 1; }
	CC='$(CC) $(MACHINE)' LIBS='$(LDLIBS)' SIZES='$(if $(SMALL),-DHF_SMALL=1) $(filter -DHF_%,$(DEFINES))' boards/$(BOARD)/install.sh $(BUILD) $(PREFIX) '$(DESTDIR)'

clean: ## remove all that was built, for every board and in every way; what was fetched for it stays
	[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -path $(THIRD) -exec rm -rf {} +
	for flags in $(THIRD)/*/.flags; do rm -rf "$${flags%/.flags}"; done
	find . -path ./build -prune -o \( -name __pycache__ -o -name .pytest_cache \) -prune -exec rm -rf {} +

distclean: clean ## clean, and remove what was fetched: the next make takes the newest sources
	rm -rf build

-include $(patsubst %.o,%.d,$(core) $(ports) $(script) $(platform) $(board))

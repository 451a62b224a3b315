# For whom: the board, the machine and the way of building. Each has a folder of its own below build/.
#
# BOARD=… is a folder of boards/ that picks ports, a platform and flags. A board that says IMAGE := yes is no program
# for an operating system but an image of firmware, and names its own compiler. CROSS=aarch64-linux-gnu- builds for
# another machine that runs Linux. SANITIZE=1 builds everything of ours a second time, beside the first; FUZZ=1 what the
# fuzz targets need, a third; SMALL=1 without what core/include/holdfast/build.h says may be left out.
# DEFINES=-DHF_…=… sets what stands there, in any of these builds.
BOARD ?= linux

ifeq ($(origin CC),default)
CC := $(CROSS)gcc
endif
VARIANT := $(BOARD)$(if $(CROSS),-$(CROSS:%-=%))

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

# ---- what the machine has to have ---------------------------------------------------------------
# A build asks for it and installs nothing. deps installs it, and so do the targets that test, lint, measure or show:
# these work by themselves on a fresh machine.

given   = $(foreach v,BOARD CROSS CC SANITIZE FUZZ,$(if $(filter command,$(firstword $(origin $v))),$(call told_as,$v)))
told_as = $1=$(if $(word 2,$($1)),'$($1)',$($1))
deps    = $(PACKAGES) install $(DEPS)
sysroot := $(patsubst %,%/.made,$(filter $(THIRD)/%,$(SYSROOT)))

.PHONY: needs deps
needs: | $(filter clean distclean deps%,$(MAKECMDGOALS)) # says what is missing, before anything is compiled
	HF_DEPS="$(strip make $(given) deps)" $(PACKAGES) check $(DEPS) -- $(CC) $(MACHINE) $(CFLAGS)

deps: ## install the Debian packages that make asks for: with BOARD=, CROSS=, SANITIZE= those of that
	$(deps)

deps-%: FORCE # and what a group of targets needs besides
	$(deps) $(DEPS_$*)

$(THIRD)/sysroot-%/.made: boards/linux/sysroot.sh | needs
	boards/linux/sysroot.sh $* $(@D)

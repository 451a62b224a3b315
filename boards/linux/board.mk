# A program and a library for Linux and its kin.
PORTS       := linux mbedtls cjson
PLATFORM    := linux linux/base linux/cli linux/query linux/report
UNIT        := tests/unit
# Of an image what is the same everywhere.
UNIT_WITH   := $(addprefix platform/logger/,memory readings settings store)
THIRD_PARTY := mbedtls cjson
CROSSES     := aarch64-linux-gnu arm-linux-gnueabihf
# What a build needs of the machine, and what else some targets do: groups of packages.sh. For another machine there are
# libraries of its own.
PACKAGES    := boards/linux/packages.sh
DEPS         = $(filter-out /%,$(filter %gcc %clang gcc-% clang-%,$(sort $(firstword $(CC)) $(CROSS)gcc))) \
               $(if $(CROSS),$(if $(sysroot),sysroot),libraries $(if $(filter command,$(origin IPSEC_MB)),,faster)) sources $(if $(SANITIZE)$(FUZZ),sanitizers)
DEPS_test   := test
DEPS_bench  := test bench
DEPS_lint   := test bench arm-none-eabi-gcc newlib
DEPS_boards := test arm-none-eabi-gcc newlib qemu
DEPS_cross  := test sysroot $(CROSSES:%=%-gcc)
# What clang-tidy reads for this board.
LINT        := $(CORE) $(PORTS:%=port/%) port/script $(PLATFORM:%=platform/%) boards/linux tests/unit tests/bench tests/sim \
               tests/fuzz tests/integration tests/torture

# What each folder is compiled with beside the core's. Third-party headers are -isystem, and only for
# the one folder that adapts them.
use_port/linux     := -D_GNU_SOURCE -Iport -Iport/linux -Iport/mbedtls
use_port/mbedtls   := -Iport/mbedtls $(MBEDTLS_USE)
use_port/cjson     := -Iport/cjson -isystem $(THIRD)/cjson
use_port/script    := -Iport/script
use_platform/linux := -D_GNU_SOURCE -Iplatform/linux $(PORTS:%=-Iport/%)
$(foreach f,$(filter linux/%,$(PLATFORM)),$(eval use_platform/$f := $(use_platform/linux)))
use_platform/logger := -Iplatform/logger -Iport/cjson
use_boards/linux   := $(use_platform/linux)
use_tests/unit     := $(use_platform/linux) -Iplatform/logger -Iport -Iport/script -Itests -I. \
                      $(MBEDTLS_USE) -isystem $(THIRD)/cjson
use_tests/fuzz     := $(use_platform/linux) -Iport/script
use_tests/integration := $(use_platform/linux)
use_tests/sim      := -D_GNU_SOURCE -Itests/sim
use_tests/bench    := $(use_platform/linux) -Iport -Itests/unit -isystem /usr/include/postgresql

# What encrypts a record gets -O3; the rest gains nothing from it and grows.
MBEDTLS_FAST   = gcm aes aesni block_cipher
# AES and carry-less multiplication by instruction halve the cost of a TLS record. These files alone may have such
# instructions, and mbedTLS asks the processor before it calls them: all the rest runs on the oldest of its kind.
PROCESSOR     = $(firstword $(subst -, ,$(shell $(CROSS)gcc -dumpmachine)))
MBEDTLS_FLAGS = $(MBEDTLS_FLAGS_$(PROCESSOR))
MBEDTLS_FLAGS_x86_64  := FLAGS_aesni='-maes -mpclmul -mssse3' FLAGS_aes='-maes -mpclmul'
MBEDTLS_FLAGS_aarch64 := FLAGS_aesce=-march=armv8-a+crypto

# AES-GCM by intel-ipsec-mb, if that is there: many times as fast. IPSEC_MB= on the command line builds without it. Here
# too the processor is asked first.
IPSEC_MB      = $(eval IPSEC_MB := $$(shell boards/linux/ipsec_mb.sh $$(CROSS)gcc $$(MACHINE)))$(IPSEC_MB)
MERGE_mbedtls = $(IPSEC_MB) $(if $(filter -fcf-protection=%,$(if $(SANITIZE)$(FUZZ),,$(HARDENING))),$(CET_NOTE))
MBEDTLS_NOTE  = $(MBEDTLS_NOTE_$(PROCESSOR))
MBEDTLS_NOTE_x86_64 = $(if $(IPSEC_MB),: AES-GCM by intel-ipsec-mb,: its own AES-GCM; a faster one is in libipsec-mb-dev)

# For another machine: its libraries, in a folder that sysroot.sh makes or that is given, and what runs its programs here.
ifdef CROSS
SYSROOT ?= $(THIRD)/sysroot-$(CROSS:%-=%)
RUNNER  ?= qemu-$(firstword $(subst -, ,$(CROSS)))$(if $(SYSROOT), -L $(SYSROOT))
endif

# Times and sizes of files have 64 bits on a 32-bit machine too. Where its C library's default are 32, c-ares is built
# with that, and lookup.c, which hands a `struct timeval` to it, must be.
MACHINE      = $(if $(SYSROOT),--sysroot=$(abspath $(SYSROOT))) $(WIDE)
WIDE         = $(eval WIDE := $$(shell $$(CROSS)gcc -dM -E -x c /dev/null 2>/dev/null | awk \
                   '/__SIZEOF_LONG__ 4/ { short = 1 } /_TIME_BITS/ { told = 1 } \
                    END { if (short && !told) print "-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64" }'))$(WIDE)
$(BUILD)/port/linux/lookup.o: private WIDE =

# What Linux has and a board may do without (core/include/holdfast/build.h); mbedTLS is built to fit, whatever CFLAGS is given.
WITH     = -DHF_WITH_SASLPREP=1 -DHF_WITH_CRL=1 -DHF_WITH_CLIENT_CERT=1 -DHF_WITH_P521=1 $(filter -D%,$(IPSEC_MB))
CFLAGS  ?= -O2 -g
LDLIBS  += -lcares -lidn
CSVLIBS := -lcsv -lz

# The same for every object, third-party code's too, of what the compiler has for its target. Position independent, so
# that the library can be linked into a program or a shared object; with names bound inside, which costs nothing then.
HARDENING       = $(eval HARDENING := $$(call hardened,$$(CC),$$(CFLAGS)))$(HARDENING)
THIRD_HARDENING = $(eval THIRD_HARDENING := $$(call hardened,$$(CROSS)gcc,-O2))$(THIRD_HARDENING)
hardened        = -fPIC -fno-semantic-interposition -fstack-protector-strong \
                  $(if $(filter-out -O0,$(filter -O%,$2)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3) \
                  $(shell for flag in -fstack-clash-protection -fcf-protection=full -mbranch-protection=standard; do \
                      echo 'int f(void) { return 0; }' | $1 $$flag -Werror -x c -c -o /dev/null - 2>/dev/null && echo $$flag; \
                  done)
# The start-up files of a C library without CET would take the note from the program, for the sake of _init and _fini
# alone: nothing needs these, and without them it is true of all that is linked.
# What is merged with intel-ipsec-mb has the note too: that library's functions begin as IBT asks, release 2.0 only lacks it.
HARDENING_LINK  = -pie -Wl,-z,relro,-z,now,-z,noexecstack $(if $(filter -fcf-protection=%,$(HARDENING)),$(CET_LINK))
CET_NOTE       := -Wl,-z,ibt,-z,shstk
CET_LINK       := $(CET_NOTE),-init=,-fini=

# A program and a library for Linux and its kin.
PORTS       := linux mbedtls cjson
PLATFORM    := linux
UNIT        := tests/unit
# Of an image what is the same everywhere.
UNIT_WITH   := $(addprefix platform/logger/,memory readings settings store)
THIRD_PARTY := mbedtls cjson
INSTALLER   := boards/linux/packages.sh
# What clang-tidy reads for this board.
LINT        := core core/pg $(PORTS:%=port/%) port/script platform/linux boards/linux tests/unit tests/bench tests/sim \
               tests/fuzz tests/integration tests/torture

# What each folder is compiled with beside -Icore. Third-party headers are -isystem, and only for
# the one folder that adapts them.
use_port/linux     := -D_GNU_SOURCE -Iport -Iport/linux -Iport/mbedtls
use_port/mbedtls   := -Iport/mbedtls $(MBEDTLS_USE)
use_port/cjson     := -Iport/cjson -isystem $(THIRD)/cjson
use_port/script    := -Iport/script
use_platform/linux := -D_GNU_SOURCE -Iplatform/linux $(PORTS:%=-Iport/%)
use_platform/logger := -Iplatform/logger -Iport/cjson
use_boards/linux   := $(use_platform/linux)
use_tests/unit     := $(use_platform/linux) -Iplatform/logger -Iport -Iport/script -Itests -I. \
                      $(MBEDTLS_USE) -isystem $(THIRD)/cjson
use_tests/fuzz     := $(use_platform/linux) -Iport/script
use_tests/sim      := -D_GNU_SOURCE -Itests/sim
use_tests/integration := -Iport/linux
use_tests/bench    := $(use_platform/linux) -isystem /usr/include/postgresql

# What encrypts a record gets -O3; the rest gains nothing from it and grows.
MBEDTLS_FAST   = gcm aes aesni block_cipher
# AES and carry-less multiplication by instruction halve the cost of a TLS record. aesni.c asks the
# CPU before it uses them.
# What Linux has and a board may do without (core/build.h); mbedTLS is built to fit.
WITH := -DHF_WITH_SASLPREP=1 -DHF_WITH_CRL=1 -DHF_WITH_CLIENT_CERT=1 -DHF_WITH_P521=1
MBEDTLS_CFLAGS = $(WITH) $(if $(findstring x86_64,$(shell gcc -dumpmachine)),-maes -mpclmul -msse4.1)

CFLAGS  ?= -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS  += $(WITH)
LDLIBS  += -lcares -lidn
CSVLIBS := -lcsv

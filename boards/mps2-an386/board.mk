# Arm MPS2 with a Cortex-M4 (AN386), as QEMU has it. Another board is a copy of this folder.
CPU   ?= cortex-m4
CONNS ?= 32

ifndef BOARD_FROM
BOARD_FROM := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))# this folder, also where another board includes it
endif
LWIPOPTS_FROM ?= $(BOARD_FROM)

PORTS      := lwip mbedtls cjson
# hooks.c of cortex-m fails closed; qemu is what tests bring instead of a random source, a clock and a sensor.
PLATFORM   := cortex-m logger qemu
PROGRAM    := logger.elf
THIRD_PARTY := $(PORTS)
LINT        := platform/cortex-m platform/logger platform/qemu $(BOARD_FROM) tests/boards
PACKAGES   := boards/linux/packages.sh
DEPS       := arm-none-eabi-gcc newlib sources
DEPS_test  := test qemu

IMAGE          := yes
CROSS          := arm-none-eabi-
THIRD_CFLAGS   := -mcpu=$(CPU) -mthumb -Os -g -fno-common
MBEDTLS_CONFIG := board_config.h

# One connection, one host, messages that fit a line, values as text, one version of the protocol, one password, and no
# ledger: the logger's readings have keys of their own.
CFLAGS := $(THIRD_CFLAGS) -DHF_MESSAGE_BYTES=128 -DHF_HOSTS_MAX=1 -DHF_ADDRESSES_MAX=2 -DHF_WITH_LEDGER=0 \
          -DHF_WITH_VALUES=0 -DHF_WITH_VERSIONS=0 -DHF_WITH_CREDENTIALS=0 \
          -DHF_CONNS_MAX=$(CONNS) -DHF_JOURNAL_ENTRIES=8 -DHF_DSN_BYTES=64 -DHF_STATEMENT_BYTES=1024 -DHF_MBEDTLS_AHEAD_BYTES=1024

LWIP_USE            := -isystem $(THIRD)/lwip/src/include -I$(LWIPOPTS_FROM) -Iport/lwip
use_port/lwip        = $(LWIP_USE) -Iport -Iport/mbedtls
use_port/mbedtls     = -Iport/mbedtls $(MBEDTLS_USE)
use_port/cjson      := -Iport/cjson -isystem $(THIRD)/cjson
use_platform/cortex-m = -Iplatform/cortex-m
use_platform/qemu     = -Iplatform/cortex-m
use_platform/logger   = -Iplatform/cortex-m -Iplatform/logger $(PORTS:%=-Iport/%) -Iport $(LWIP_USE)
use_tests/boards      = -Iplatform/cortex-m
use_$(BOARD_FROM)     = -Iplatform/cortex-m -DHF_BOARD='"$(BOARD)"'

LINK_SCRIPTS := $(BOARD_FROM)/memory.ld platform/cortex-m/sections.ld
LDFLAGS       = --specs=nano.specs -nostartfiles -Lplatform/cortex-m -T $(BOARD_FROM)/memory.ld \
                -Wl,-Map=$@.map
CLANG_CFLAGS := --target=arm-none-eabi -isystem /usr/include/newlib

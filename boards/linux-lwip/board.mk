# The program of boards/linux, but on lwIP over a TAP device.
include boards/linux/board.mk

PORTS       := lwip linux mbedtls cjson
UNIT        := tests/lwip
THIRD_PARTY += lwip
LINT        := port/lwip boards/linux-lwip tests/lwip

# Its pools of memory (lwipopts.h) have room for so many.
WITH += -DHF_CONNS_MAX=64

use_lwip              := -Iport -Iport/lwip -Iport/mbedtls -Iboards/$(BOARD) -isystem $(THIRD)/lwip/src/include
use_port/lwip         := $(use_lwip)
use_boards/linux-lwip := $(use_platform/linux) $(use_lwip)
use_tests/lwip        := $(use_boards/linux-lwip) -Itests/unit

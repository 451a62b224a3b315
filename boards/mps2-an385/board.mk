# Arm MPS2 with a Cortex-M3 (AN385): the same map, another core, and the small build (core/include/holdfast/build.h).
CPU   := cortex-m3
CONNS := 1
include boards/mps2-an386/board.mk
CFLAGS := $(filter-out -DHF_WITH_%,$(CFLAGS)) -DHF_SMALL=1

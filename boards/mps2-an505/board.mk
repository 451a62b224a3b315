# Arm MPS2 with a Cortex-M33 (AN505): Armv8-M, its secure side, and another map; the whole build.
CPU           := cortex-m33+nofp
BOARD_FROM    := boards/mps2-an505
LWIPOPTS_FROM := boards/mps2-an386
include boards/mps2-an386/board.mk
CFLAGS += -DHF_HW_IRQS=64
# What is compiled in another way than for the M4.
LINT   := platform/cortex-m boards/mps2-an505

# Arm MPS2 with a Cortex-M3 (AN385): the same map, another core.
CPU := cortex-m3
include boards/mps2-an386/board.mk

/* Arm MPS2 with the FPGA image AN505 (Arm DAI 0505), from its secure side: the addresses with bit 28 set. */
#include "hw.h"

const hf_hw_board hf_hw_board_here = {
    .name = HF_BOARD,
    .clock_hz = 20000000,
    .uart = 0x50200000,
    .lan9118 = 0x52000000,
    .lan9118_irq = 48,
    .config = 0x10040000,
    .config_bytes = 8192,
};

/* Arm MPS2 with the FPGA image AN386 or AN385 (Arm DAI 0386 and DAI 0385: the same map). */
#include "hw.h"

const hf_hw_board hf_hw_board_here = {
    .name = HF_BOARD,
    .clock_hz = 25000000,
    .uart = 0x40004000,
    .lan9118 = 0x40200000,
    .lan9118_irq = 13,
    .config = 0x00040000,
    .config_bytes = 8192,
};

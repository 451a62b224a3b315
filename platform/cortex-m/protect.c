/* What the MPU forbids: to read or write through a null pointer, to touch what lies below the stack, to execute RAM. */
#include "hw.h"
#include "system.h"

extern uint32_t hf_ld_stack_low[], hf_ld_bss_end[], hf_ld_vectors[];

static void on(uint32_t how) {
    MPU_CTRL = how;
    SCB_SHCSR |= 7u << 16;
    __asm volatile("dsb\n\tisb" ::: "memory");
}

#if __ARM_ARCH >= 8

/* ARMv8-M Architecture Reference Manual, B8 and D1.2: what no region names is forbidden, but for the processor's own
 * registers. RBAR: AP bits 2:1 (1 all, 3 read only), XN bit 0. RLAR: the last 32 bytes, MAIR's index bits 3:1, on
 * bit 0. */
static void region(uint32_t number, uintptr_t first, uintptr_t end, uint32_t access,
                   uint32_t kind) {
    MPU_RNR = number;
    MPU_RBAR = (uint32_t)first | access;
    MPU_RLAR = (((uint32_t)end - 1) & ~31u) | kind << 1 | 1;
}

void hf_hw_protect(void) {
    enum { MEMORY, DEVICE, WRITE_NO_CODE = 3, READ_CODE = 6 };
    const hf_hw_board *board = &hf_hw_board_here;
    MPU_MAIR0 = 0x04ff; /* MEMORY: cached; DEVICE: nGnRE */
    region(0, (uintptr_t)hf_ld_vectors, board->config + board->config_bytes, READ_CODE, MEMORY);
    region(1, (uintptr_t)hf_ld_stack_low, ((uintptr_t)hf_ld_bss_end + 31) & ~(uintptr_t)31,
           WRITE_NO_CODE, MEMORY);
    region(2, 0x40000000, 0x60000000, WRITE_NO_CODE, DEVICE);
    on(1);
}

#else

/* ARMv7-M Architecture Reference Manual, B3.5: a region takes from the processor's own map. The vectors lie at address
 * 0, but the processor fetches them past the MPU. RASR: XN bit 28, AP bits 26:24 (0 none, 3 all), memory type bits
 * 21:16, log2(size)-1 bits 5:1, on bit 0. */
enum { GUARD_LOG2 = 24, NULL_LOG2 = 8 };
_Static_assert(HF_VECTORS_BYTES == 1 << NULL_LOG2,
               "the null region covers the vectors and no code");

static void region(uint32_t number, uintptr_t base, unsigned log2_size, uint32_t attributes) {
    MPU_RNR = number;
    MPU_RBAR = (uint32_t)base;
    MPU_RASR = attributes | (log2_size - 1) << 1 | 1;
}

void hf_hw_protect(void) {
    const uint32_t nothing = 1u << 28, memory = 1u << 28 | 3u << 24 | 0xBu << 16;
    if (MPU_TYPE >> 8 == 0) {
        return; /* a core without one */
    }
    region(0, 0x20000000, 29, memory); /* all of what may be RAM: read and write, no code */
    region(1, 0, NULL_LOG2, nothing);  /* a higher number wins */
    region(2, (uintptr_t)hf_ld_stack_low - (1u << GUARD_LOG2), GUARD_LOG2, nothing);
    on(5); /* elsewhere the processor's own map */
}

#endif

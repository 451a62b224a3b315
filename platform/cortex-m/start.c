/* From reset to main(), and what a fault becomes.
 *
 *     guard (protect.c) | <- stack grows down | .data .bss |     an overflow of the stack is a fault and never a
 *                                                               changed variable
 *
 * (ARMv7-M Architecture Reference Manual, B1.5; ARMv8-M, B3)
 */
#include "hw.h"
#include "system.h"

#include <string.h>

extern uint32_t hf_ld_stack_low[], hf_ld_stack_top[], hf_ld_data[], hf_ld_data_end[],
    hf_ld_data_load[], hf_ld_bss[], hf_ld_bss_end[];

int main(void);

/* What the stack holds where nothing has been yet. */
#define PAINT 0xC0FFEE11u

static void (*handlers[HF_HW_IRQS])(void);

/* ---- the stack's high water ----------------------------------------------------------------------- */

size_t hf_hw_stack_size(void) {
    return (size_t)((uint8_t *)hf_ld_stack_top - (uint8_t *)hf_ld_stack_low);
}

size_t hf_hw_stack_used(void) {
    const volatile uint32_t *at = hf_ld_stack_low;
    while (at < hf_ld_stack_top && *at == PAINT) {
        at++;
    }
    return (size_t)((uint8_t *)hf_ld_stack_top - (const volatile uint8_t *)at);
}

/* ---- exceptions ----------------------------------------------------------------------------------- */

static void say(const char *text) {
    hf_hw_uart_write(text, strlen(text));
}

static void say_hex(const char *name, uint32_t value) {
    char digits[10] = " ";
    for (unsigned i = 0; i < 8; i++) {
        digits[1 + i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    }
    say(name);
    hf_hw_uart_write(digits, 9);
}

/* The stack may be what is broken: the handler gets a fresh one. */
__attribute__((used)) _Noreturn static void fault(const uint32_t *frame, uint32_t number) {
    uint32_t cfsr = SCB_CFSR;
    MPU_CTRL = 0;
    say_hex("\nfault", number);
    say_hex(" cfsr", cfsr);
    say_hex(" hfsr", SCB_HFSR);
    if (cfsr & 0x80) {
        say_hex(" address", SCB_MMFAR);
    } else if (cfsr & 0x8000) {
        say_hex(" address", SCB_BFAR);
    }
    if (frame >= hf_ld_stack_low && frame + 8 <= hf_ld_stack_top) {
        say_hex(" pc", frame[6]);
        say_hex(" lr", frame[5]);
    }
    say("\n");
    hf_hw_end(HF_HW_FAULT);
}

__attribute__((naked)) static void on_fault(void) {
    __asm volatile("mrs r0, msp\n\t"
                   "mrs r1, ipsr\n\t"
                   "ldr r2, =hf_ld_stack_top\n\t"
                   "mov sp, r2\n\t"
                   "b fault\n\t"
                   ".ltorg");
}

static void on_irq(void) {
    uint32_t number;
    __asm volatile("mrs %0, ipsr" : "=r"(number));
    number -= 16;
    if (number < HF_HW_IRQS && handlers[number]) {
        handlers[number]();
    }
}

void hf_hw_irq(uint8_t line, void (*handler)(void)) {
    handlers[line] = handler;
    NVIC_ISER(line / 32) = 1u << line % 32;
}

void hf_hw_tick(void); /* clock.c: SysTick */

_Noreturn void hf_hw_reset(void);

/* ARMv7-M ARM, B1.5.2: the exceptions from 1, then the NVIC's lines. (Number 0, the initial stack: sections.ld.) */
#define TIMES_8(x) x, x, x, x, x, x, x, x
__attribute__((section(".vectors"), used)) static void (*const vectors[15 + HF_HW_IRQS])(void) = {
    hf_hw_reset,     on_fault, /* NMI */
    on_fault,                  /* HardFault */
    on_fault,                  /* MemManage: the MPU's */
    on_fault,                  /* BusFault */
    on_fault,                  /* UsageFault */
    on_fault,        on_fault,        on_fault,        on_fault,        on_fault, /* SVCall */
    on_fault,        on_fault,        on_fault,                                   /* PendSV */
    hf_hw_tick,      TIMES_8(on_irq), TIMES_8(on_irq), TIMES_8(on_irq), TIMES_8(on_irq),
#if HF_HW_IRQS == 64
    TIMES_8(on_irq), TIMES_8(on_irq), TIMES_8(on_irq), TIMES_8(on_irq),
#endif
};
_Static_assert(HF_HW_IRQS == 32 || HF_HW_IRQS == 64, "a board has 32 lines or 64: HF_HW_IRQS");
_Static_assert(sizeof vectors < HF_VECTORS_BYTES, "sections.ld leaves room for the vectors");

__attribute__((noinline)) static void run(void) {
    hf_hw_end(main());
}

_Noreturn void hf_hw_reset(void) {
    memcpy(hf_ld_data, hf_ld_data_load,
           (size_t)((uint8_t *)hf_ld_data_end - (uint8_t *)hf_ld_data));
    memset(hf_ld_bss, 0, (size_t)((uint8_t *)hf_ld_bss_end - (uint8_t *)hf_ld_bss));
    uint32_t *here = __builtin_frame_address(0);
    for (uint32_t *at = hf_ld_stack_low; at < here - 32; at++) {
        *at = PAINT;
    }
    hf_hw_protect();
    run();
    for (;;) {
    }
}

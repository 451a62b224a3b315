/* SysTick counts milliseconds; sleeping is WFI. */
#include "hw.h"
#include "system.h"

static volatile uint32_t now_ms;
static volatile bool woken;

void hf_hw_tick(void);

void hf_hw_tick(void) {
    now_ms++;
}

void hf_hw_clock_start(uint32_t clock_hz) {
    SYST_RVR = clock_hz / 1000 - 1;
    SYST_CVR = 0;
    SYST_CSR = 7; /* on, with interrupt, from the processor's clock */
}

uint32_t hf_hw_ms(void) {
    return now_ms;
}

/* lwIP's. */
uint32_t sys_now(void);
uint32_t sys_now(void) {
    return now_ms;
}

void hf_hw_wake(void) {
    woken = true;
}

/* With interrupts masked, so that an event between the look and the WFI is not slept over: a pending interrupt
 * ends WFI even then, and its handler runs as soon as interrupts are unmasked. */
void hf_hw_sleep(uint32_t until) {
    bool done = false;
    while (!done) {
        __asm volatile("cpsid i" ::: "memory");
        done = woken || (int32_t)(now_ms - until) >= 0;
        if (!done) {
            __asm volatile("dsb\n\twfi" ::: "memory");
        }
        __asm volatile("cpsie i\n\tisb" ::: "memory");
    }
    woken = false;
}

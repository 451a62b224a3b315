/* The CMSDK APB UART (Arm DDI 0479, 4.3), written by polling. Weak, as lan9118.c is. */
#include "hw.h"

enum { DATA = 0, STATE = 1, CTRL = 2, BAUDDIV = 4, TX_FULL = 1, TX_ON = 1 };

static volatile uint32_t *uart;

__attribute__((weak)) void hf_hw_uart_start(uintptr_t base, uint32_t clock_hz) {
    uart = (volatile uint32_t *)base;
    uart[BAUDDIV] = clock_hz / 115200;
    uart[CTRL] = TX_ON;
}

__attribute__((weak)) void hf_hw_uart_write(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes && uart; i++) {
        while (uart[STATE] & TX_FULL) {
        }
        uart[DATA] = (uint8_t)text[i];
    }
}

/* An image that does one wrong thing, which the byte in its flash block names: what becomes of it is the test. */
#include "holdfast/error.h"
#include "hw.h"

#include <stdlib.h>

static void say(const char *text, size_t bytes) {
    hf_hw_uart_write(text, bytes);
}

/* Takes the stack until there is none. */
__attribute__((noinline)) static int dig(volatile int *above) {
    volatile int here[64];
    here[0] = above ? *above + 1 : 0;
    return here[0] < 0 ? 0 : dig(here) + here[0];
}

static void fail_if(int argument) {
    HF_ASSERT(argument == 0);
}

static const uint16_t bx_lr[2] = { 0x4770, 0x4770 };
static uint16_t in_ram[2];

int main(void) {
    const hf_hw_board *board = &hf_hw_board_here;
    volatile int *volatile null = NULL;
    void *(*volatile allocate)(size_t) = malloc; /* or the compiler leaves it out */
    hf_hw_uart_start(board->uart, board->clock_hz);
    say("before\n", 7);
    switch (*(const volatile char *)board->config) {
    case 'e': return 42;
    case 'n': null[4] = 1; break;
    case 'r': return null[0];
    case 's': return dig(NULL);
    case 'x':
        in_ram[0] = bx_lr[0];
        ((void (*)(void))((uintptr_t)in_ram | 1))();
        break;
    case 'h': free(allocate(8)); break;
    case 'a': fail_if(1); break;
    default: break;
    }
    say("after\n", 6);
    return 0;
}

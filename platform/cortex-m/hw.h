/* What a Cortex-M image stands on: time, sleep, a serial line, a network interface, and the hooks that a board
 * must bring because no default can be safe.
 */
#ifndef HF_HW_H
#define HF_HW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where things are; one for each board (boards/NAME/board.c). */
typedef struct hf_hw_board {
    const char *name;
    uint32_t clock_hz;
    uintptr_t uart;        /* CMSDK APB UART, if that is its serial line */
    uintptr_t lan9118;     /* SMSC LAN9118, 32 bits wide, if that is its Ethernet controller */
    uint8_t lan9118_irq;   /* its line at the NVIC, below HF_HW_IRQS */
    uintptr_t config;      /* the flash block with the configuration, */
    uint32_t config_bytes; /* and its room */
} hf_hw_board;
extern const hf_hw_board hf_hw_board_here;

#ifndef HF_HW_IRQS
#define HF_HW_IRQS 32 /* or 64 */
#endif

/* --- start.c: Reset calls main() and hands what it answers to hf_hw_end(). --- */

/* Deepest use of the stack since Reset, and its room. */
size_t hf_hw_stack_used(void);
size_t hf_hw_stack_size(void);
/* Calls handler whenever this line of the NVIC is up. */
void hf_hw_irq(uint8_t line, void (*handler)(void));

/* --- clock.c --- */
void hf_hw_clock_start(uint32_t clock_hz);
/* Milliseconds since hf_hw_clock_start(); wraps after 49 days. */
uint32_t hf_hw_ms(void);
/* Sleeps until `until` on that counter or an interrupt, whichever is first. */
void hf_hw_sleep(uint32_t until);
/* For interrupt handlers: hf_hw_sleep() returns at once, once. */
void hf_hw_wake(void);

/* --- uart.c, or what a board brings in its place --- */
/* 115200 baud. */
void hf_hw_uart_start(uintptr_t base, uint32_t clock_hz);
void hf_hw_uart_write(const char *text, size_t bytes);

/* --- lan9118.c, or what a board brings in its place: an Ethernet controller, whose interrupt calls hf_hw_wake() --- */
/* Starts the board's; its own address goes to mac. False: there is none, or it does not answer. */
bool hf_hw_ethernet_start(uint8_t mac[6]);
/* Frames start at a multiple of 4 and are read and written up to the next one. False: no room now. */
bool hf_hw_ethernet_send(void *unused, const void *frame, size_t bytes);
/* The next frame's length without its checksum, at most 1514; 0: none. Bad ones are skipped. */
size_t hf_hw_ethernet_receive(void *unused, void *frame);
/* The cable is plugged in, and was all the time since the last call. */
bool hf_hw_ethernet_plugged(void);

/* --- hooks. The defaults (hooks.c) are what no board can go wrong with: no entropy, no date, no sensor, an
 * endless sleep. With them nothing is encrypted and so nothing is sent. --- */

/* Fills all of out with entropy of full strength: 0, or anything else and nothing is encrypted. */
int hf_hw_entropy(void *unused, unsigned char *out, size_t bytes);
/* Seconds since 1970, to judge certificates by; 0: not known, and then every certificate is refused. */
int64_t hf_hw_date(void);
/* Takes a reading, in thousandths: false, there is none. */
bool hf_hw_sensor(int32_t *milli);
/* The image is over. */
_Noreturn void hf_hw_end(int status);

/* Statuses that are not main()'s own. */
enum { HF_HW_ASSERTED = 97, HF_HW_FAULT = 98 };

#endif

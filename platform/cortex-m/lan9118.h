/* SMSC LAN9118 Ethernet controller, 32 bits wide, by polling its FIFOs; its interrupt only ends a sleep.
 * (SMSC LAN9118 datasheet, revision 1.5: 3.6 the FIFOs, 3.12 and 3.13 frames, 5.3 registers, 5.4 MAC registers,
 * 5.5 PHY registers)
 */
#ifndef HF_LAN9118_H
#define HF_LAN9118_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts it, and its interrupt on that line; its own address goes to mac. False: there is none, or it does not
 * answer. */
bool hf_lan9118_start(uintptr_t base, uint8_t irq, uint8_t mac[6]);
/* Frames start at a multiple of 4 and are read and written up to the next one. False: no room now. */
bool hf_lan9118_send(void *unused, const void *frame, size_t bytes);
/* The next frame's length without its checksum, at most 1514; 0: none. Bad ones are skipped. */
size_t hf_lan9118_receive(void *unused, void *frame);
/* The cable is plugged in, and was all the time since the last call. */
bool hf_lan9118_plugged(void);

#endif

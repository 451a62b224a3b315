/* SMSC LAN9118 Ethernet controller, 32 bits wide, by polling its FIFOs; its interrupt only ends a sleep. A board with
 * another one brings functions of these names, which take the place of the weak ones here.
 * (SMSC LAN9118 datasheet, revision 1.5: 3.6 the FIFOs, 3.12 and 3.13 frames, 5.3 registers, 5.4 MAC registers,
 * 5.5 PHY registers)
 */
#include "hw.h"

enum { /* offsets in bytes */
       RX_DATA = 0x00,
       TX_DATA = 0x20,
       RX_STATUS = 0x40,
       TX_STATUS = 0x48,
       IRQ_CFG = 0x54,
       INT_STS = 0x58,
       INT_EN = 0x5c,
       BYTE_TEST = 0x64,
       FIFO_INT = 0x68,
       RX_CFG = 0x6c,
       TX_CFG = 0x70,
       HW_CFG = 0x74,
       RX_FIFO_INF = 0x7c,
       TX_FIFO_INF = 0x80,
       PMT_CTRL = 0x84,
       MAC_CSR_CMD = 0xa4,
       MAC_CSR_DATA = 0xa8,
       AFC_CFG = 0xac,
       E2P_CMD = 0xb0
};
enum { MAC_CR = 1, MAC_ADDRH = 2, MAC_ADDRL = 3, MII_ACC = 6, MII_DATA = 7 };

#define BYTE_ORDER_MARK 0x87654321u
#define BUSY            0x80000000u
#define CSR_READ        0x40000000u
#define MII_BUSY        1u
/* For MII_ACC: the PHY inside, its Basic Status register. */
#define PHY_STATUS (1u << 11 | 1u << 6)
#define PHY_LINK   (1u << 2) /* stays 0 until it was read */
/* Longer than any of these waits takes. */
#define PATIENCE 100000u

enum { FRAME_MAX = 1514, CHECKSUM = 4 };

static volatile uint32_t *base_at;

static volatile uint32_t *reg(unsigned offset) {
    return base_at + offset / 4;
}

static bool await(unsigned offset, uint32_t mask, uint32_t value) {
    for (uint32_t i = 0; i < PATIENCE; i++) {
        if ((*reg(offset) & mask) == value) {
            return true;
        }
    }
    return false;
}

static uint32_t mac_read(uint32_t which) {
    *reg(MAC_CSR_CMD) = BUSY | CSR_READ | which;
    return await(MAC_CSR_CMD, BUSY, 0) ? *reg(MAC_CSR_DATA) : 0;
}

static void mac_write(uint32_t which, uint32_t value) {
    *reg(MAC_CSR_DATA) = value;
    *reg(MAC_CSR_CMD) = BUSY | which;
    (void)await(MAC_CSR_CMD, BUSY, 0);
}

/* The condition stays up while frames wait, so the line is let go until the loop has drained them. */
static void on_interrupt(void) {
    *reg(INT_EN) = 0;
    *reg(INT_STS) = UINT32_MAX;
    hf_hw_wake();
}

__attribute__((weak)) bool hf_hw_ethernet_start(uint8_t mac[6]) {
    base_at = (volatile uint32_t *)hf_hw_board_here.lan9118;
    if (*reg(BYTE_TEST) != BYTE_ORDER_MARK) {
        return false;
    }
    *reg(HW_CFG) = 1; /* soft reset */
    if (!await(HW_CFG, 1, 0) || !await(PMT_CTRL, 1, 1) || !await(E2P_CMD, BUSY, 0)) {
        return false;
    }
    *reg(HW_CFG) = 5u << 16 | 1u << 20; /* 5 KB to send, whole frames */
    *reg(AFC_CFG) = 0x006e3740;
    *reg(INT_EN) = 0;
    *reg(INT_STS) = UINT32_MAX;
    *reg(IRQ_CFG) = 0;
    *reg(RX_CFG) = 0x8000; /* both FIFOs emptied, no offset */
    *reg(TX_CFG) = 0xc000;
    uint32_t low = mac_read(MAC_ADDRL), high = mac_read(MAC_ADDRH);
    for (unsigned i = 0; i < 6; i++) {
        mac[i] = (uint8_t)(i < 4 ? low >> 8 * i : high >> 8 * (i - 4));
    }
    *reg(RX_CFG) = 0;
    *reg(TX_CFG) = 2;
    mac_write(MAC_CR,
              mac_read(MAC_CR) | 1u << 20 | 1u << 3 | 1u << 2); /* full duplex, send, receive */
    *reg(FIFO_INT) = 0x48000000; /* one waiting frame is an interrupt */
    *reg(INT_EN) = 1u << 3;
    *reg(IRQ_CFG) = 0x111;
    hf_hw_irq(hf_hw_board_here.lan9118_irq, on_interrupt);
    return true;
}

__attribute__((weak)) bool hf_hw_ethernet_send(void *unused, const void *frame, size_t bytes) {
    (void)unused;
    const uint32_t *words = frame;
    size_t n = (bytes + 3) / 4;
    while (*reg(TX_FIFO_INF) & 0x00ff0000) {
        (void)*reg(TX_STATUS); /* what became of earlier frames: TCP knows better */
    }
    if ((*reg(TX_FIFO_INF) & 0xffff) < bytes + 16) {
        return false;
    }
    *reg(TX_DATA) = 1u << 13 | 1u << 12 | (uint32_t)bytes; /* first and last piece */
    *reg(TX_DATA) = (uint32_t)bytes << 16 | (uint32_t)bytes;
    for (size_t i = 0; i < n; i++) {
        *reg(TX_DATA) = words[i];
    }
    return true;
}

__attribute__((weak)) size_t hf_hw_ethernet_receive(void *unused, void *frame) {
    (void)unused;
    uint32_t *words = frame;
    while (*reg(RX_FIFO_INF) & 0x00ff0000) {
        uint32_t status = *reg(RX_STATUS);
        size_t bytes = status >> 16 & 0x3fff, n = (bytes + 3) / 4;
        bool good = !(status & 1u << 15) && bytes > CHECKSUM && bytes - CHECKSUM <= FRAME_MAX;
        size_t kept = good ? (bytes - CHECKSUM + 3) / 4 : 0;
        for (size_t i = 0; i < n; i++) {
            uint32_t word = *reg(RX_DATA);
            if (i < kept) {
                words[i] = word;
            }
        }
        if (good) {
            return bytes - CHECKSUM;
        }
    }
    *reg(INT_EN) = 1u << 3; /* drained: the next frame interrupts again */
    return 0;
}

__attribute__((weak)) bool hf_hw_ethernet_plugged(void) {
    mac_write(MII_ACC, PHY_STATUS | MII_BUSY);
    for (uint32_t i = 0; i < PATIENCE && (mac_read(MII_ACC) & MII_BUSY); i++) {
    }
    return (mac_read(MII_DATA) & PHY_LINK) != 0;
}

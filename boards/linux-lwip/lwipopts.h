/* lwIP's sizes for the program on Linux: HF_CONNS_MAX (64: board.mk) connections fit. */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#include "hf_lwipopts.h"

#define MEM_ALIGNMENT        8
#define MEM_SIZE             (4 * 1024 * 1024)
#define MEMP_NUM_TCP_PCB     256
#define MEMP_NUM_UDP_PCB     16
#define MEMP_NUM_TCP_SEG     4096
#define MEMP_NUM_PBUF        1024
#define MEMP_NUM_SYS_TIMEOUT 16
#define PBUF_POOL_SIZE       2048
#define PBUF_POOL_BUFSIZE    1536
#define TCP_MSS              1460
#define TCP_WND              (44 * TCP_MSS) /* 64240: the most without window scaling */
#define TCP_SND_BUF          (44 * TCP_MSS)
#define TCP_SND_QUEUELEN     256

#define DNS_TABLE_SIZE   32
#define DNS_MAX_REQUESTS 64
#define LWIP_HAVE_LOOPIF 0
#define LWIP_IPV6        0
#define LWIP_DHCP        0

/* For tests: what is in use. */
#define LWIP_STATS         1
#define LWIP_STATS_DISPLAY 0

#endif

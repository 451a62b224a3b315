/* lwIP's sizes for one database connection: small statements, small answers. */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#include "hf_lwipopts.h"

#define MEM_ALIGNMENT 4

/* Three links may be up at a time, one of them at work; the rest are for links that are closing. */
#define MEMP_NUM_TCP_PCB        6
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define MEMP_NUM_UDP_PCB        2      /* DHCP, DNS */
#define TCP_MSL                 1000UL /* a closed connection is remembered for two of them */

#define TCP_MSS          1460
#define TCP_WND          (4 * TCP_MSS)
#define TCP_SND_BUF      (2 * TCP_MSS)
#define TCP_SND_QUEUELEN 8
#define MEMP_NUM_TCP_SEG 16
#define TCP_OVERSIZE     128
#define MEM_SIZE         6144
#define MEMP_NUM_PBUF    4
#define PBUF_POOL_SIZE   8

#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK \
    0 /* 6.5 s sooner; two devices with one address are the DHCP server's fault */
#define LWIP_ACD            0
#define LWIP_RAW            0
#define LWIP_IPV6           0
#define IP_REASSEMBLY       0
#define IP_FRAG             0
#define ARP_TABLE_SIZE      4
#define ARP_QUEUEING        0
#define DNS_TABLE_SIZE      2
#define DNS_MAX_NAME_LENGTH 64

/* What is in use of each pool, for the image's last words. */
#define LWIP_STATS   1
#define LINK_STATS   0
#define ETHARP_STATS 0
#define IP_STATS     0
#define ICMP_STATS   0
#define UDP_STATS    0
#define TCP_STATS    0
#define SYS_STATS    0
#define MEM_STATS    1
#define MEMP_STATS   1

#endif

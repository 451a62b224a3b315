/* What holdfast needs of lwIP. A board's lwipopts.h includes this and adds its sizes:
 *
 *     MEM_ALIGNMENT                    4, or 8 on a 64-bit machine
 *     MEM_SIZE                         what is being sent: for each link TCP_SND_BUF and some overhead
 *     MEMP_NUM_TCP_PCB                 HF_LWIP_LINKS(connections), and some for links that are closing
 *     MEMP_NUM_TCP_SEG, TCP_SND_BUF, TCP_SND_QUEUELEN
 *     TCP_MSS, TCP_WND                 1460, and as many whole ones as a round trip needs
 *     PBUF_POOL_BUFSIZE, PBUF_POOL_SIZE  together TCP_WND for each connection, and room for 8 frames more
 *     LWIP_DHCP, LWIP_IPV6, DNS_TABLE_SIZE, …
 */
#ifndef HF_LWIPOPTS_H
#define HF_LWIPOPTS_H

/* One thread, the raw API, static pools. */
#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN         0
#define LWIP_SOCKET          0
#define MEM_LIBC_MALLOC      0
#define MEMP_MEM_MALLOC      0

#define LWIP_TCP           1
#define LWIP_UDP           1
#define LWIP_IPV4          1
#define LWIP_DNS           1
#define DNS_MAX_TTL        0 /* no cache: each attempt asks afresh */
#define LWIP_TCP_KEEPALIVE 1

/* Two bytes before a frame align the IP header. */
#define ETH_PAD_SIZE 2

#endif

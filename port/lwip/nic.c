/* A network card under lwIP: a driver's two functions as a netif, so that no driver sees lwIP. */
#include "holdfast/lwip.h"

#include <string.h>

#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <netif/ethernet.h>

/* Frames handed to lwIP in one call at most, so that a flood cannot keep the loop from its deadlines. */
#define HF_FRAMES_PER_POLL 16

static err_t transmit(struct netif *netif, struct pbuf *p) {
    hf_lwip_nic *nic = netif->state;
    u16_t bytes = (u16_t)(p->tot_len - ETH_PAD_SIZE);
    bool sent = bytes <= sizeof nic->frame &&
                pbuf_copy_partial(p, nic->frame, bytes, ETH_PAD_SIZE) == bytes &&
                nic->driver.send(nic->driver.user, nic->frame, bytes);
    nic->tx_frames += sent;
    nic->tx_dropped += !sent;
    return sent ? ERR_OK : ERR_BUF;
}

static err_t set_up(struct netif *netif) {
    const hf_lwip_nic *nic = netif->state;
    netif->name[0] = 'h';
    netif->name[1] = 'f';
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, nic->driver.mac, 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    netif->output = etharp_output;
    netif->linkoutput = transmit;
    return ERR_OK;
}

/* Reads an address; NULL counts as one that was not given. False: the text is no address. */
static bool parse(ip4_addr_t *to, const char *text) {
    ip4_addr_set_any(to);
    return text == NULL || ip4addr_aton(text, to) != 0;
}

static bool fail(hf_error *error, hf_err code, const char *what) {
    if (error != NULL) {
        hf_error_set(error, code, HF_PHASE_NONE, what);
    }
    return false;
}

bool hf_lwip_nic_open(hf_lwip_nic *nic, const hf_lwip_driver *driver,
                      const hf_lwip_addresses *addresses, hf_error *error) {
    ip4_addr_t address, mask, gateway, dns[2];
    const char *wrong =
        !parse(&address, addresses->address) || (addresses->address == NULL && !LWIP_DHCP)
            ? "address"
        : !parse(&mask, addresses->mask)                                           ? "mask"
        : !parse(&gateway, addresses->gateway)                                     ? "gateway"
        : !parse(&dns[0], addresses->dns[0]) || !parse(&dns[1], addresses->dns[1]) ? "dns"
                                                                                   : NULL;
    if (wrong != NULL) {
        return fail(error, HF_ERR_CONFIG, wrong);
    }
    if (addresses->address != NULL && addresses->mask == NULL) {
        IP4_ADDR(&mask, 255, 255, 255, 0);
    }
    memset(nic, 0, sizeof *nic);
    nic->driver = *driver;
    if (netif_add(&nic->netif, &address, &mask, &gateway, nic, set_up, ethernet_input) == NULL) {
        return fail(error, HF_ERR_RESOURCES, "netif");
    }
    netif_set_default(&nic->netif);
    netif_set_up(&nic->netif);
    netif_set_link_up(&nic->netif);
    for (u8_t i = 0; i < 2; i++) {
        if (!ip4_addr_isany_val(dns[i])) {
            ip_addr_t server;
            ip_addr_copy_from_ip4(server, dns[i]);
            dns_setserver(i, &server);
        }
    }
#if LWIP_DHCP
    if (addresses->address == NULL && dhcp_start(&nic->netif) != ERR_OK) {
        hf_lwip_nic_close(nic);
        return fail(error, HF_ERR_RESOURCES, "dhcp");
    }
#endif
    return true;
}

/* Takes a frame from the card; false: there was none. The frame is copied: the driver gets an aligned buffer, and a
 * small frame takes a small part of lwIP's pool. */
static bool receive(hf_lwip_nic *nic) {
    size_t bytes = nic->driver.receive(nic->driver.user, nic->frame);
    if (bytes == 0) {
        return false;
    }
    nic->rx_frames++;
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)(bytes + ETH_PAD_SIZE), PBUF_POOL);
    if (p == NULL) {
        nic->rx_dropped++; /* a frame left in the card would be announced for ever */
        return true;
    }
    (void)pbuf_take_at(p, nic->frame, (u16_t)bytes, ETH_PAD_SIZE);
    if (nic->netif.input(p, &nic->netif) != ERR_OK) {
        (void)pbuf_free(p);
    }
    return true;
}

bool hf_lwip_nic_poll(hf_lwip_nic *nic) {
    for (int i = 0; i < HF_FRAMES_PER_POLL; i++) {
        if (!receive(nic)) {
            return false;
        }
    }
    return true;
}

void hf_lwip_nic_link(hf_lwip_nic *nic, bool up) {
    if (up) {
        netif_set_link_up(&nic->netif);
    } else {
        netif_set_link_down(&nic->netif);
        etharp_cleanup_netif(&nic->netif); /* other neighbours may be there when the link is back */
    }
}

bool hf_lwip_nic_ready(const hf_lwip_nic *nic) {
    return netif_is_link_up(&nic->netif) && !ip4_addr_isany(netif_ip4_addr(&nic->netif));
}

void hf_lwip_nic_close(hf_lwip_nic *nic) {
#if LWIP_DHCP
    dhcp_stop(&nic->netif);
#endif
    netif_remove(&nic->netif);
}

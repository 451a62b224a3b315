/* The program on lwIP: a TAP device is the network card. */
#include "net.h"

#include "holdfast/lwip.h"
#include "pools.h"
#include "system.h"
#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* lwIP's 32-bit clock starts so long before it wraps: a run that is longer has seen that it does no harm. */
#define HF_WRAPS_AFTER_MS 20000u

enum { HF_POOLS = 32 }; /* of lwIP, at most: the first so many are told of */

struct hf_net {
    hf_lwip port;
    hf_lwip_nic nic;
    hf_mbedtls tls;
    bool has_tls, has_nic;
    int tap;
    hf_linux_share share;
    uint32_t used[HF_POOLS]; /* of lwIP's pools at the start */
    hf_lwip_lookup lookups[HF_CONNS_MAX];
    hf_lwip_link links[HF_LWIP_LINKS(HF_CONNS_MAX)];
    hf_mbedtls_link tls_links[HF_LWIP_LINKS(HF_CONNS_MAX)];
};

u32_t sys_now(void) {
    static uint32_t offset;
    uint32_t now = (uint32_t)(hf_linux_clock_ns() / 1000000u);
    if (offset == 0) {
        offset = UINT32_MAX - HF_WRAPS_AFTER_MS - now;
    }
    return now + offset;
}

/* ---- the card ----------------------------------------------------------------------------------- */

static bool tap_send(void *user, const void *frame, size_t bytes) {
    const hf_net *net = user;
    return write(net->tap, frame, bytes) == (ssize_t)bytes;
}

static size_t tap_receive(void *user, void *frame) {
    const hf_net *net = user;
    ssize_t got;
    do {
        got = read(net->tap, frame, HF_LWIP_FRAME_BYTES + 1); /* one more shows a longer one */
    } while ((got < 0 && errno == EINTR) || got > HF_LWIP_FRAME_BYTES);
    return got > 0 ? (size_t)got : 0;
}

static bool complain(hf_error *error, const char *what, const char *value, const char *why) {
    char text[HF_MESSAGE_BYTES];
    (void)snprintf(text, sizeof text, "%s %s: %s", what, value, why);
    hf_error_set(error, HF_ERR_CONFIG, HF_PHASE_NONE, text);
    return false;
}

static bool open_tap(hf_net *net, const char *name, hf_error *error) {
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    size_t length = strlen(name);
    if (length == 0 || length >= sizeof request.ifr_name) {
        return complain(error, "HF_TAP", name, "not a device's name");
    }
    memcpy(request.ifr_name, name, length);
    net->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (net->tap < 0) {
        return complain(error, "HF_TAP", "/dev/net/tun", strerror(errno));
    }
    if (ioctl(net->tap, TUNSETIFF, &request) != 0) {
        return complain(error, "HF_TAP", name, strerror(errno));
    }
    return true;
}

/* "10.0.0.2/24" as an address and a mask, dotted. */
static bool split(const char *text, char address[16], char mask[16]) {
    const char *slash = strchr(text, '/');
    char *end = NULL;
    long bits = slash != NULL ? strtol(slash + 1, &end, 10) : 24;
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (length >= 16 || bits < 1 || bits > 32 || (end != NULL && (*end != 0 || end == slash + 1))) {
        return false;
    }
    memcpy(address, text, length);
    address[length] = 0;
    uint32_t ones = UINT32_MAX << (32 - bits);
    (void)snprintf(mask, 16, "%u.%u.%u.%u", ones >> 24, ones >> 16 & 255, ones >> 8 & 255,
                   ones & 255);
    return true;
}

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value != NULL && value[0] != 0 ? value : otherwise;
}

static bool open_nic(hf_net *net, hf_error *error) {
    const char *text = setting("HF_TAP_ADDRESS", "");
    char address[16], mask[16];
    if (!split(text, address, mask)) {
        return complain(error, "HF_TAP_ADDRESS", text, "an address like 10.0.0.2/24 is wanted");
    }
    if (!open_tap(net, setting("HF_TAP", "hf0"), error)) {
        return false;
    }
    hf_lwip_driver driver = {
        .mac = { 2, 'h' }, .send = tap_send, .receive = tap_receive, .user = net
    };
    const hf_lwip_addresses addresses = { .address = address,
                                          .mask = mask,
                                          .gateway = setting("HF_TAP_GATEWAY", NULL),
                                          .dns = { setting("HF_TAP_DNS", NULL) } };
    if (hf_linux_entropy(NULL, driver.mac + 2, 4) != 0 ||
        !hf_lwip_nic_open(&net->nic, &driver, &addresses, NULL)) {
        return complain(error, "HF_TAP_ADDRESS", text,
                        "it, HF_TAP_GATEWAY or HF_TAP_DNS is no address");
    }
    return net->has_nic = true;
}

/* What lwIP has in use at the end, for who wants to know that it is what it was at the start. */
static void tell_pools(const hf_net *net) {
    hf_lwip_pool pool;
    for (unsigned i = 0; i < HF_POOLS && hf_lwip_pool_get(i, &pool); i++) {
        (void)fprintf(stderr, "lwIP: %s: %u in use, %u at first, %u at most, of %u; %u refused\n",
                      pool.name, (unsigned)pool.used, (unsigned)net->used[i], (unsigned)pool.most,
                      (unsigned)pool.size, (unsigned)pool.refused);
    }
}

/* ---- the port ----------------------------------------------------------------------------------- */

static bool over_budget(void *user) {
    hf_net *net = user;
    return hf_linux_over_budget(&net->share);
}

static bool open_tls(hf_net *net, const hf_config *config, hf_error *error) {
    const hf_mbedtls_setup setup = { .sslmode = config->sslmode,
                                     .sslcertmode = config->sslcertmode,
                                     .version_min = config->ssl_min_version,
                                     .version_max = config->ssl_max_version,
                                     .entropy = hf_linux_entropy,
                                     .note = hf_lwip_note,
                                     .user = &net->port,
                                     .links = net->tls_links,
                                     .n_links = HF_LWIP_LINKS(config->max_concurrent) };
    if (!hf_mbedtls_init(&net->tls, &setup, error)) {
        return false;
    }
    net->has_tls = true;
    return hf_linux_trust(&net->tls, config, error) == 0;
}

/* Settings of a system's socket: port/lwip's links have their own. */
static bool settings_good(const hf_config *config, hf_error *error) {
    if (config->keepalives_off || config->keepalives_idle_s || config->keepalives_interval_s ||
        config->keepalives_count || config->tcp_user_timeout_ms) {
        hf_error_set(error, HF_ERR_CONFIG, HF_PHASE_NONE,
                     "keepalives, tcp_user_timeout: lwIP's links have their own; leave them out");
        return false;
    }
    return true;
}

hf_net *hf_net_open(const hf_config *config, hf_error *error) {
    memset(error, 0, sizeof *error);
    if (!settings_good(config, error)) {
        return NULL;
    }
    hf_net *net = calloc(1, sizeof *net);
    if (net == NULL) {
        hf_error_set(error, HF_ERR_RESOURCES, HF_PHASE_NONE, NULL);
        return NULL;
    }
    net->tap = -1;
    bool tls = hf_config_wants_tls(config);
    const hf_lwip_setup setup = { .links = net->links,
                                  .n_links = HF_LWIP_LINKS(config->max_concurrent),
                                  .lookups = net->lookups,
                                  .n_lookups = config->max_concurrent,
                                  .random = hf_linux_entropy,
                                  .over_budget = over_budget,
                                  .user = net,
                                  .tls = tls ? &net->tls : NULL };
    bool made = hf_lwip_init(&net->port, &setup, error);
    HF_ASSERT(made);
    if (!open_nic(net, error) || (tls && !open_tls(net, config, error))) {
        hf_net_close(net);
        return NULL;
    }
    hf_lwip_pool pool;
    for (unsigned i = 0; i < HF_POOLS && hf_lwip_pool_get(i, &pool); i++) {
        net->used[i] = pool.used;
    }
    return net;
}

hf_port *hf_net_port(hf_net *net) {
    return hf_lwip_port(&net->port);
}

hf_ms hf_net_now(hf_net *net) {
    return hf_lwip_now(&net->port);
}

int hf_net_wait(hf_net *net, hf_ms until) {
    struct pollfd tap = { .fd = net->tap, .events = POLLIN };
    int seen = 0;
    while (seen >= 0) {
        bool more = hf_lwip_nic_poll(&net->nic);
        hf_lwip_poll(&net->port);
        uint32_t ms = hf_lwip_sleep_ms(&net->port, until);
        if (ms == 0) {
            break;
        }
        seen = poll(&tap, 1, more ? 0 : ms < INT32_MAX ? (int)ms : INT32_MAX);
    }
    net->share.known = false;
    return seen < 0 && errno != EINTR ? HF_ERR_STATE : 0;
}

void hf_net_close(hf_net *net) {
    hf_lwip_close(&net->port);
    if (net->has_nic && getenv("HF_TAP_POOLS") != NULL) {
        tell_pools(net);
    }
    if (net->has_nic) {
        hf_lwip_nic_close(&net->nic);
    }
    if (net->has_tls) {
        hf_mbedtls_free(&net->tls);
    }
    if (net->tap >= 0) {
        (void)close(net->tap);
    }
    free(net);
}

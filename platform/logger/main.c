/* The sensor logger: a reading each interval_ms into PostgreSQL, through whatever happens on the way.
 *
 *     sensor -> readings (a ring) -> store (requests) -> pool -> TLS -> lwIP -> Ethernet
 *
 * One loop, which sleeps until a deadline of one of them or a frame. All memory is below; what is in use of each
 * pool when the network is up is what must be in use when all is over.
 */
#include "hf_mbedtls.h"
#include "holdfast/lwip.h"
#include "hw.h"
#include "memory.h"
#include "report.h"
#include "settings.h"
#include "store.h"

#include <string.h>

enum {
    EXIT_DONE = 0,
    EXIT_CONFIG = 1,
    EXIT_LOST = 2,       /* some readings were dropped, or refused by the server */
    EXIT_REFUSED = 3,    /* login or certificate: nothing to retry */
    EXIT_INCOMPLETE = 4, /* the last ones could not be stored within drain_ms */
    EXIT_LEAK = 6        /* a pool is not as it was */
};

/* What a tick may take, and PBKDF2's rounds between two looks at the clock: 30 ms of a Cortex-M3 at 25 MHz. */
enum { TICK_MS = 20, ROUNDS = 128 };
/* However long nothing is due: the clock is looked at before it wraps. */
enum { SLEEP_MS = 60000 };
enum { CLOSE_MS = 2000, NETWORK_MS = 15000, SETTLE_MS = 15000 };

#ifndef HF_TLS_HEAP_BYTES
#define HF_TLS_HEAP_BYTES (56 * 1024)
#endif
#ifndef HF_JSON_HEAP_BYTES
#define HF_JSON_HEAP_BYTES (6 * 1024)
#endif

HF_POOL_MEMORY(pool_memory, 1, HF_SETTINGS_RX_BYTES, HF_SETTINGS_TX_BYTES);
static _Alignas(8) uint8_t tls_bytes[HF_TLS_HEAP_BYTES], json_bytes[HF_JSON_HEAP_BYTES];
static hf_memory tls_heap, json_heap;
static hf_logger_settings settings;
static hf_lwip port;
static hf_lwip_nic nic;
static hf_lwip_link links[HF_LWIP_LINKS(1)];
static hf_lwip_lookup lookups[1];
static hf_mbedtls tls;
static hf_mbedtls_link tls_links[HF_LWIP_LINKS(1)];
static hf_store store;
static hf_pool *pool;
static char boot[17];
static hf_hash hash;
static uint32_t tick_began_ms, tick_ms_max;
static uint32_t woken; /* sleeps that an interrupt ended */

/* ---- memory --------------------------------------------------------------------------------------- */

static void *tls_take(size_t count, size_t size) {
    return hf_memory_take(&tls_heap, count, size);
}

static void tls_give(void *block) {
    hf_memory_give(&tls_heap, block);
}

static void *json_take(size_t bytes) {
    return hf_memory_take(&json_heap, 1, bytes);
}

static void json_give(void *block) {
    hf_memory_give(&json_heap, block);
}

/* ---- setting up ----------------------------------------------------------------------------------- */

static int fail(int status, const char *what, const char *why) {
    hf_report_line(what, why);
    return status;
}

static int trust(const hf_json *json) {
    const hf_mbedtls_setup setup = { .sslmode = HF_SSL_VERIFY_FULL,
                                     .entropy = hf_hw_entropy,
                                     .note = hf_lwip_note,
                                     .user = &port,
                                     .links = tls_links,
                                     .n_links = HF_LWIP_LINKS(1),
                                     .allocate = tls_take,
                                     .release = tls_give };
    const char *ca = hf_json_text(hf_json_member(json, "ca"));
    if (!hf_mbedtls_init(&tls, &setup, NULL)) {
        return fail(EXIT_CONFIG, "TLS", "no entropy, or no memory: nothing is sent without it");
    }
    if (hf_mbedtls_trust(&tls, ca, strlen(ca)) <= 0) {
        return fail(EXIT_CONFIG, "ca", "no certificate in it");
    }
    return EXIT_DONE;
}

/* The configuration is read once; of its text the certificates stay, in mbedTLS's form. */
static int configure(void) {
    const hf_hw_board *board = &hf_hw_board_here;
    size_t bytes;
    char text[96];
    hf_writer why = hf_writer_on(text, sizeof text);
    hf_json_error error;
    const char *block = hf_settings_block((const void *)board->config, board->config_bytes, &bytes);
    if (!block) {
        return fail(EXIT_CONFIG, "configuration", "there is none in flash, or it was damaged");
    }
    hf_json *json = hf_json_read(block, bytes, &error);
    if (!json) {
        return fail(EXIT_CONFIG, "configuration",
                    json_heap.failures ? "more than this image has memory for" : error.text);
    }
    int status = EXIT_DONE;
    if (!hf_settings_fill(&settings, json, &why)) {
        status = fail(EXIT_CONFIG, "configuration", text);
    } else { /* a new board hears of all that it lacks */
        status = trust(json);
        if (hf_hw_date() == 0) {
            status =
                fail(EXIT_CONFIG, "clock", "the date is not known: no certificate can be judged");
        }
    }
    hf_json_free(json);
    return status;
}

/* What tells this run of the device from every other. */
static bool name_boot(void) {
    uint8_t random[8];
    if (hf_hw_entropy(NULL, random, sizeof random) != 0) {
        return false;
    }
    for (unsigned i = 0; i < 16; i++) {
        boot[i] = "0123456789abcdef"[random[i / 2] >> (i % 2 ? 0 : 4) & 15];
    }
    boot[16] = 0;
    return true;
}

static void on_transition(void *user, const hf_transition *transition) {
    char text[200];
    (void)user;
    (void)hf_transition_text(transition, text, sizeof text);
    hf_report_line(NULL, text);
    if (transition->error && transition->error->code != HF_OK) {
        (void)hf_error_text(transition->error, text, sizeof text);
        hf_report_line("why", text);
    }
}

static void on_refused(void *user, const hf_reading *reading, const hf_error *error) {
    char text[200];
    (void)user, (void)reading;
    (void)hf_error_text(error, text, sizeof text);
    hf_report_line("refused a reading", text);
}

static const char *given(const char *text) {
    return text[0] ? text : NULL;
}

static bool over_budget(void *unused) {
    (void)unused;
    return hf_hw_ms() - tick_began_ms >= TICK_MS;
}

static int connect_network(void) {
    hash = hf_mbedtls_hash;
    hash.rounds_per_slice = ROUNDS;
    const hf_lwip_setup setup = { .links = links,
                                  .n_links = HF_LWIP_LINKS(1),
                                  .lookups = lookups,
                                  .n_lookups = 1,
                                  .random = hf_hw_entropy,
                                  .over_budget = over_budget,
                                  .hash = &hash,
                                  .tls = &tls };
    const hf_lwip_addresses addresses = { given(settings.address),
                                          given(settings.mask),
                                          given(settings.gateway),
                                          { given(settings.dns), NULL } };
    hf_lwip_driver driver = { .send = hf_hw_ethernet_send, .receive = hf_hw_ethernet_receive };
    if (!hf_hw_ethernet_start(driver.mac)) {
        return fail(EXIT_CONFIG, "ethernet", "no controller answers");
    }
    if (!hf_lwip_init(&port, &setup, NULL)) {
        return fail(EXIT_CONFIG, "lwIP", "does not start");
    }
    if (!hf_lwip_nic_open(&nic, &driver, &addresses, NULL)) {
        return fail(EXIT_CONFIG, "configuration", "address, mask, gateway or dns is no address");
    }
    return EXIT_DONE;
}

/* ---- the loop ------------------------------------------------------------------------------------- */

/* lwIP is told when the cable is back: it may lead to another network, so it asks for its address anew and forgets
 * its neighbours. That it is out is for the deadlines to find, which see a cable further away too; meanwhile what
 * is sent again and again gets through as soon as it can. */
static void watch_cable(void) {
    static bool out;
    bool was_out = out;
    out = !hf_hw_ethernet_plugged();
    if (was_out && !out) {
        hf_lwip_nic_link(&nic, false);
        hf_lwip_nic_link(&nic, true);
    }
    if (out != was_out) {
        hf_report_line("cable", out ? "out" : "in");
    }
}

/* Frames, lwIP's timers, then the pool; `until` is when somebody else wants to be called. */
static void turn(hf_ms until) {
    watch_cable();
    bool more = hf_lwip_nic_poll(&nic);
    hf_lwip_poll(&port);
    if (pool) {
        tick_began_ms = hf_hw_ms();
        hf_ms next = hf_tick(pool, hf_lwip_now(&port));
        uint32_t took = hf_hw_ms() - tick_began_ms;
        tick_ms_max = took > tick_ms_max ? took : tick_ms_max;
        until = next < until ? next : until;
    }
    uint32_t sleep_ms = hf_lwip_sleep_ms(&port, until);
    if (!more && sleep_ms > 0) {
        const uint32_t end = hf_hw_ms() + (sleep_ms < SLEEP_MS ? sleep_ms : SLEEP_MS);
        hf_hw_sleep(end);
        woken += (int32_t)(hf_hw_ms() - end) < 0;
    }
}

/* A loss is told when it begins, and how large it was when there is room again. */
static void add_reading(hf_ms due, int32_t milli) {
    static uint32_t told;
    static bool full;
    bool was_full = full;
    full = !hf_store_add(&store, due, milli);
    if (full && !was_full) {
        hf_report_line("queue", "full, the oldest readings are dropped");
    } else if (was_full && !full) {
        hf_report_dropped(store.readings.dropped - told);
        told = store.readings.dropped;
    }
}

/* Is another reading to be taken? */
static bool goes_on(const hf_pool_status *status) {
    return (settings.readings == 0 || store.taken < settings.readings) &&
           (settings.reconnects == 0 || status->ups <= settings.reconnects);
}

/* Takes readings until there were enough, and stores them until none is left or drain_ms have passed. */
static int log_readings(void) {
    hf_ms due = hf_lwip_now(&port), drained = HF_NEVER;
    hf_pool_status status;
    for (;;) {
        hf_ms now = hf_lwip_now(&port);
        int32_t milli;
        hf_pool_status_get(pool, &status);
        if (status.refused) {
            return EXIT_REFUSED;
        }
        if (goes_on(&status)) {
            for (; now >= due && goes_on(&status); due += settings.interval_ms) {
                if (!hf_hw_sensor(&milli)) {
                    return fail(EXIT_CONFIG, "sensor", "there is none");
                }
                add_reading(due, milli);
            }
        } else if (hf_store_left(&store) == 0) {
            return store.stored < store.taken ? EXIT_LOST : EXIT_DONE;
        } else if (drained == HF_NEVER) {
            drained = now + settings.drain_ms;
        } else if (now >= drained) {
            return EXIT_INCOMPLETE;
        }
        hf_store_submit(&store);
        turn(drained != HF_NEVER ? drained : due);
    }
}

/* Closes the pool, and waits until lwIP has let go of the last connection. */
static int finish(int status, const hf_report_pools *before) {
    hf_report_pools after;
    hf_ms end = hf_lwip_now(&port) + CLOSE_MS;
    hf_pool_close(pool, end);
    while (!hf_pool_closed(pool)) {
        turn(end);
    }
    hf_report_summary(pool, &store, tick_ms_max, woken);
    pool = NULL;
    end = hf_lwip_now(&port) + SETTLE_MS;
    do {
        hf_ms now = hf_lwip_now(&port);
        turn(now + 100 < end ? now + 100 : end);
        hf_report_pools_get(&after, &tls_heap, &json_heap);
    } while (!hf_report_pools_same(before, &after) && hf_lwip_now(&port) < end);
    hf_report_pools_print(before, &after);
    if (!hf_report_pools_same(before, &after) && status <= EXIT_LOST) {
        status = fail(EXIT_LEAK, "pools", "not as they were");
    }
    return status;
}

int main(void) {
    const hf_hw_board *board = &hf_hw_board_here;
    hf_report_pools before;
    hf_hw_uart_start(board->uart, board->clock_hz);
    hf_hw_clock_start(board->clock_hz);
    hf_report_line("holdfast " HF_VERSION, board->name);
    hf_memory_init(&tls_heap, tls_bytes, sizeof tls_bytes);
    hf_memory_init(&json_heap, json_bytes, sizeof json_bytes);
    hf_json_memory(json_take, json_give);
    int status = configure();
    if (status == EXIT_DONE && !name_boot()) {
        status = fail(EXIT_CONFIG, "boot", "no entropy");
    }
    if (status == EXIT_DONE) {
        status = connect_network();
    }
    if (status != EXIT_DONE) {
        return status;
    }
    hf_ms end = hf_lwip_now(&port) + NETWORK_MS;
    while (!hf_lwip_nic_ready(&nic) && hf_lwip_now(&port) < end) {
        turn(end); /* without an address yet it goes on all the same: the pool keeps trying */
    }
    hf_report_pools_get(&before, &tls_heap, &json_heap);
    settings.config.on_transition = on_transition;
    pool =
        hf_pool_init(pool_memory, sizeof pool_memory, &settings.config, hf_lwip_port(&port), NULL);
    if (!pool) {
        return fail(EXIT_CONFIG, "pool", "not enough memory");
    }
    hf_store_init(&store, pool, settings.device, boot);
    store.on_refused = on_refused;
    return finish(log_readings(), &before);
}

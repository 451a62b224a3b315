/* A pool that is cut off again and again, in every way a server or a network has, and what lwIP holds meanwhile.
 *
 * The server speaks as much of the protocol as a login and a statement take (PostgreSQL docs 55.2). Each connection
 * meets one fault, drawn from a seed. After 10,000 of them every pcb, pbuf, segment and timer must be back, and at no
 * moment may lwIP know a link that has let go of it.
 */
#include "wire.h"

#include <lwip/priv/tcp_priv.h>

#define RECONNECTS 10000
#define CONNS      2

static hf_wire *const wire = &hf_wire_here;

typedef enum fault {
    NONE, /* some statements, then a polite end */
    RESET_AT_ONCE,
    END_AT_ONCE,
    RESET_IN_ANSWER,
    END_IN_ANSWER,
    RESET_BEHIND_ANSWER,
    FATAL,   /* 57P01 and the end */
    SILENCE, /* what is sent is acknowledged, and never answered */
    CABLE,   /* nothing passes for a while */
    REFUSED,
    UNANSWERED, /* no answer to SYN */
    FAULTS
} fault;

static struct {
    uint32_t seed;
    fault fault;
    unsigned fuse; /* statements until it strikes */
    hf_ms heals;
    unsigned struck[FAULTS];
    unsigned done;
} server;

static void draw(void) {
    server.fault = (fault)(unit_random(&server.seed) % FAULTS);
    server.fuse = unit_random(&server.seed) % 4;
    wire->answer = server.fault == REFUSED      ? HF_WIRE_REFUSE
                   : server.fault == UNANSWERED ? HF_WIRE_SILENT
                                                : HF_WIRE_ACCEPT;
    server.heals = HF_NEVER;
    if (wire->answer != HF_WIRE_ACCEPT) {
        server.struck[server.fault]++;
        server.heals = hf_wire_now() + 3000 + unit_random(&server.seed) % 60000;
    }
}

static void say(hf_wire_conn *conn, char type, const char *body, size_t size) {
    uint8_t message[64] = { (uint8_t)type, 0, 0, 0, (uint8_t)(size + 4) };
    memcpy(message + 5, body, size);
    hf_wire_send(conn, message, size + 5);
}

#define SAY(conn, type, body) say(conn, type, body, sizeof(body) - 1)

/* The moment for it has come. */
static void strike(hf_wire_conn *conn) {
    server.struck[server.fault]++;
    switch (server.fault) {
    case RESET_AT_ONCE:
    case RESET_BEHIND_ANSWER: hf_wire_rst(conn); break;
    case RESET_IN_ANSWER:
        hf_wire_send(conn, "C\0\0\0", 4);
        hf_wire_rst(conn);
        break;
    case END_IN_ANSWER:
        hf_wire_send(conn, "C\0\0\0", 4);
        hf_wire_fin(conn);
        break;
    case NONE:
    case END_AT_ONCE: hf_wire_fin(conn); break;
    case FATAL:
        SAY(conn, 'E', "SFATAL\0VFATAL\0C57P01\0Mgo away\0");
        hf_wire_fin(conn);
        break;
    case CABLE:
        wire->cut = true;
        server.heals = hf_wire_now() + 1000 + unit_random(&server.seed) % 200000;
        break;
    case SILENCE: server.heals = hf_wire_now() + 400000; break;
    case REFUSED:
    case UNANSWERED:
    case FAULTS: break;
    }
    if (server.heals == HF_NEVER) {
        draw();
    }
}

static void on_message(hf_wire_conn *conn, uint8_t type) {
    bool now = server.fuse == 0;
    if (wire->answer != HF_WIRE_ACCEPT) {
        hf_wire_rst(conn); /* who cannot be reached does not go on with others either */
        return;
    }
    if (server.heals != HF_NEVER) {
        return; /* silent */
    }
    switch (type) {
    case 0: /* start-up */
        if (server.fault == RESET_AT_ONCE || server.fault == END_AT_ONCE) {
            strike(conn);
            break;
        }
        SAY(conn, 'R', "\0\0\0\0");
        SAY(conn, 'K', "\0\0\0\1\0\0\0\1");
        SAY(conn, 'Z', "I");
        break;
    case 'P': SAY(conn, '1', ""); break;
    case 'D':
        SAY(conn, 't', "\0\0");
        SAY(conn, 'n', "");
        break;
    case 'B': SAY(conn, '2', ""); break;
    case 'E':
        if (now && (server.fault == RESET_IN_ANSWER || server.fault == END_IN_ANSWER ||
                    server.fault == SILENCE || server.fault == CABLE || server.fault == FATAL)) {
            strike(conn);
            break;
        }
        SAY(conn, 'C', "SELECT 0\0");
        break;
    case 'S':
        SAY(conn, 'Z', "I");
        if (now) {
            strike(conn);
        } else {
            server.fuse--;
        }
        break;
    case 'X': hf_wire_fin(conn); break;
    default: fail_msg("the client sent a '%c'", type);
    }
}

static void on_bytes(hf_wire_conn *conn) {
    while (conn->open && !conn->ended) {
        const uint8_t *at = conn->bytes + conn->parsed;
        size_t have = conn->got - conn->parsed,
               head = conn->parsed > 0 ? 1 : 0; /* the first has no type */
        size_t size = have >= head + 4 ? head + ((size_t)at[head + 2] << 8 | at[head + 3]) : 0;
        if (size == 0 || have < size) {
            return;
        }
        bool cancel = head == 0 && size == 16;
        conn->parsed += size;
        if (cancel) {
            hf_wire_fin(conn);
        } else {
            on_message(conn, head ? at[0] : 0);
        }
    }
}

static void finish(hf_request *request) {
    server.done += request->outcome == HF_OUTCOME_OK;
}

/* Each pcb belongs to the link that knows it, or to lwIP alone. */
static void no_pcb_knows_a_link_that_has_let_go(void) {
    for (unsigned i = 0; i < NUM_TCP_PCB_LISTS; i++) {
        for (struct tcp_pcb *pcb = *tcp_pcb_lists[i]; pcb != NULL; pcb = pcb->next) {
            const hf_lwip_link *link = pcb->callback_arg;
            assert_true(link == NULL || (link->pcb == pcb && link->step != 0));
        }
    }
}

static hf_pool *open_pool(void) {
    static HF_POOL_MEMORY(memory, CONNS, 8192, 2048);
    static hf_config config;
    config = (hf_config)HF_CONFIG_DEFAULT;
    assert_true(hf_config_dsn(&config, "postgres://app@10.0.0.1/db?sslmode=disable", NULL));
    config.max_concurrent = CONNS;
    config.rx_bytes = 8192;
    config.tx_bytes = 2048;
    config.max_outage_ms = config.max_retries = config.connect_retries = HF_FOREVER;
    config.request_timeout_ms = 20000;
    hf_pool *pool = hf_pool_init(memory, sizeof memory, &config, hf_lwip_port(&wire->port), NULL);
    assert_non_null(pool);
    hf_pool_open(pool, CONNS);
    return pool;
}

/* Ticks, and waits for an event or a moment at which the network heals. */
static void step(hf_pool *pool) {
    hf_ms until = hf_tick(pool, hf_wire_now());
    if (hf_wire_now() >= server.heals) {
        wire->cut = false;
        server.fuse = 0;
        draw();
    }
    if (!hf_pool_closed(pool)) {
        hf_wire_wait(until < server.heals ? until : server.heals);
    }
}

/* Until so many connections are lost; then all say goodbye, whatever the network does to that. */
static unsigned lose(unsigned connections) {
    hf_request requests[CONNS + 1];
    hf_pool_status status = { 0 };
    hf_pool *pool = open_pool();
    memset(requests, 0, sizeof requests);
    for (uint32_t losses = 0; losses < connections;) {
        for (unsigned i = 0; i < COUNT(requests); i++) {
            if (requests[i].sql == NULL || requests[i].outcome != HF_OUTCOME_PENDING) {
                requests[i] =
                    (hf_request){ .sql = "SELECT 1", .replay = HF_REPLAY_SAFE, .on_done = finish };
                assert_int_equal(hf_submit(pool, &requests[i]), 0);
            }
        }
        step(pool);
        hf_pool_status_get(pool, &status);
        if (status.losses != losses) {
            losses = status.losses;
            no_pcb_knows_a_link_that_has_let_go();
        }
    }
    hf_pool_close(pool, hf_wire_now() + 5000);
    while (!hf_pool_closed(pool)) {
        step(pool);
    }
    for (unsigned i = 0; i < HF_WIRE_LINKS; i++) {
        assert_int_equal(wire->links[i].step, 0);
        assert_null(wire->links[i].rx);
        assert_null(wire->links[i].note.next);
    }
    no_pcb_knows_a_link_that_has_let_go();
    return status.losses;
}

static void ten_thousand_reconnects_leave_every_pool_as_it_was(void **state) {
    (void)state;
    server.seed = 20;
    wire->on_bytes = on_bytes;
    draw();
    unsigned lost = 0;
    while (lost < RECONNECTS) {
        lost += lose(40);
    }
    for (unsigned i = 0; i < FAULTS; i++) {
        assert_true(server.struck[i] > RECONNECTS / (4 * FAULTS));
    }
    print_message("%u connections lost, %u statements done, in %.1f days\n", lost, server.done,
                  (double)hf_wire_now() / 86400000.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ten_thousand_reconnects_leave_every_pool_as_it_was,
                                        hf_wire_open, hf_wire_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

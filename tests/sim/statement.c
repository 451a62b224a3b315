#include "backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos.h"
#include "check.h"
#include "ledger.h"
#include "table.h"
#include "ticket.h"
#include "work.h"

/* The extended protocol (PostgreSQL docs 55.2.3) and what the statements of work.c do. A statement runs for a
 * while (busy), then answers; a commit takes a while too, and whatever happens to the backend before it is
 * durable undoes it. Outside BEGIN the commit comes at Sync, behind CommandComplete. */

static bool starts(const char *sql, const char *with) {
    return strncmp(sql, with, strlen(with)) == 0;
}

/* --- saying ----------------------------------------------------------------------------------------- */

void sim_tell(sim_backend *backend, unsigned told) {
    sim_link *link = backend->link;
    const uint32_t flight = sim_tap_oldest(&link->tap);
    if (flight || (told & (SIM_TOLD_FATAL | SIM_TOLD_REFUSED | SIM_TOLD_PROVEN | SIM_TOLD_IN)))
        sim_link_mark(link, link->pipe[SIM_WAY_DOWN].n_written + backend->out.n, flight, told);
}

void sim_say_error(sim_backend *backend, char severity, const char *sqlstate, const char *text) {
    sim_out *out = &backend->out;
    const char *name = severity == 'F' ? "FATAL" : severity == 'W' ? "WARNING" : "ERROR";
    sim_out_begin(out, severity == 'W' ? 'N' : 'E');
    sim_out8(out, 'S');
    sim_out_text(out, name);
    sim_out8(out, 'V');
    sim_out_text(out, name);
    sim_out8(out, 'C');
    sim_out_text(out, sqlstate);
    sim_out8(out, 'M');
    sim_out_text(out, text);
    sim_out8(out, 0);
    sim_out_end(out);
}

void sim_say_alone(sim_backend *backend) {
    sim_out *out = &backend->out;
    static const char *const fields[] = { "SWARNING", "VWARNING", "C01000",
                                          "Mcanceling wait for synchronous replication",
                                          "RSyncRepWaitForLSN" };
    sim_out_begin(out, 'N');
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        sim_out_text(out, fields[i]);
    sim_out8(out, 0);
    sim_out_end(out);
}

/* Promoted: the client is told before it hears anything else. */
static void say_role(sim_backend *backend) {
    if (!backend->on_standby || !sim_node_is_primary(backend->node))
        return;
    backend->on_standby = false;
    sim_out_begin(&backend->out, 'S');
    sim_out_text(&backend->out, "in_hot_standby");
    sim_out_text(&backend->out, "off");
    sim_out_end(&backend->out);
}

void sim_say_async(sim_backend *backend) {
    static char many[3000];
    sim_out *out = &backend->out;
    memset(many, 'x', sizeof many - 1);
    /* One that is larger than the receive buffer, perhaps. */
    const char *words =
        sim_chance(&sim.rng, 30) ? many + sim_below(&sim.rng, sizeof many) : "words";
    say_role(backend);
    if (sim_strikes(SIM_PG_NOTICE))
        sim_say_error(backend, 'W', "01000", words);
    if (sim_strikes(SIM_PG_PARAMETER)) {
        sim_out_begin(out, 'S');
        sim_out_text(out, "TimeZone");
        sim_out_text(out, words);
        sim_out_end(out);
    }
    if (backend->phase == SIM_PHASE_RUN && sim_strikes(SIM_PG_NOTIFY)) {
        sim_out_begin(out, 'A');
        sim_out32(out, 42);
        sim_out_text(out, "channel");
        sim_out_text(out, words);
        sim_out_end(out);
    }
}

static void say(sim_backend *backend, char type) {
    sim_say_async(backend);
    sim_out_begin(&backend->out, type);
    sim_out_end(&backend->out);
}

void sim_statement_done(sim_backend *backend, const char *tag, bool counts) {
    sim_out_begin(&backend->out, 'C');
    sim_out_text(&backend->out, tag);
    sim_out_end(&backend->out);
    const uint32_t flight = sim_tap_oldest(&backend->link->tap);
    const char *number = strrchr(tag, ' ');
    if (counts)
        sim_flights[flight].affected = number ? (uint32_t)strtoul(number, NULL, 10) : 0;
    if (counts && ++backend->n_done >= sim_jobs[sim_flights[flight].token].n_statements)
        sim_tell(backend, SIM_TOLD_DONE);
    sim_say_async(backend);
}

void sim_statement_undo(sim_backend *backend) {
    sim_table_abort(backend->cluster, backend->xid);
    backend->xid = 0;
    backend->n_writes = 0;
    backend->ticketed = false;
}

void sim_statement_fail(sim_backend *backend, const char *sqlstate) {
    /* What commits by itself may have done so before it failed. */
    const bool part = backend->portal.bound && starts(backend->portal.sql, "CALL") &&
                      strcmp(sqlstate, "25006") != 0;
    const bool ambiguous = part || strcmp(sqlstate, "40003") == 0 || strcmp(sqlstate, "08007") == 0;
    const bool plan = strcmp(sqlstate, "0A000") == 0;
    sim_say_error(backend, 'E', sqlstate,
                  plan ? "cached plan must not change result type" : "an error of the model");
    const bool role = strcmp(sqlstate, "25006") == 0 && !sim_node_is_primary(backend->node) &&
                      !backend->read_only && !backend->only_reads;
    const bool foreign = strcmp(sqlstate, "57014") == 0 && !backend->interrupted;
    sim_tell(backend, (ambiguous ? SIM_TOLD_AMBIGUOUS : SIM_TOLD_ERROR) |
                          (foreign ? SIM_TOLD_57014 : 0u) | (role ? SIM_TOLD_ROLE : 0u));
    backend->interrupted = false;
    sim_statement_undo(backend);
    backend->skipping = true;
    if (backend->status == 'T')
        backend->status = 'E';
}

/* --- rows ------------------------------------------------------------------------------------------- */

static void describe(sim_backend *backend, const char *sql) {
    static const char *const columns[] = { "token", "flight", "i", "filler" };
    sim_out *out = &backend->out;
    if (!sim_gives_rows(sql)) {
        say(backend, 'n');
        return;
    }
    sim_out_begin(out, 'T');
    sim_out16(out, 4);
    for (unsigned i = 0; i < 4; i++) {
        sim_out_text(out, columns[i]);
        sim_out32(out, 0);
        sim_out16(out, 0);
        sim_out32(out, 25);
        sim_out16(out, 0xffff);
        sim_out32(out, UINT32_MAX);
        sim_out16(out, 0);
    }
    sim_out_end(out);
}

static void value(sim_out *out, sim_flight *flight, const char *text, size_t n) {
    sim_out32(out, (uint32_t)n);
    sim_out_bytes(out, text, n);
    flight->hash = sim_row_hash(flight->hash, text, n);
}

static void row(sim_backend *backend, uint32_t number, uint32_t i, uint32_t filler) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789";
    static char text[40000];
    sim_out *out = &backend->out;
    sim_flight *flight = &sim_flights[number];
    const uint32_t numbers[3] = { backend->portal.token, number, i };
    if (sim_chance(&sim.rng, 100))
        sim_say_async(backend);
    sim_out_begin(out, 'D');
    sim_out16(out, 4);
    for (unsigned c = 0; c < 3; c++) {
        int n = snprintf(text, sizeof text, "%u", numbers[c]);
        value(out, flight, text, (size_t)n);
    }
    filler = filler < sizeof text ? filler : (uint32_t)sizeof text;
    for (uint32_t c = 0; c < filler; c++)
        text[c] = letters[(number + i + c) % (sizeof letters - 1)];
    value(out, flight, text, filler);
    sim_out_end(out);
    flight->n_rows++;
    if (out->n > 8192)
        sim_backend_flush(backend);
}

/* --- running ---------------------------------------------------------------------------------------- */

static bool writes(const char *sql) {
    return starts(sql, "INSERT") || starts(sql, "UPDATE") || starts(sql, "CALL");
}

static const char *short_code(void) {
    static const char *const codes[] = { "53000", "53100", "53200", "58030" };
    return codes[sim_below(&sim.rng, 4)];
}

/* The SQLSTATE with which the statement in hand fails; NULL: it does not. */
static const char *failure_of(sim_backend *backend) {
    const char *sql = backend->portal.sql;
    if (writes(sql) && !sim_node_is_primary(backend->node))
        sim_hit(sim_access_now.tells_role ? SIM_PG_STANDBY : SIM_PG_STANDBY_UNTOLD);
    if (writes(sql) &&
        (backend->read_only || backend->only_reads || !sim_node_is_primary(backend->node)))
        return "25006";
    if (starts(sql, "SELECT error"))
        return backend->portal.word;
    if (backend->portal.kind == SIM_ROLE_ASKS)
        return sim_role_fails(backend);
    if (backend->portal.kind == SIM_TICKET_GIVES)
        return NULL;
    if (backend->portal.kind == SIM_LEDGER_SETS)
        return NULL;
    if (backend->portal.kind == SIM_LEDGER_FINDS)
        return !sim_node_is_primary(backend->node) || backend->read_only ? "25006"
               : sim_strikes(SIM_ASK_FAILS)                              ? "57014"
                                                                         : NULL;
    if (backend->portal.kind == SIM_TICKET_ASKS)
        return sim_strikes(SIM_ASK_FAILS) ? "57014" : NULL;
    if (starts(sql, "CALL") && sim_strikes(SIM_PG_CALL_RAISES))
        return "P0001";
    const char *shortage = sim_nodes[backend->node].shortage;
    if (shortage && !sim.healed && (writes(sql) || strcmp(shortage, "53100") != 0)) {
        sim_hit(SIM_PG_SHORT);
        return shortage;
    }
    if (sim_strikes(SIM_PG_SHORT_ONE))
        return short_code();
    return sim_strikes(SIM_PG_40001)   ? "40001"
           : sim_strikes(SIM_PG_55P03) ? "55P03"
           : sim_strikes(SIM_PG_40P01) ? "40P01"
           : sim_strikes(SIM_PG_40003) ? (sim_chance(&sim.rng, 500) ? "40003" : "08007")
           : sim_strikes(SIM_PG_57014) ? "57014"
           : backend->was_cancelled && sim_strikes(SIM_PG_57014_AGAIN)         ? "57014"
           : writes(sql) && !backend->portal.kind && sim_strikes(SIM_PG_23505) ? "23505"
                                                                               : NULL;
}

/* Statements of the application's own: where may they run? */
static void check_session(const sim_backend *backend) {
    if (backend->link->tainted)
        return;
    SIM_CHECK(!backend->liar, "who has not proved itself is told nothing", "link #",
              backend->link->number, 0, 0);
    SIM_CHECK(!sim_config.read_only || backend->read_only || backend->only_reads,
              "reads run in a read-only session", "link #", backend->link->number, 0, 0);
}

static void execute(sim_backend *backend) {
    const char *sql = backend->portal.sql;
    if (backend->portal.token && !backend->portal.kind)
        check_session(backend);
    if (!backend->portal.bound) {
        sim_statement_fail(backend, "34000");
    } else if (strcmp(sql, "ROLLBACK") == 0) {
        sim_statement_undo(backend);
        backend->status = 'I';
        sim_statement_done(backend, "ROLLBACK", false);
    } else if (starts(sql, "COMMIT")) {
        if (backend->status == 'E') {
            backend->status = 'I';
            sim_statement_done(backend, "ROLLBACK", false);
        } else {
            sim_statement_commit(backend, true);
        }
    } else if (backend->status == 'E') {
        sim_statement_fail(backend, "25P02");
    } else if (starts(sql, "BEGIN")) {
        backend->only_reads = backend->only_reads || starts(sql, "BEGIN READ ONLY");
        backend->status = 'T';
        if (strstr(sql, "/* "))
            sim_hit(SIM_PG_OPEN_TRANSACTION);
        sim_statement_done(backend, "BEGIN", strstr(sql, "/* "));
    } else {
        uint32_t ms = sim_below(&sim.rng, 8);
        if (starts(sql, "SELECT slow") && !sim.healed)
            ms = backend->portal.number;
        if (sim_strikes(SIM_PG_LATE))
            ms += sim_scaled(&sim.rng, 1000, 100000);
        if (backend->portal.kind == SIM_TICKET_GIVES || backend->portal.kind == SIM_LEDGER_SETS)
            ms = 0;
        backend->fails_with = failure_of(backend);
        const bool raises = backend->fails_with && strcmp(backend->fails_with, "P0001") == 0;
        backend->applies_now = starts(sql, "CALL") && (!backend->fails_with || raises);
        if (backend->applies_now) { /* it commits in its middle */
            uint32_t xid = sim_table_begin(backend->cluster);
            sim_table_commit(backend->cluster, xid, &backend->portal.token, 1,
                             backend->link->tainted);
        }
        sim_backend_busy(backend, ms, SIM_THEN_EXECUTED);
    }
}

static void answer_rows(sim_backend *backend) {
    const uint32_t flight = sim_tap_oldest(&backend->link->tap);
    const char *sql = backend->portal.sql;
    char tag[32];
    uint32_t n = starts(sql, "SELECT gen") ? backend->portal.number : 1;
    uint32_t filler = starts(sql, "SELECT big") ? backend->portal.number : 0;
    n = n < 2000 ? n : 2000;
    for (uint32_t i = 0; i < n; i++) {
        row(backend, flight, i, filler ? filler : (flight + i * 7) % 60);
        if (sim_strikes(SIM_PG_KILL_BUSY)) {
            sim_backend_fatal(backend, "57P01");
            return;
        }
    }
    snprintf(tag, sizeof tag, starts(sql, "SELECT") ? "SELECT %u" : "INSERT 0 %u", n);
    sim_statement_done(backend, tag, true);
}

/* Is this not the first attempt of its request? */
static bool ran_before(const sim_backend *backend) {
    const uint32_t flight = sim_tap_oldest(&backend->link->tap);
    const uint32_t token = sim_flights[flight].token;
    return token && sim_jobs[token].first != flight;
}

/* A ticket, or what became of one: one row of one text. */
static void answer_ticket(sim_backend *backend) {
    sim_out *out = &backend->out;
    const char *text = NULL;
    const unsigned kind = backend->portal.kind;
    const char *sqlstate = kind == SIM_TICKET_GIVES  ? sim_ticket_give(backend, &text)
                           : kind == SIM_TICKET_ASKS ? sim_ticket_answer(backend, &text)
                                                     : sim_role_answer(backend, &text);
    if (sqlstate) {
        sim_statement_fail(backend, sqlstate);
        return;
    }
    sim_out_begin(out, 'D');
    sim_out16(out, 1);
    sim_out32(out, text ? (uint32_t)strlen(text) : UINT32_MAX);
    sim_out_bytes(out, text, text ? strlen(text) : 0);
    sim_out_end(out);
    sim_statement_done(backend, "SELECT 1", false);
}

void sim_statement_executed(sim_backend *backend) {
    const char *sql = backend->portal.sql;
    const char *sqlstate = backend->fails_with;
    const sim_link *link = backend->link;
    if (link->client_gone)
        sim_hit(SIM_NET_ORPHAN);
    backend->applies_now = false;
    sim_say_async(backend);
    if (sim_between_runs(backend))
        return;
    if (sqlstate) {
        sim_statement_fail(backend, sqlstate);
    } else if (sim_strikes(SIM_PG_KILL_BUSY) ||
               (ran_before(backend) && sim_strikes(SIM_PG_KILL_AGAIN))) {
        sim_backend_fatal(backend, "57P01");
    } else if (backend->portal.kind >= SIM_LEDGER_SETS) {
        sim_ledger_executed(backend);
    } else if (backend->portal.kind) {
        answer_ticket(backend);
    } else {
        if ((starts(sql, "INSERT") || starts(sql, "UPDATE")) && backend->n_writes < SIM_WRITES) {
            if (!backend->xid)
                backend->xid = sim_table_begin(backend->cluster);
            backend->write_flights[backend->n_writes] = sim_tap_oldest(&link->tap);
            backend->writes[backend->n_writes++] = backend->portal.token;
        }
        if (sim_gives_rows(sql))
            answer_rows(backend);
        else if (sql[0] == '/')
            say(backend, 'I');
        else
            sim_statement_done(backend,
                               starts(sql, "CALL")     ? "CALL"
                               : starts(sql, "UPDATE") ? "UPDATE 1"
                                                       : "INSERT 0 1",
                               true);
    }
}

/* --- messages ----------------------------------------------------------------------------------------- */

static void check_padding(const sim_backend *backend, const char *sql, const sim_bind *bind) {
    if (!starts(sql, "INSERT INTO log VALUES ($1, $2)") || backend->link->tainted ||
        bind->first > sim_n_jobs)
        return;
    const uint16_t bytes = sim_jobs[bind->first].padding;
    bool right = bytes == SIM_PADDING_NULL ? !bind->text : bind->text && bind->text_bytes == bytes;
    for (size_t i = 0; right && bind->text && i < bytes; i++)
        right = bind->text[i] == sim_padding(bind->first, i);
    SIM_CHECK(right, "parameters arrive as they were", "request #, # bytes of #", bind->first,
              bind->text_bytes, bytes);
}

static void parse(sim_backend *backend, sim_body *body) {
    const char *name = sim_read_text(body), *sql = sim_read_text(body);
    if (name[0] && (sim_names_get(&backend->names, name) || sim_strikes(SIM_PG_TAKEN))) {
        sim_statement_fail(backend, "42P05");
        return;
    }
    sim_names_put(&backend->names, name, sql);
    say(backend, '1');
}

static void bind(sim_backend *backend, const uint8_t *at, size_t n) {
    sim_tap *tap = &backend->link->tap;
    if (backend->n_done > 0 && sim_flights[sim_tap_oldest(tap)].shares) { /* the next of a group */
        tap->n_answered++;
        backend->n_done = 0;
    }
    const sim_bind bind = sim_read_bind(at, n);
    const char *sql = sim_names_get(&backend->names, bind.statement);
    sim_portal *portal = &backend->portal;
    if (!sql || bind.bad) {
        sim_statement_fail(backend, bind.bad ? "08P01" : "26000");
        return;
    }
    if (bind.statement[0] && sim_strikes(SIM_PG_FORGETS)) {
        sim_names_drop(&backend->names, bind.statement);
        sim_statement_fail(backend, "26000");
        return;
    }
    if (bind.statement[0] && !sim_ticket_kind(sql) && sim_strikes(SIM_PG_PLAN)) {
        sim_statement_fail(backend, "0A000");
        return;
    }
    check_padding(backend, sql, &bind);
    snprintf(portal->sql, sizeof portal->sql, "%s", sql);
    snprintf(portal->word, sizeof portal->word, "%s", bind.word);
    portal->token = sim_token_of(sql, &bind);
    portal->number = bind.second;
    portal->bound = true;
    portal->kind = 0;
    if (sim_ticket_kind(sql))
        sim_ticket_bind(portal, sql, &bind);
    if (!bind.statement[0] && sim_ledger_kind(backend->names.unnamed)) {
        portal->kind = (uint8_t)sim_ledger_kind(backend->names.unnamed);
        snprintf(portal->text, sizeof portal->text, "%.*s", (int)bind.text_bytes,
                 bind.text ? bind.text : "");
    }
    say(backend, '2');
}

static void describe_message(sim_backend *backend, const uint8_t *at, size_t n) {
    sim_body body = { .at = at + 1, .end = at + n };
    const char *name = sim_read_text(&body);
    const char *sql = at[0] == 'S' ? sim_names_get(&backend->names, name) : backend->portal.sql;
    if (!sql) {
        sim_statement_fail(backend, "26000");
        return;
    }
    if (at[0] == 'S') {
        unsigned n_params = strstr(sql, "$2") ? 2 : strstr(sql, "$1") ? 1 : 0;
        sim_out_begin(&backend->out, 't');
        sim_out16(&backend->out, n_params);
        for (unsigned i = 0; i < n_params; i++)
            sim_out32(&backend->out, 23);
        sim_out_end(&backend->out);
    }
    describe(backend, sql);
}

void sim_statement_message(sim_backend *backend, char type, const uint8_t *at, size_t n) {
    sim_body body = { .at = at, .end = at + n };
    if (type == 'S') {
        sim_statement_sync(backend);
        return;
    }
    if (type == 'X') {
        sim_backend_end(backend, false);
        return;
    }
    backend->spoken = true;
    if (backend->skipping && type != 'Q')
        return;
    switch (type) {
    case 'P': parse(backend, &body); break;
    case 'B': bind(backend, at, n); break;
    case 'D':
        if (n > 1) {
            describe_message(backend, at, n);
            break;
        }
        sim_backend_fatal(backend, "08P01");
        break;
    case 'C':
        body.at++;
        sim_names_drop(&backend->names, sim_read_text(&body));
        say(backend, '3');
        break;
    case 'E': execute(backend); break;
    case 'H': sim_backend_flush(backend); break;
    case 'Q': /* the only one there is */
        sim_statement_undo(backend);
        backend->status = 'I';
        sim_statement_done(backend, "ROLLBACK", false);
        sim_statement_ready(backend);
        break;
    default: sim_backend_fatal(backend, "08P01"); break;
    }
}

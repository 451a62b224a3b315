#include "server.h"

#include "hand.h"

#include <string.h>

#include "pg/sql.h"

/* The server's half of PostgreSQL's protocol 3.0 (PostgreSQL docs, chapter 55), as far as a test of an application
 * needs it. Invariants: what a client wrote on a served link is read here and nowhere else; a flight, up to its Sync,
 * stays unread until the test says what it gives. The driver's own statements are known by their text (pg/sql.h). */

_Static_assert(sizeof HF_PG_SQL_ASK <= sizeof((hf_script_statement *)0)->sql &&
                   sizeof HF_PG_SQL_TICKET <= sizeof((hf_script_statement *)0)->sql,
               "hf_script_statement.sql is too small for the driver's own statements");

enum { SSL_REQUEST = 80877103, CANCEL_REQUEST = 80877102, TEXT_OID = 25 };

/* One message to the client. */
typedef struct draft {
    uint8_t data[HF_SCRIPT_BYTES];
    size_t bytes;
} draft;

/* What a statement gives. */
typedef struct result {
    unsigned n_columns, n_rows;
    const char *const *columns, *const *values;
    const char *tag;
    const char *sqlstate; /* it is refused; NULL: it is not */
} result;

/* ---- writing ---------------------------------------------------------------------------------- */

static void put(draft *out, const void *from, size_t bytes) {
    HF_ASSERT(bytes <=
              sizeof out->data - out->bytes); /* HF_SCRIPT_BYTES is too small for that row */
    memcpy(out->data + out->bytes, from, bytes);
    out->bytes += bytes;
}

static void put_number(draft *out, uint32_t value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) {
        put(out, &(uint8_t){ (uint8_t)(value >> (8 * i)) }, 1);
    }
}

static void put_text(draft *out, const char *text) {
    put(out, text, strlen(text) + 1);
}

static void begin(draft *out, char type) {
    out->bytes = 0;
    put(out, &type, 1);
    put_number(out, 0, 4);
}

static void end(draft *out, hf_script_link *link) {
    uint32_t length = (uint32_t)out->bytes - 1;
    for (unsigned i = 0; i < 4; i++) {
        out->data[1 + i] = (uint8_t)(length >> (24 - 8 * i));
    }
    hf_script_link_reply(link, out->data, out->bytes);
}

static void say(hf_script_link *link, char type, const void *body, size_t bytes) {
    draft out;
    begin(&out, type);
    put(&out, body, bytes);
    end(&out, link);
}

static void say_ready(hf_script_link *link) {
    say(link, 'Z', link->server.transaction ? link->server.failed ? "E" : "T" : "I", 1);
}

static void say_tag(hf_script_link *link, const char *tag) {
    say(link, 'C', tag, strlen(tag) + 1);
}

static void say_error(hf_script_link *link, const char *severity, const char *sqlstate) {
    draft out;
    begin(&out, 'E');
    put(&out, "S", 1), put_text(&out, severity);
    put(&out, "V", 1), put_text(&out, severity);
    put(&out, "C", 1), put_text(&out, sqlstate);
    put(&out, "M", 1), put_text(&out, "as the test says");
    put_number(&out, 0, 1);
    end(&out, link);
}

static void say_parameter(hf_script_link *link, const char *name, const char *value) {
    draft out;
    begin(&out, 'S');
    put_text(&out, name), put_text(&out, value);
    end(&out, link);
}

static void say_columns(hf_script_link *link, const result *gives) {
    draft out;
    if (gives->n_columns == 0) {
        say(link, 'n', "", 0);
        return;
    }
    begin(&out, 'T');
    put_number(&out, gives->n_columns, 2);
    for (unsigned i = 0; i < gives->n_columns; i++) {
        put_text(&out, gives->columns[i]);
        put_number(&out, 0, 4), put_number(&out, 0, 2), put_number(&out, TEXT_OID, 4);
        put_number(&out, UINT16_MAX, 2), put_number(&out, UINT32_MAX, 4), put_number(&out, 0, 2);
    }
    end(&out, link);
}

static void say_row(hf_script_link *link, unsigned n, const char *const *values) {
    draft out;
    begin(&out, 'D');
    put_number(&out, n, 2);
    for (unsigned i = 0; i < n; i++) {
        size_t bytes = values[i] ? strlen(values[i]) : 0;
        put_number(&out, values[i] ? (uint32_t)bytes : UINT32_MAX, 4);
        put(&out, values[i] ? values[i] : "", bytes);
    }
    end(&out, link);
}

/* ---- reading ---------------------------------------------------------------------------------- */

static uint32_t get32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The size of the first unread message, its type included, from `from` on; 0: it is not whole yet. */
static uint32_t message_bytes(const hf_script_link *link, uint32_t from) {
    const uint32_t left = link->from_end - from, head = link->server.started ? 1 : 0;
    if (left < head + 4) {
        return 0;
    }
    const uint32_t bytes = head + get32(link->from_client + from + head);
    HF_ASSERT(bytes >= head + 4);
    return bytes <= left ? bytes : 0;
}

static void let_in(hf_script_link *link) {
    draft out;
    begin(&out, 'R'), put_number(&out, 0, 4), end(&out, link);
    say_parameter(link, "server_version", "17.0");
    say_parameter(link, "in_hot_standby", "off");
    say_parameter(link, "default_transaction_read_only", "off");
    begin(&out, 'K'), put_number(&out, link->number + 1, 4), put_number(&out, 1, 4),
        end(&out, link);
    link->server.started = true;
    say_ready(link);
}

/* A message without a type: SSLRequest, StartupMessage, CancelRequest. */
static void first_message(hf_script_link *link, const uint8_t *body) {
    const uint32_t code = get32(body);
    if (code == SSL_REQUEST) {
        hf_script_link_reply(link, "S", 1);
    } else if (code == CANCEL_REQUEST) {
        hf_script_link_eof(link);
    } else {
        let_in(link);
    }
}

static bool is(const char *sql, const char *word) {
    return strncmp(sql, word, strlen(word)) == 0;
}

/* What ends or begins a transaction needs no word of the test's. */
static bool control(hf_script_link *link, const char *sql) {
    static const char *const words[] = { "BEGIN", "COMMIT", "ROLLBACK" };
    for (unsigned i = 0; i < 3; i++) {
        if (is(sql, words[i])) {
            link->server.transaction = i == 0;
            link->server.failed = link->server.ticket = false;
            say_tag(link, words[i]);
            return true;
        }
    }
    return false;
}

/* ---- a flight --------------------------------------------------------------------------------- */

/* The statement of that name; a Parse of it makes one, over the oldest. */
static hf_script_statement *statement_of(hf_script_server *server, const char *name, bool parsed) {
    for (unsigned i = 0; i < HF_SCRIPT_STATEMENTS && i < server->n_parsed; i++) {
        if (strcmp(server->statements[i].name, name) == 0) {
            return &server->statements[i];
        }
    }
    HF_ASSERT(parsed); /* a Bind of a statement that was never parsed */
    return &server->statements[server->n_parsed++ % HF_SCRIPT_STATEMENTS];
}

static void copy(char *to, size_t size, const char *from) {
    size_t bytes = strlen(from) < size ? strlen(from) : size - 1;
    memcpy(to, from, bytes);
    to[bytes] = 0;
}

static void parse(hf_script_server *server, const char *name) {
    hf_script_statement *statement = statement_of(server, name, true);
    HF_ASSERT(strlen(name) < sizeof statement->name);
    copy(statement->name, sizeof statement->name, name);
    copy(statement->sql, sizeof statement->sql, name + strlen(name) + 1);
}

static void describe(hf_script_link *link, char what, const result *gives) {
    if (what == 'S') {
        say(link, 't', "\0", 2); /* no parameters, as far as anybody asks */
    }
    say_columns(link, gives);
}

/* A RESOLVE request asks for its transaction's ticket where a batch has its COMMIT. */
static void give_ticket(hf_script_link *link) {
    char ticket[] = "0000000000 scripted";
    uint32_t number = ++link->script->tickets;
    for (unsigned i = 10; i-- > 0; number /= 10) {
        ticket[i] = (char)('0' + number % 10);
    }
    const char *const value = ticket;
    say_row(link, 1, &value);
    say_tag(link, "SELECT 1");
    link->server.ticket = true;
}

static void execute(hf_script_link *link, const char *sql, const result *gives) {
    hf_script_server *server = &link->server;
    const bool commit = server->ticket && is(sql, "COMMIT"); /* by itself: the test's to answer */
    if (strcmp(sql, HF_PG_SQL_TICKET) == 0) {
        give_ticket(link);
        return;
    }
    if (!commit && control(link, sql)) {
        return;
    }
    if (commit) { /* whatever it is told, the transaction is over */
        server->transaction = server->ticket = false;
    }
    if (gives->sqlstate) {
        say_error(link, "ERROR", gives->sqlstate);
        server->failed = true;
        return;
    }
    for (unsigned i = 0; i < gives->n_rows; i++) {
        say_row(link, gives->n_columns, gives->values + (size_t)i * gives->n_columns);
    }
    HF_ASSERT(gives->tag);
    say_tag(link, gives->tag);
}

/* One message of it; false: it was its end. */
static bool answer(hf_script_link *link, const uint8_t *at, const result *gives, const char **sql) {
    hf_script_server *server = &link->server;
    const char *body = (const char *)at + 5;
    if (at[0] == 'S') {
        say_ready(link);
        server->failed = server->failed && server->transaction;
        return false;
    }
    if (server->failed) { /* skipped until Sync */
        return true;
    }
    switch (at[0]) {
    case 'P':
        parse(server, body);
        say(link, '1', "", 0);
        break;
    case 'B':
        *sql = statement_of(server, body + strlen(body) + 1, false)->sql;
        say(link, '2', "", 0);
        break;
    case 'D': describe(link, body[0], gives); break;
    case 'E': execute(link, *sql, gives); break;
    case 'C': say(link, '3', "", 0); break;
    default: hf_assert_failed("a message that the scripted server knows", __FILE__, __LINE__);
    }
    return true;
}

/* Where the flight ends that is unread; 0: none is whole. */
static uint32_t flight_end(const hf_script_link *link) {
    uint32_t at = link->from_start;
    for (uint32_t bytes; (bytes = message_bytes(link, at)) > 0; at += bytes) {
        if (link->from_client[at] == 'S') {
            return at + bytes;
        }
    }
    return 0;
}

/* The statement of the flight that is unread, but BEGIN; NULL: no flight is whole. */
static const char *statement_waiting(hf_script_link *link) {
    const uint32_t end = flight_end(link);
    for (uint32_t at = link->from_start; at < end; at += message_bytes(link, at)) {
        const char *name = (const char *)link->from_client + at + 5, *sql = NULL;
        if (link->from_client[at] == 'P') {
            sql = name + strlen(name) + 1;
        } else if (link->from_client[at] == 'B') {
            const char *known = name + strlen(name) + 1;
            sql = known[0] ? statement_of(&link->server, known, false)->sql : NULL;
        }
        if (sql && !is(sql, "BEGIN")) {
            return sql;
        }
    }
    return NULL;
}

/* Does the flight only ask what a statement is (hf_request.prepare_only)? */
static bool only_prepares(const hf_script_link *link) {
    const uint32_t end = flight_end(link);
    for (uint32_t at = link->from_start; at < end; at += message_bytes(link, at)) {
        if (link->from_client[at] == 'E') {
            return false;
        }
    }
    return true;
}

static void answer_flight(hf_script_link *link, const result *gives) {
    const char *sql = "";
    if (gives->sqlstate && only_prepares(link)) { /* at its Parse */
        say_error(link, "ERROR", gives->sqlstate);
        link->server.failed = true;
    }
    for (bool more = true; more;) {
        const uint32_t bytes = message_bytes(link, link->from_start);
        more = answer(link, link->from_client + link->from_start, gives, &sql);
        link->from_start += bytes;
    }
}

void hf_script_serve(hf_script_link *link) {
    for (uint32_t bytes; link->server.serves && !link->eof &&
                         (bytes = message_bytes(link, link->from_start)) > 0;) {
        const uint8_t *at = link->from_client + link->from_start;
        if (!link->server.started) {
            first_message(link, at + 4);
        } else if (at[0] == 'S') { /* alone: a health check */
            say_ready(link);
        } else if (at[0] == 'Q') { /* ROLLBACK, of a transaction that failed */
            (void)control(link, (const char *)at + 5);
            say_ready(link);
        } else if (at[0] != 'X') {
            const char *sql = link->server.ticket ? statement_waiting(link) : NULL;
            if (!sql || !is(sql, "ROLLBACK")) {
                return; /* a flight: the test says what it gives */
            }
            answer_flight(link, &(result){ 0 }); /* it stands where a COMMIT would */
            continue;
        }
        link->from_start += bytes;
    }
}

static void reply(hf_script *script, const result *gives) {
    hf_script_link *link = hf_script_link_last(script);
    HF_ASSERT(link && link->server.started);        /* hf_script_login() comes first */
    HF_ASSERT(!link->released && flight_end(link)); /* no statement waits for an answer */
    answer_flight(link, gives);
    hf_script_serve(link);
}

/* ---- what a test says ------------------------------------------------------------------------- */

void hf_script_login(hf_script *script) {
    hf_script_link *link = hf_script_link_last(script);
    HF_ASSERT(link && !link->released); /* nobody dials: tick first */
    if (!link->up) {
        hf_script_link_connect(link);
    }
    link->server.serves = true;
    hf_script_serve(link);
}

const char *hf_script_sql(hf_script *script) {
    hf_script_link *link = hf_script_link_last(script);
    return link && link->server.started ? statement_waiting(link) : NULL;
}

void hf_script_rows(hf_script *script, unsigned n_columns, const char *const *columns,
                    unsigned n_rows, const char *const *values) {
    char tag[24] = "SELECT ", digits[12];
    unsigned used = 0, at = 7;
    for (unsigned left = n_rows; used == 0 || left > 0; left /= 10) {
        digits[used++] = (char)('0' + left % 10);
    }
    while (used > 0) {
        tag[at++] = digits[--used];
    }
    tag[at] = 0;
    reply(script, &(result){ .n_columns = n_columns,
                             .columns = columns,
                             .n_rows = n_rows,
                             .values = values,
                             .tag = tag });
}

void hf_script_done(hf_script *script, const char *tag) {
    reply(script, &(result){ .tag = tag });
}

void hf_script_error(hf_script *script, const char *sqlstate) {
    reply(script, &(result){ .sqlstate = sqlstate });
}

/* The driver's own question waits for its answer, which is one text; NULL for NULL. */
static void reply_to(hf_script *script, const char *question, const char *text) {
    const char *sql = hf_script_sql(script);
    HF_ASSERT(sql && strcmp(sql, question) == 0); /* it was not asked */
    reply(script, &(result){ .n_columns = 1, .n_rows = 1, .values = &text, .tag = "SELECT 1" });
}

void hf_script_xact_status(hf_script *script, const char *status) {
    static const char *const known[] = { "committed", "aborted", "in progress", "standby",
                                         "other" };
    bool good = !status;
    for (unsigned i = 0; i < sizeof known / sizeof known[0] && !good; i++) {
        good = strcmp(status, known[i]) == 0;
    }
    HF_ASSERT(good); /* none of the answers that test.h lists */
    reply_to(script, HF_PG_SQL_ASK, status);
}

void hf_script_takes_writes(hf_script *script, bool yes) {
    reply_to(script, HF_PG_SQL_ROLE, yes ? "writable" : "standby");
}

void hf_script_fatal(hf_script *script, const char *sqlstate) {
    hf_script_link *link = hf_script_link_last(script);
    HF_ASSERT(link && link->up && !link->released);
    say_error(link, "FATAL", sqlstate);
    hf_script_link_eof(link);
}

hf_ms hf_script_tick(hf_script *script, hf_pool *pool, hf_ms now) {
    hf_ms next = hf_tick(pool, now);
    for (unsigned i = 0; i < 1000 && (hf_script_news(script) || next <= now); i++) {
        next = hf_tick(pool, now);
    }
    return next;
}

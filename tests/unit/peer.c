#include "peer_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Invariant: a link's `in` begins with the first message that was not dealt with. A message that has to wait
 * (a hold, no room for rows) stays there, and is looked at again in the next pump. */

enum { GONE_ON, WAITS };

/* --- faults --------------------------------------------------------------------------------------- */

static hf_peer_fault *strikes(hf_peer *peer, hf_peer_link *self, hf_peer_point point) {
    const hf_script_link *link = link_of(peer, self);
    for (unsigned i = 0; i < peer->n_faults; i++) {
        hf_peer_fault *fault = &peer->faults[i];
        if (fault->over || fault->point != point ||
            (point == HF_PEER_ROW && fault->rows != self->row))
            continue;
        if ((fault->port && link && link->address.port != fault->port) ||
            (fault->address && link && link->address.ip[3] != fault->address))
            continue;
        if (fault->skip > 0) {
            fault->skip--;
            continue;
        }
        if (fault->times != HF_FOREVER && (fault->times == 0 || --fault->times == 0))
            fault->over = true;
        return fault;
    }
    return NULL;
}

/* Does what a fault says at this point, once. WAITS: nothing more happens on this link now. */
static int pass(hf_peer *peer, hf_peer_link *self, hf_peer_point point) {
    hf_script_link *link = link_of(peer, self);
    if (self->held)
        return WAITS;
    hf_peer_fault *fault = self->acted ? NULL : strikes(peer, self, point);
    self->acted = false;
    if (!fault)
        return GONE_ON;
    switch (fault->deed) {
    case HF_PEER_NOTHING: return GONE_ON;
    case HF_PEER_NOTICE:
        say(peer, self, 'N', "NOTICE", fault->sqlstate, fault->message);
        return GONE_ON;
    case HF_PEER_WARNS:
        say(peer, self, 'N', "WARNING", fault->sqlstate, fault->message);
        return GONE_ON;
    case HF_PEER_ERROR:
        say(peer, self, 'E', "ERROR", fault->sqlstate, fault->message);
        hf_peer_roll_back(self);
        return GONE_ON;
    case HF_PEER_FATAL:
    case HF_PEER_WARNING:
    case HF_PEER_EOF:
    case HF_PEER_LAST:
        if (fault->deed == HF_PEER_FATAL || fault->deed == HF_PEER_LAST)
            say(peer, self, 'E', fault->deed == HF_PEER_FATAL ? "FATAL" : "ERROR", fault->sqlstate,
                fault->message);
        if (fault->deed == HF_PEER_WARNING)
            say(peer, self, 'N', "WARNING", fault->sqlstate, fault->message);
        hf_peer_roll_back(self);
        hf_peer_end(peer, self);
        return WAITS;
    case HF_PEER_RST:
        hf_peer_roll_back(self);
        if (link && !link->released)
            hf_script_link_fail(link, HF_ERR_RESET);
        self->ended = true;
        return WAITS;
    case HF_PEER_SILENCE: self->deaf = true; return GONE_ON;
    case HF_PEER_HOLD: self->held = self->acted = true; return WAITS;
    }
    return GONE_ON;
}

/* --- statements ----------------------------------------------------------------------------------- */

static bool is(const char *sql, const char *word) {
    return strncmp(sql, word, strlen(word)) == 0;
}

static bool is_control(const char *sql) {
    return is(sql, "BEGIN") || is(sql, "COMMIT") || is(sql, "ROLLBACK");
}

static bool gives_rows(const char *sql) {
    return is(sql, "rows ") || is(sql, "big ");
}

static hf_peer_statement *find(hf_peer_link *self, const char *name) {
    for (unsigned i = 0; i < self->n_statements; i++)
        if (strcmp(self->statements[i].name, name) == 0)
            return &self->statements[i];
    return NULL;
}

static void copy(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from);
}

static int parse(hf_peer *peer, hf_peer_link *self, const char *name) {
    const char *sql = name + strlen(name) + 1;
    if (!is_control(sql) && !hf_peer_is_own(sql) && !hf_peer_is_ledger(sql)) {
        peer->parses++;
        if (pass(peer, self, HF_PEER_PARSE) == WAITS)
            return WAITS;
        if (self->failed)
            return GONE_ON;
    }
    hf_peer_statement *statement = find(self, name);
    if (statement && name[0]) {
        say(peer, self, 'E', "ERROR", "42P05", "prepared statement already exists");
        hf_peer_roll_back(self);
        return GONE_ON;
    }
    if (!statement) {
        HF_ASSERT(self->n_statements < HF_PEER_STATEMENTS);
        statement = &self->statements[self->n_statements++];
    }
    copy(statement->name, sizeof statement->name, name);
    copy(statement->sql, sizeof statement->sql,
         is(sql, "SELECT ") && !hf_peer_is_own(sql) && !hf_peer_is_ledger(sql)
             ? sql + strlen("SELECT ")
             : sql);
    send_empty(peer, self, '1');
    return GONE_ON;
}

static void describe_columns(hf_peer *peer, hf_peer_link *self, const char *sql) {
    message out = { .size = 0 };
    if (!gives_rows(sql)) {
        send_empty(peer, self, 'n');
        return;
    }
    put_number(&out, 1, 2);
    put_text(&out, "n");
    put_number(&out, 0, 4), put_number(&out, 0, 2), put_number(&out, 25, 4);
    put_number(&out, 0xffff, 2), put_number(&out, 0xffffffff, 4), put_number(&out, 0, 2);
    send(peer, self, 'T', &out);
}

static void describe(hf_peer *peer, hf_peer_link *self, const uint8_t *body) {
    const hf_peer_statement *statement = find(self, (const char *)body + 1);
    if (body[0] == 'S') {
        message out = { .size = 0 };
        if (!statement) {
            say(peer, self, 'E', "ERROR", "26000", "prepared statement does not exist");
            hf_peer_roll_back(self);
            return;
        }
        put_number(&out, 0, 2);
        send(peer, self, 't', &out);
    }
    describe_columns(peer, self, body[0] == 'S' ? statement->sql : self->sql);
}

static void bind(hf_peer *peer, hf_peer_link *self, const char *portal) {
    const hf_peer_statement *statement = find(self, portal + strlen(portal) + 1);
    if (!statement) {
        say(peer, self, 'E', "ERROR", "26000", "prepared statement does not exist");
        hf_peer_roll_back(self);
        return;
    }
    copy(self->sql, sizeof self->sql, statement->sql);
    if (hf_peer_is_own(self->sql))
        hf_peer_own_bind(self, (const uint8_t *)portal);
    if (hf_peer_is_ledger(self->sql))
        hf_peer_ledger_bind(self, (const uint8_t *)portal);
    send_empty(peer, self, '2');
}

static void commit(hf_peer *peer, hf_peer_link *self) {
    for (unsigned i = 0; i < self->n_pending; i++)
        peer->committed[self->pending[i]]++;
    self->n_pending = 0;
    hf_peer_tx_end(self, HF_PEER_COMMITTED);
    hf_peer_ledger_end(self, true);
}

static int control(hf_peer *peer, hf_peer_link *self, const char *sql) {
    if (is(sql, "BEGIN")) {
        peer->begins++;
        self->in_transaction = true;
    } else if (is(sql, "COMMIT") && !self->failed) {
        if (!self->committing && pass(peer, self, HF_PEER_COMMITS) == WAITS)
            return WAITS;
        self->in_transaction = false;
        if (self->failed)
            return GONE_ON;
        if (!self->committing)
            commit(peer, self);
        self->committing = true;
        if (pass(peer, self, HF_PEER_COMMIT_DONE) == WAITS)
            return WAITS;
        self->committing = false;
        if (self->failed) /* committed, and an error is all that is said of it */
            return GONE_ON;
    } else {
        peer->rollbacks++;
        hf_peer_roll_back(self);
        self->in_transaction = self->failed = false;
    }
    send_tag(peer, self, is(sql, "BEGIN") ? "BEGIN" : is(sql, "COMMIT") ? "COMMIT" : "ROLLBACK");
    return GONE_ON;
}

/* A ticket or a question: one row of one text. */
static int own(hf_peer *peer, hf_peer_link *self) {
    const bool ask = self->asked[0] != 0;
    const char *sqlstate = "XX000";
    message out = { .size = 0 };
    if (pass(peer, self, hf_peer_own_point(self)) == WAITS)
        return WAITS;
    if (self->failed)
        return GONE_ON;
    const char *text = hf_peer_own_answer(peer, self, &sqlstate);
    if (!text) {
        say(peer, self, 'E', "ERROR", sqlstate, NULL);
        hf_peer_roll_back(self);
        return GONE_ON;
    }
    put_number(&out, 1, 2), put_number(&out, (uint32_t)strlen(text), 4);
    put(&out, text, strlen(text));
    if (!ask || !peer->mute)
        send(peer, self, 'D', &out);
    send_tag(peer, self, "SELECT 1");
    return GONE_ON;
}

static int ledger(hf_peer *peer, hf_peer_link *self) {
    if (!self->executing) {
        if (pass(peer, self, hf_peer_ledger_point(self->sql)) == WAITS)
            return WAITS;
        if (!self->failed && !hf_peer_ledger_execute(peer, self)) {
            self->acted = true;
            return WAITS;
        }
        if (self->failed)
            return GONE_ON;
        self->executing = true;
        self->row = self->rows + 1; /* nothing that a cancel hits */
    }
    if (hf_peer_ledger_point(self->sql) == HF_PEER_KEY && pass(peer, self, HF_PEER_KEYED) == WAITS)
        return WAITS;
    self->executing = false;
    return GONE_ON;
}

/* Room for a message of that many bytes? A client that is deaf or gone has room for all. */
static bool room(hf_peer *peer, hf_peer_link *self, uint32_t bytes) {
    hf_script_link *link = link_of(peer, self);
    return !hears(peer, self) || link->to_end - link->to_start + bytes + 512 < HF_SCRIPT_BYTES;
}

static void send_row(hf_peer *peer, hf_peer_link *self) {
    message out = { .size = 0 };
    char text[16];
    put_number(&out, 1, 2);
    if (self->width == 0) {
        snprintf(text, sizeof text, "%u", self->row - 1);
        put_number(&out, (uint32_t)strlen(text), 4);
        put(&out, text, strlen(text));
    } else {
        put_number(&out, self->width, 4);
        for (uint32_t i = 0; i < self->width; i++)
            put(&out, "x", 1);
    }
    send(peer, self, 'D', &out);
}

static void begin_execute(hf_peer *peer, hf_peer_link *self) {
    unsigned number = (unsigned)strtoul(self->sql + strcspn(self->sql, " "), NULL, 10);
    self->executing = true;
    self->row = 0;
    self->rows = is(self->sql, "rows ") ? number : is(self->sql, "big ") ? 1 : 0;
    self->width = is(self->sql, "big ") ? number : 0;
    peer->executed++;
    if (!is(self->sql, "write "))
        return;
    size_t length = strlen(peer->order);
    if (length + 8 < sizeof peer->order)
        snprintf(peer->order + length, sizeof peer->order - length, "%u,", number);
    HF_ASSERT(number < HF_PEER_WRITES && self->n_pending < 32);
    self->pending[self->n_pending++] = (uint16_t)number;
}

static int execute(hf_peer *peer, hf_peer_link *self) {
    char tag[40];
    if (is_control(self->sql))
        return control(peer, self, self->sql);
    if (hf_peer_is_own(self->sql))
        return own(peer, self);
    if (hf_peer_is_ledger(self->sql))
        return ledger(peer, self);
    if (!self->executing) {
        if (pass(peer, self, HF_PEER_EXECUTE) == WAITS)
            return WAITS;
        if (self->failed)
            return GONE_ON;
        if (is(self->sql, "write ") && peer->pool && peer->pool->config->read_only) {
            say(peer, self, 'E', "ERROR", "25006", "a read-only transaction");
            hf_peer_roll_back(self);
            return GONE_ON;
        }
        begin_execute(peer, self);
    }
    while (self->row <= self->rows) {
        if (pass(peer, self, HF_PEER_ROW) == WAITS)
            return WAITS;
        if (self->failed)
            return GONE_ON;
        if (self->row++ == self->rows) {
            snprintf(tag, sizeof tag,
                     self->rows              ? "SELECT %u"
                     : is(self->sql, "SET ") ? "SET"
                                             : "INSERT 0 1",
                     self->rows);
            send_tag(peer, self, tag);
            break;
        }
        if (!room(peer, self, self->width + 64)) {
            self->row--;
            self->acted = true;
            return WAITS;
        }
        send_row(peer, self);
    }
    if (pass(peer, self, HF_PEER_COMPLETE) == WAITS)
        return WAITS;
    self->executing = false;
    return GONE_ON;
}

static int sync(hf_peer *peer, hf_peer_link *self) {
    if (self->alone) {
        if (!self->held && !self->acted)
            peer->probes++;
        if (pass(peer, self, HF_PEER_PROBE) == WAITS)
            return WAITS;
    } else if (!self->in_transaction && (self->n_pending > 0 || !self->acted)) {
        if (!self->failed && pass(peer, self, HF_PEER_COMMIT) == WAITS)
            return WAITS;
        if (!self->in_transaction)
            commit(peer, self);
        if (!self->failed && pass(peer, self, HF_PEER_READY) == WAITS)
            return WAITS;
    }
    self->acted = false;
    peer->syncs += !self->alone;
    send_ready(peer, self);
    if (!self->in_transaction)
        self->failed = false;
    self->alone = true;
    return GONE_ON;
}

/* A simple query: ROLLBACK is all that is asked so. */
static void query(hf_peer *peer, hf_peer_link *self, const char *sql) {
    if (is_control(sql))
        control(peer, self, sql);
    else
        send_empty(peer, self, 'I');
    send_ready(peer, self);
}

/* --- the beginning -------------------------------------------------------------------------------- */

static void welcome(hf_peer *peer, hf_peer_link *self) {
    message out = { .size = 0 };
    put_number(&out, 0, 4);
    send(peer, self, 'R', &out);
    hf_peer_tell_all(peer, self);
    hf_peer_send_key(peer, self);
    send_ready(peer, self);
    self->started = self->alone = true;
}

static void log_in(hf_peer *peer, hf_peer_link *self, const uint8_t *body, uint32_t bytes) {
    message out = { .size = 0 };
    peer->logins += !self->acted;
    peer->startup_bytes = bytes < sizeof peer->startup ? bytes : sizeof peer->startup;
    memcpy(peer->startup, body, peer->startup_bytes);
    if (pass(peer, self, HF_PEER_STARTUP) == WAITS)
        return;
    if (self->failed) { /* an ERROR in login is the end of it as well */
        hf_peer_end(peer, self);
        return;
    }
    if (peer->wants_password && !self->asked_password) {
        put_number(&out, 3, 4), send(peer, self, 'R', &out);
        self->asked_password = true;
        return;
    }
    welcome(peer, self);
}

static void cancel(hf_peer *peer, hf_peer_link *self, uint32_t pid) {
    peer->cancels += !self->acted;
    if (pass(peer, self, HF_PEER_CANCEL) == WAITS)
        return;
    for (unsigned i = 0; i < HF_SCRIPT_LINKS && !peer->deaf_to_cancels && !self->deaf; i++) {
        hf_peer_link *other = &peer->links[i];
        bool busy = (other->executing && other->row <= other->rows) ||
                    (other->held && !other->executing && other->in[0] != 'S');
        if (other->number == pid && other->started && busy && !other->failed) {
            other->held = other->acted = false;
            say(peer, other, 'E', "ERROR", "57014", "canceling statement due to user request");
            hf_peer_roll_back(other);
        }
    }
    hf_peer_end(peer, self);
}

/* PasswordMessage, which no test reads. */
static int password(hf_peer *peer, hf_peer_link *self) {
    const uint32_t bytes = self->n_in >= 5 ? 1 + get32(self->in + 1) : 0;
    if (bytes < 5 || bytes > self->n_in)
        return 0;
    (void)snprintf(peer->password, sizeof peer->password, "%.*s", (int)bytes - 5,
                   (const char *)self->in + 5);
    memmove(self->in, self->in + bytes, self->n_in - bytes);
    self->n_in -= bytes;
    peer->passwords++;
    if (pass(peer, self, HF_PEER_PASSWORD) == GONE_ON)
        welcome(peer, self);
    return 1;
}

/* Messages without a type: 1 dealt with, 0 more bytes are needed or it waits. */
static int first_message(hf_peer *peer, hf_peer_link *self) {
    uint32_t bytes = self->n_in >= 8 ? get32(self->in) : 0;
    if (bytes < 8 || bytes > self->n_in)
        return 0;
    uint32_t code = get32(self->in + 4);
    bool waits = false;
    if (code == 80877103) {
        hf_script_link *link = link_of(peer, self);
        const hf_peer_fault *fault = strikes(peer, self, HF_PEER_TLS);
        bool more = fault && fault->deed == HF_PEER_NOTICE;
        if (hears(peer, self))
            hf_script_link_reply(link, fault && !more ? "N" : "S!", more ? 2 : 1);
    } else if (code == 80877102) {
        hf_peer_check_key(peer, get32(self->in + 8), self->in + 12, bytes - 12);
        cancel(peer, self, get32(self->in + 8));
        waits = self->held;
    } else {
        if (self->held || hf_peer_takes_version(peer, self, (uint8_t)code))
            log_in(peer, self, self->in + 8, bytes - 8);
        waits = self->held;
    }
    if (waits)
        return 0;
    memmove(self->in, self->in + bytes, self->n_in - bytes);
    self->n_in -= bytes;
    return 1;
}

static int later_message(hf_peer *peer, hf_peer_link *self) {
    uint32_t bytes = self->n_in >= 5 ? 1 + get32(self->in + 1) : 0;
    if (bytes < 5 || bytes > self->n_in)
        return 0;
    const uint8_t type = self->in[0], *body = self->in + 5;
    int waits = GONE_ON;
    if (type != 'S' && type != 'X')
        self->alone = false;
    if (type == 'S')
        waits = sync(peer, self);
    else if (type == 'X')
        peer->terminates++, self->ended = true;
    else if (type == 'Q')
        query(peer, self, (const char *)body);
    else if (self->failed) /* skipped until Sync */
        ;
    else if (type == 'P')
        waits = parse(peer, self, (const char *)body);
    else if (type == 'D')
        describe(peer, self, body);
    else if (type == 'B')
        bind(peer, self, (const char *)body);
    else if (type == 'E')
        waits = execute(peer, self);
    else if (type == 'C') {
        hf_peer_statement *old = find(self, (const char *)body + 1);
        if (old)
            *old = self->statements[--self->n_statements];
        send_empty(peer, self, '3');
    } else if (type != 'p' && type != 'H') /* an answer to a login message that a test forged */
        hf_assert_failed("a message that the peer knows", __FILE__, __LINE__);
    if (waits == WAITS && !self->failed)
        return 0;
    memmove(self->in, self->in + bytes, self->n_in - bytes);
    self->n_in -= bytes;
    return 1;
}

static bool is_cancel(const hf_peer *peer, const hf_script_link *link) {
    for (unsigned i = 0; peer->pool && i < peer->pool->n_conns; i++)
        if (peer->pool->conns[i].cancel.link == &link->link)
            return true;
    return false;
}

/* The network's answer to a new link. */
static void accept_link(hf_peer *peer, hf_peer_link *self, hf_script_link *link) {
    hf_peer_fault *fault =
        strikes(peer, self, is_cancel(peer, link) ? HF_PEER_CANCEL_CONNECT : HF_PEER_CONNECT);
    self->seen = true;
    self->ended = fault != NULL;
    if (fault && fault->deed == HF_PEER_ERROR)
        hf_script_link_fail(link, HF_ERR_REFUSED);
    else if (!fault || fault->deed != HF_PEER_SILENCE)
        hf_script_link_connect(link);
    if (fault && fault->deed == HF_PEER_RST)
        hf_script_link_fail(link, HF_ERR_RESET);
    else if (fault && fault->deed != HF_PEER_ERROR && fault->deed != HF_PEER_SILENCE)
        hf_script_link_eof(link);
}

static hf_peer_link *end_of(hf_peer *peer, const hf_script_link *link) {
    hf_peer_link *self = &peer->links[link - peer->script->links];
    if (self->number != link->number + 1) {
        hf_peer_ledger_end(self, false);
        memset(self, 0, sizeof *self);
        self->number = link->number + 1;
    }
    return self;
}

static bool pump(hf_peer *peer, hf_script_link *link) {
    hf_peer_link *self = end_of(peer, link);
    bool any = false;
    if (!self->seen && !link->released) {
        accept_link(peer, self, link);
        any = true;
    }
    if ((link->released || link->closing) && !peer->hangs) /* nobody tells the server */
        self->held = false;
    size_t n = hf_script_sent(link, self->in + self->n_in, sizeof self->in - self->n_in);
    self->n_in += (uint32_t)n;
    if (self->ended) {
        self->n_in = 0;
        return any || n > 0;
    }
    while (!self->ended && !self->held &&
           (self->started          ? later_message(peer, self)
            : self->asked_password ? password(peer, self)
                                   : first_message(peer, self)))
        any = true;
    if ((link->released || link->closing) && !self->held && self->n_in == 0 && self->in_transaction)
        hf_peer_roll_back(self); /* the server notices that its client has gone */
    if (link->closing && !link->released && !self->ended && !self->held) {
        hf_peer_end(peer, self);
        any = true;
    }
    return any || n > 0;
}

void hf_peer_init(hf_peer *peer, hf_script *script) {
    memset(peer, 0, sizeof *peer);
    peer->script = script;
}

hf_peer_fault *hf_peer_add(hf_peer *peer, hf_peer_fault fault) {
    HF_ASSERT(peer->n_faults < HF_PEER_FAULTS);
    peer->faults[peer->n_faults] = fault;
    return &peer->faults[peer->n_faults++];
}

void hf_peer_heal(hf_peer *peer) {
    peer->n_faults = 0;
    hf_peer_release(peer);
}

void hf_peer_release(hf_peer *peer) {
    for (unsigned i = 0; i < HF_SCRIPT_LINKS; i++)
        peer->links[i].held = false;
}

bool hf_peer_pump(hf_peer *peer) {
    bool any = false;
    for (unsigned i = 0; i < HF_SCRIPT_LINKS; i++)
        if (peer->script->links[i].used && pump(peer, &peer->script->links[i]))
            any = true;
    return any;
}

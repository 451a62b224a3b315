#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- names ----------------------------------------------------------------------------------------- */

static int find(const sim_names *names, const char *name) {
    for (int i = 0; i < SIM_NAMES; i++)
        if (names->list[i].used && strcmp(names->list[i].name, name) == 0)
            return i;
    return -1;
}

const char *sim_names_get(const sim_names *names, const char *name) {
    int place = find(names, name);
    if (place < 0)
        return NULL;
    const char *sql = names->list[place].sql;
    const bool cut =
        strlen(sql) == SIM_SQL_BYTES - 1 && strncmp(sql, names->longest, SIM_SQL_BYTES - 1) == 0;
    return !name[0] ? names->unnamed : cut ? names->longest : sql;
}

unsigned sim_names_put(sim_names *names, const char *name, const char *sql) {
    if (!name[0])
        snprintf(names->unnamed, sizeof names->unnamed, "%s", sql);
    else if (strlen(sql) >= SIM_SQL_BYTES)
        snprintf(names->longest, sizeof names->longest, "%s", sql);
    int place = find(names, name);
    for (int i = 0; place < 0 && i < SIM_NAMES; i++)
        if (!names->list[i].used)
            place = i;
    if (place < 0) /* a client that never closes what it prepared */
        sim_fail("prepared statements are closed", "more than # on one session", SIM_NAMES, 0, 0);
    names->list[place].used = true;
    snprintf(names->list[place].name, SIM_NAME_BYTES, "%s", name);
    snprintf(names->list[place].sql, SIM_SQL_BYTES, "%s", sql);
    return (unsigned)place;
}

void sim_names_drop(sim_names *names, const char *name) {
    int place = find(names, name);
    if (place >= 0)
        names->list[place].used = false;
}

void sim_names_clear(sim_names *names) {
    for (int i = 0; i < SIM_NAMES; i++)
        names->list[i].used = false;
    names->unnamed[0] = names->longest[0] = 0;
}

unsigned sim_names_count(const sim_names *names) {
    unsigned n = 0;
    for (int i = 0; i < SIM_NAMES; i++)
        n += names->list[i].used;
    return n;
}

/* --- reading --------------------------------------------------------------------------------------- */

uint32_t sim_get32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

uint32_t sim_read32(sim_body *body) {
    if (body->end - body->at < 4) {
        body->bad = true;
        return 0;
    }
    body->at += 4;
    return sim_get32(body->at - 4);
}

uint16_t sim_read16(sim_body *body) {
    if (body->end - body->at < 2) {
        body->bad = true;
        return 0;
    }
    body->at += 2;
    return (uint16_t)(body->at[-2] << 8 | body->at[-1]);
}

const char *sim_read_text(sim_body *body) {
    const uint8_t *text = body->at;
    const uint8_t *end = text < body->end ? memchr(text, 0, (size_t)(body->end - text)) : NULL;
    if (!end) {
        body->bad = true;
        return "";
    }
    body->at = end + 1;
    return (const char *)text;
}

static uint32_t number_of(const char *text, const char *end) {
    uint32_t number = 0;
    for (; text < end && *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (uint32_t)(*text - '0');
    return number;
}

sim_bind sim_read_bind(const uint8_t *at, size_t bytes) {
    sim_body body = { .at = at, .end = at + bytes };
    sim_bind bind = { 0 };

    sim_read_text(&body); /* the portal */
    bind.statement = sim_read_text(&body);
    for (unsigned formats = sim_read16(&body); formats > 0 && !body.bad; formats--)
        sim_read16(&body);
    bind.n_params = sim_read16(&body);
    for (unsigned i = 0; i < bind.n_params && !body.bad; i++) {
        uint32_t length = sim_read32(&body);
        if (length == UINT32_MAX)
            continue;
        const char *text = (const char *)body.at;
        if (length > (size_t)(body.end - body.at)) {
            body.bad = true;
            break;
        }
        body.at += length;
        if (i == 0)
            bind.first = number_of(text, text + length);
        if (i == 1) {
            bind.second = number_of(text, text + length);
            bind.text = text;
            bind.text_bytes = length;
            snprintf(bind.word, sizeof bind.word, "%.*s", (int)length, text);
        }
    }
    bind.bad = body.bad;
    return bind;
}

bool sim_gives_rows(const char *sql) {
    return strncmp(sql, "SELECT", 6) == 0 || strstr(sql, "RETURNING");
}

uint32_t sim_token_of(const char *sql, const sim_bind *bind) {
    if (bind->n_params > 0)
        return bind->first;
    const char *comment = strstr(sql, "/* ");
    return comment ? number_of(comment + 3, sql + strlen(sql)) : SIM_NO_TOKEN;
}

/* --- writing --------------------------------------------------------------------------------------- */

void sim_out_bytes(sim_out *out, const void *bytes, size_t n) {
    out->data = sim_grow(out->data, &out->room, out->n + n, 1);
    if (n > 0)
        memcpy(out->data + out->n, bytes, n);
    out->n += n;
}

void sim_out8(sim_out *out, unsigned value) {
    uint8_t byte = (uint8_t)value;
    sim_out_bytes(out, &byte, 1);
}

void sim_out16(sim_out *out, unsigned value) {
    sim_out8(out, value >> 8 & 255);
    sim_out8(out, value & 255);
}

void sim_out32(sim_out *out, uint32_t value) {
    sim_out16(out, value >> 16);
    sim_out16(out, value & 0xffff);
}

void sim_out_text(sim_out *out, const char *text) {
    sim_out_bytes(out, text, strlen(text) + 1);
}

void sim_out_begin(sim_out *out, char type) {
    sim_out8(out, (unsigned char)type);
    out->message = out->n;
    sim_out32(out, 0);
}

void sim_out_end(sim_out *out) {
    uint32_t length = (uint32_t)(out->n - out->message);
    for (unsigned i = 0; i < 4; i++)
        out->data[out->message + i] = (uint8_t)(length >> (24 - 8 * i));
}

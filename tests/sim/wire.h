/* PostgreSQL's protocol 3.0 as a server speaks it, and what of a client's messages the simulator reads: the
 * model's own reading and writing, so that a fault in core/pg is not a fault here too (PostgreSQL docs 55).
 */
#ifndef SIM_WIRE_H
#define SIM_WIRE_H

#include "world.h"

enum {
    SIM_UNNAMED_BYTES = 640,
    SIM_SQL_BYTES = 80,
    SIM_NAME_BYTES = 28,
    SIM_NAMES = 48,
    SIM_NO_TOKEN = 0
};

/* Prepared statements: the text of each name. */
typedef struct sim_names {
    struct {
        char name[SIM_NAME_BYTES], sql[SIM_SQL_BYTES];
        uint32_t flight; /* the tap's: which prepares it */
        bool used;
    } list[SIM_NAMES];
    char unnamed[SIM_UNNAMED_BYTES]; /* the unnamed one, whole */
    char longest[SIM_UNNAMED_BYTES]; /* the last named one that is cut in the list, whole */
} sim_names;

/* NULL: there is none of this name. */
const char *sim_names_get(const sim_names *names, const char *name);
/* Returns its place. */
unsigned sim_names_put(sim_names *names, const char *name, const char *sql);
void sim_names_drop(sim_names *names, const char *name);
void sim_names_clear(sim_names *names);
/* How many there are. */
unsigned sim_names_count(const sim_names *names);

/* Reading a body; a string or number that is not there is "" or 0, and bad is set. */
typedef struct sim_body {
    const uint8_t *at, *end;
    bool bad;
} sim_body;

uint32_t sim_get32(const uint8_t *at);
uint32_t sim_read32(sim_body *body);
uint16_t sim_read16(sim_body *body);
const char *sim_read_text(sim_body *body);

/* A Bind: which statement, and its first two parameters as numbers (the second as text too). */
typedef struct sim_bind {
    const char *statement;
    uint32_t first, second;
    char word[8];
    const char *text; /* the second one, as long as text_bytes; NULL none */
    size_t text_bytes;
    unsigned n_params;
    bool bad;
} sim_bind;

sim_bind sim_read_bind(const uint8_t *at, size_t bytes);
/* Does this statement give rows (of four columns)? */
bool sim_gives_rows(const char *sql);
/* The request that a statement is of: its first parameter, or the number in its first comment. */
uint32_t sim_token_of(const char *sql, const sim_bind *bind);

/* Bytes to be sent. */
typedef struct sim_out {
    uint8_t *data;
    size_t n, room;
    size_t message; /* where the one being written begins */
} sim_out;

void sim_out_bytes(sim_out *out, const void *bytes, size_t n);
void sim_out8(sim_out *out, unsigned value);
void sim_out16(sim_out *out, unsigned value);
void sim_out32(sim_out *out, uint32_t value);
void sim_out_text(sim_out *out, const char *text); /* its NUL included */
void sim_out_begin(sim_out *out, char type);
void sim_out_end(sim_out *out);

#endif

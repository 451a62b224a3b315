/* A client on one connection that carries values to and fro, in the hands of test_values.py: reads lines from its
 * standard input and says what came of each.
 *
 *     values DSN [prepare]      prepare: each statement is kept prepared
 *
 * In, with tabs between: `value TYPE LITERAL`, the name of a type and a literal of it. The server makes a value of the
 * literal; it is read in both formats, written in both, and the server compares what it is given with its own.
 * `columns FORMAT SQL`, `params SQL`, `run SQL`, `parameter NAME`, `backend`: what is told of a statement's columns, of
 * its parameters, its command tag, the server's parameter, its process.
 * Out: one line each, `ok`, what was asked for, or `wrong …` and where; before that `notice …` for each notice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holdfast/linux.h"
#include "holdfast/value.h"

enum { RX_BYTES = 1 << 18, TX_BYTES = 1 << 18, LINE_MAX = 1 << 18 };

_Alignas(16) static unsigned char memory[HF_POOL_BYTES(1, RX_BYTES, TX_BYTES)];
static char line[LINE_MAX], held[LINE_MAX], room[LINE_MAX], element_room[LINE_MAX];
static hf_pool *pool;
static hf_linux port;
static bool prepare;

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "values: %s\n", what);
    exit(1);
}

/* --- a statement ---------------------------------------------------------------------------------------- */

/* The first value of the last row, a copy in `held`. */
static hf_value got;
static hf_column described;

static int on_row(hf_request *request, hf_row *row) {
    const hf_value value = hf_row_get(row, 0);
    (void)request;
    if (value.bytes > sizeof held)
        fail("a value that is too large");
    if (value.data)
        memcpy(held, value.data, value.bytes);
    got = (hf_value){ .data = value.data ? held : NULL, .bytes = value.bytes };
    return HF_CONTINUE;
}

static void on_columns(hf_request *request, hf_columns *columns) {
    (void)request;
    if (!hf_columns_next(columns, &described))
        described = (hf_column){ 0 };
}

static void on_done(hf_request *request) {
    bool *over = request->user;
    *over = true;
}

/* Runs it; false: it is not OK, and that was said. */
static bool run(hf_request *request) {
    bool over = false;
    request->prepare = prepare;
    request->user = &over;
    request->on_done = on_done;
    request->on_row = on_row;
    got = (hf_value){ 0 };
    if (hf_submit(pool, request) != HF_OK)
        fail("the request was not taken");
    while (!over) {
        const hf_ms next = hf_tick(pool, hf_linux_now(&port));
        if (!over)
            hf_linux_wait(&port, next);
    }
    if (request->outcome != HF_OUTCOME_OK) {
        char why[400];
        hf_error_text(&request->error, why, sizeof why);
        printf("wrong %s: %s\n", hf_outcome_name(request->outcome), why);
    }
    return request->outcome == HF_OUTCOME_OK;
}

/* --- types ------------------------------------------------------------------------------------------------ */

/* Reads a value in one format, and writes what was read in another. */
typedef hf_misfit carry(hf_value from, uint32_t type, hf_format in, hf_format out, hf_value *to);

#define CARRY(name, ctype)                                                                   \
    static hf_misfit carry_##name(hf_value from, uint32_t type, hf_format in, hf_format out, \
                                  hf_value *to) {                                            \
        ctype read;                                                                          \
        const hf_misfit misfit = hf_get_##name(from, type, in, &read);                       \
        return misfit ? misfit : hf_put_##name(read, out, room, sizeof room, to);            \
    }
CARRY(bool, bool)
CARRY(int2, int16_t)
CARRY(int4, int32_t)
CARRY(int8, int64_t)
CARRY(float4, float)
CARRY(float8, double)
CARRY(date, int32_t)
CARRY(timestamp, int64_t)
CARRY(timestamptz, int64_t)

static hf_misfit carry_numeric(hf_value from, uint32_t type, hf_format in, hf_format out,
                               hf_value *to) {
    hf_value text;
    const hf_misfit misfit =
        hf_get_numeric(from, type, in, element_room, sizeof element_room, &text);
    return misfit ? misfit : hf_put_numeric(text, out, room, sizeof room, to);
}

static hf_misfit carry_text(hf_value from, uint32_t type, hf_format in, hf_format out,
                            hf_value *to) {
    hf_value text;
    const hf_misfit misfit = hf_get_text(from, type, in, &text);
    (void)out;
    return misfit ? misfit : hf_put_text(text.data, text.bytes, to);
}

static hf_misfit carry_bytea(hf_value from, uint32_t type, hf_format in, hf_format out,
                             hf_value *to) {
    hf_value bytes;
    const hf_misfit misfit =
        hf_get_bytea(from, type, in, element_room, sizeof element_room, &bytes);
    return misfit ? misfit : hf_put_bytea(bytes.data, bytes.bytes, out, room, sizeof room, to);
}

static hf_misfit carry_uuid(hf_value from, uint32_t type, hf_format in, hf_format out,
                            hf_value *to) {
    uint8_t uuid[16];
    const hf_misfit misfit = hf_get_uuid(from, type, in, uuid);
    return misfit ? misfit : hf_put_uuid(uuid, out, room, sizeof room, to);
}

static hf_misfit carry_json(hf_value from, uint32_t type, hf_format in, hf_format out,
                            hf_value *to) {
    hf_value text;
    const hf_misfit misfit = hf_get_json(from, type, in, &text);
    return misfit ? misfit : hf_put_json(text, type, out, room, sizeof room, to);
}

/* Element by element, as text. */
static hf_misfit carry_array(hf_value from, uint32_t type, hf_format in, hf_format out,
                             hf_value *to) {
    hf_array array;
    hf_value element;
    hf_misfit misfit = hf_array_open(&array, from);
    (void)type, (void)in, (void)out;
    if (misfit)
        return misfit;
    hf_array_writer writer = hf_array_begin(room, sizeof room);
    for (size_t i = 0; i < array.count && !misfit; i++) {
        size_t each = array.count; /* elements below one of this dimension */
        for (unsigned d = 0; d + 1 < array.n_dimensions; d++)
            if (i % (each /= array.sizes[d]) == 0)
                hf_array_nest(&writer);
        misfit = hf_array_next(&array, element_room, sizeof element_room, &element);
        if (!misfit)
            hf_array_put(&writer, element);
        each = array.count;
        for (unsigned d = 0; d + 1 < array.n_dimensions; d++)
            if ((i + 1) % (each /= array.sizes[d]) == 0)
                hf_array_up(&writer);
    }
    return misfit ? misfit : hf_array_end(&writer, to);
}

static const struct {
    const char *name;
    uint32_t type;
    carry *carry;
} types[] = { { "bool", HF_TYPE_BOOL, carry_bool },
              { "int2", HF_TYPE_INT2, carry_int2 },
              { "int4", HF_TYPE_INT4, carry_int4 },
              { "int8", HF_TYPE_INT8, carry_int8 },
              { "float4", HF_TYPE_FLOAT4, carry_float4 },
              { "float8", HF_TYPE_FLOAT8, carry_float8 },
              { "numeric", HF_TYPE_NUMERIC, carry_numeric },
              { "text", HF_TYPE_TEXT, carry_text },
              { "varchar", HF_TYPE_VARCHAR, carry_text },
              { "bytea", HF_TYPE_BYTEA, carry_bytea },
              { "uuid", HF_TYPE_UUID, carry_uuid },
              { "json", HF_TYPE_JSON, carry_json },
              { "jsonb", HF_TYPE_JSONB, carry_json },
              { "date", HF_TYPE_DATE, carry_date },
              { "timestamp", HF_TYPE_TIMESTAMP, carry_timestamp },
              { "timestamptz", HF_TYPE_TIMESTAMPTZ, carry_timestamptz } };

/* --- values ------------------------------------------------------------------------------------------------ */

static const char *const formats[] = { "text", "binary" };

/* The server compares by the text of both, so that -0, NaN and the scale of a numeric count. */
static bool carried(const char *name, uint32_t type, carry *with, const char *literal, hf_format in,
                    hf_format out) {
    char select[200], compare[200];
    hf_value params[2] = { { 0 }, hf_text(literal) };
    const hf_param_kind kinds[2] = { { .type = type, .format = out }, { .type = HF_TYPE_TEXT } };
    snprintf(select, sizeof select, "SELECT $1::%s", name);
    snprintf(compare, sizeof compare, "SELECT ($1::%s)::text = ($2::%s)::text", name, name);
    hf_request read = { .sql = select,
                        .params = params + 1,
                        .n_params = 1,
                        .param_kinds = kinds + 1,
                        .result_format = in,
                        .on_columns = on_columns },
               write = { .sql = compare,
                         .params = params,
                         .n_params = 2,
                         .param_kinds = kinds,
                         .result_format = HF_FORMAT_BINARY };
    if (!run(&read))
        return false;
    if (described.format != in || (type != 0 && described.type != type)) {
        printf("wrong column: type %u, format %d\n", described.type, (int)described.format);
        return false;
    }
    const hf_misfit misfit = with(got, described.type, in, out, &params[0]);
    if (misfit) {
        printf("wrong %s to %s: %s\n", formats[in], formats[out], hf_misfit_text(misfit));
        return false;
    }
    bool same = false;
    if (!run(&write))
        return false;
    if (hf_get_bool(got, HF_TYPE_BOOL, HF_FORMAT_BINARY, &same) || !same) {
        printf("wrong %s to %s: the server has another value\n", formats[in], formats[out]);
        return false;
    }
    return true;
}

static void value(const char *name, const char *literal) {
    const size_t bytes = strlen(name);
    if (bytes > 2 && strcmp(name + bytes - 2, "[]") == 0) {
        if (carried(name, 0, carry_array, literal, HF_FORMAT_TEXT, HF_FORMAT_TEXT))
            puts("ok");
        return;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, name) != 0)
            continue;
        bool good = true;
        for (int in = 0; good && in < 2; in++)
            for (int out = 0; good && out < 2; out++)
                good = carried(name, types[i].type, types[i].carry, literal, (hf_format)in,
                               (hf_format)out);
        if (good)
            puts("ok");
        return;
    }
    puts("wrong: no such type");
}

/* --- what is told ------------------------------------------------------------------------------------------- */

static void tell_columns(hf_request *request, hf_columns *columns) {
    hf_column column;
    (void)request;
    fputs("columns", stdout);
    while (hf_columns_next(columns, &column))
        printf("\t%.*s %u %u %d %d %d %d", (int)column.name.bytes, column.name.data, column.type,
               column.table, column.attribute, column.size, column.modifier, (int)column.format);
    putchar('\n');
}

static void tell_params(hf_request *request, const hf_params *params) {
    (void)request;
    fputs("params", stdout);
    for (unsigned n = 1; n <= params->n_params; n++)
        printf(" %u", hf_params_type(params, n));
    putchar('\n');
}

static void put_field(const hf_fields *fields, hf_field field) {
    hf_value found;
    if (hf_fields_get(fields, field, &found))
        printf("\t%.*s", (int)found.bytes, found.data);
    else
        fputs("\t-", stdout);
}

static void on_notice(void *user, unsigned conn, const hf_error *notice, const hf_fields *fields) {
    (void)user, (void)conn;
    printf("notice %s", notice->sqlstate);
    put_field(fields, HF_FIELD_MESSAGE);
    put_field(fields, HF_FIELD_DETAIL);
    put_field(fields, HF_FIELD_HINT);
    put_field(fields, HF_FIELD_TABLE);
    putchar('\n');
}

static void obey(char *words) {
    char tag[HF_TAG_BYTES];
    char *first = strchr(words, '\t'), *second = NULL;
    if (first) {
        *first++ = 0;
        second = strchr(first, '\t');
    }
    if (strcmp(words, "value") == 0 && second) {
        *second++ = 0;
        value(first, second);
    } else if (strcmp(words, "columns") == 0 && second) {
        *second++ = 0;
        hf_request request = { .sql = second,
                               .result_format = strcmp(first, "binary") == 0,
                               .on_columns = tell_columns };
        run(&request);
    } else if (strcmp(words, "params") == 0) {
        hf_request request = { .sql = first, .prepare_only = true, .on_params = tell_params };
        run(&request);
    } else if (strcmp(words, "run") == 0) {
        hf_request request = { .sql = first, .tag = tag };
        if (run(&request))
            printf("tag %s\n", tag);
        else if (tag[0])
            puts("wrong: a tag");
    } else if (strcmp(words, "parameter") == 0) {
        const char *text = hf_pool_parameter(pool, first);
        printf("parameter %s\n", text ? text : "-");
    } else if (strcmp(words, "backend") == 0) {
        printf("backend %u\n", hf_pool_backend(pool, 0));
    } else {
        fail("no such command");
    }
    fflush(stdout);
}

int main(int argc, char **argv) {
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error error;
    if (argc < 2)
        fail("values DSN [prepare]");
    prepare = argc > 2;
    config.max_concurrent = 1;
    config.rx_bytes = RX_BYTES;
    config.tx_bytes = TX_BYTES;
    config.on_notice = on_notice;
    if (!hf_config_dsn(&config, argv[1], &error) || !hf_linux_init(&port, &config, &error))
        fail(error.message);
    pool = hf_pool_init(memory, sizeof memory, &config, hf_linux_port(&port), &error);
    if (!pool)
        fail(error.message);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        obey(line);
    }
    hf_pool_close(pool, hf_linux_now(&port) + 1000);
    while (!hf_pool_closed(pool)) {
        const hf_ms next = hf_tick(pool, hf_linux_now(&port));
        if (!hf_pool_closed(pool))
            hf_linux_wait(&port, next);
    }
    hf_linux_close(&port);
    return 0;
}

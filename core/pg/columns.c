#include "columns.h"

/* A column has these behind its name in a RowDescription: table OID 4, column number 2, type OID 4, type size 2,
 * modifier 4, format 2. So many bytes of them, from this place on, are told: all but the format, or the type alone. */
enum {
    COLUMN_BYTES = 18,
    FORMAT_AT = 16,
    TOLD_AT = HF_WITH_VALUES ? 0 : 6,
    TOLD_BYTES = HF_WITH_VALUES ? 16 : 4
};

int32_t hf_pg_squeeze(uint8_t *body, uint32_t bytes, uint8_t format) {
    hf_pg_body rest = { .at = body, .end = body + bytes, .good = true };
    uint8_t *out = body;

    for (uint16_t left = hf_pg_read16(&rest); left > 0; left--) {
        const char *name = hf_pg_read_text(&rest);
        if (!name || rest.end - rest.at < COLUMN_BYTES) {
            return -1;
        }
        uint8_t told[TOLD_BYTES];
        memcpy(told, rest.at + TOLD_AT, sizeof told);
        if (hf_pg_get16(rest.at + FORMAT_AT) != (HF_WITH_VALUES ? format : HF_FORMAT_TEXT)) {
            return -1;
        }
        size_t name_bytes = strlen(name) + 1;
        rest.at += COLUMN_BYTES;
        memmove(out, name, name_bytes);
        out = hf_pg_put(out + name_bytes, told, sizeof told);
    }
    return hf_pg_read_whole(&rest) ? (int32_t)(out - body) : -1;
}

bool hf_pg_columns_next(hf_columns *columns, hf_column *column) {
    if (columns->column >= columns->n_columns) {
        return false;
    }
    const size_t name_bytes = strlen((const char *)columns->at);
    column->name = (hf_value){ .data = (const char *)columns->at, .bytes = name_bytes };
    const uint8_t *told = columns->at + name_bytes + 1;
    column->type = hf_pg_get32(told + 6 - TOLD_AT);
#if HF_WITH_VALUES
    column->format = (hf_format)columns->format;
    column->table = hf_pg_get32(told);
    column->attribute = (int16_t)hf_pg_get16(told + 4);
    column->size = (int16_t)hf_pg_get16(told + 10);
    column->modifier = (int32_t)hf_pg_get32(told + 12);
#endif
    columns->at = told + TOLD_BYTES;
    columns->column++;
    return true;
}

#include "wire.h"

#include "base/text.h"

/* Reading what the peer controls: no length is believed before it was compared with what is there. */

static bool has(hf_pg_body *body, size_t bytes) {
    if (!body->good || (size_t)(body->end - body->at) < bytes) {
        body->good = false;
    }
    return body->good;
}

uint16_t hf_pg_read16(hf_pg_body *body) {
    if (!has(body, 2)) {
        return 0;
    }
    body->at += 2;
    return hf_pg_get16(body->at - 2);
}

uint32_t hf_pg_read32(hf_pg_body *body) {
    if (!has(body, 4)) {
        return 0;
    }
    body->at += 4;
    return hf_pg_get32(body->at - 4);
}

const char *hf_pg_read_text(hf_pg_body *body) {
    const uint8_t *text = body->at;
    const uint8_t *end = has(body, 1) ? memchr(text, 0, (size_t)(body->end - text)) : NULL;

    if (!end) {
        body->good = false;
        return NULL;
    }
    body->at = end + 1;
    return (const char *)text;
}

uint32_t hf_pg_decimal(const char *text, size_t bytes) {
    uint32_t number = 0;

    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9' || i == 9) {
            return 0;
        }
        number = number * 10 + (uint32_t)(text[i] - '0');
    }
    return number;
}

/* The lengths are what each message can need, with room to spare. A row and an error's text can be as large as the
 * server's largest allocation (1 GB); they are skipped or cut, never stored. */
const hf_pg_kind *hf_pg_kind_of(uint8_t type) {
    static const hf_pg_kind kinds[] = {
        { 'D', HF_PG_SKIPPED, 0, 0x40000000 },
        { 'C', HF_PG_REFUSED, 0, HF_PG_TAG_LENGTH_MAX },
        { 'Z', HF_PG_REFUSED, 5, 5 },
        { 'T', HF_PG_BEGUN, 0, 0x100000 }, /* 1664 columns at most, names of 63 bytes: 136 KB */
        { 't', HF_PG_BEGUN, 0, 4 + 2 + 4 * 65535 },
        { 'E', HF_PG_BEGUN, 30000, 0x40000000 }, /* before login as libpq has it */
        { 'N', HF_PG_BEGUN, 30000, 0x40000000 },
        { 'S', HF_PG_SKIPPED, 30000, 0x100000 },
        { 'A', HF_PG_SKIPPED, 0, 4 + 4 + 64 * 4 + 8000 }, /* channel, payload */
        { 'R', HF_PG_REFUSED, 1000, 0 },                  /* the SASL messages are the longest */
        { 'K', HF_PG_REFUSED, HF_WITH_VERSIONS ? 4 + 4 + 256 : 260, 0 },
        { 'v', HF_PG_REFUSED, 1000, 0 }, /* NegotiateProtocolVersion */
        { '1', HF_PG_REFUSED, 0, HF_PG_LENGTH_MIN },
        { '2', HF_PG_REFUSED, 0, HF_PG_LENGTH_MIN },
        { '3', HF_PG_REFUSED, 0, HF_PG_LENGTH_MIN },
        { 'I', HF_PG_REFUSED, 0, HF_PG_LENGTH_MIN },
        { 'n', HF_PG_REFUSED, 0, HF_PG_LENGTH_MIN },
        { 's', HF_PG_REFUSED, 0, HF_PG_LENGTH_MIN },
        { 0 },
    };
    const hf_pg_kind *kind = kinds;

    while (kind->type != type && kind->type != 0) {
        kind++;
    }
    return kind;
}

/* --- errors and notices --------------------------------------------------------------------------- */

/* The text of the field at *at, which is its letter, and where the next one is. The last may be cut short. */
static const uint8_t *read_field(const uint8_t *at, const uint8_t *end, hf_value *text) {
    const uint8_t *from = at + 1;
    const uint8_t *stop = memchr(from, 0, (size_t)(end - from));

    text->data = (const char *)from;
    text->bytes = (size_t)((stop ? stop : end) - from);
    return stop ? stop + 1 : end;
}

bool hf_pg_field(const hf_fields *fields, hf_field field, hf_value *value) {
    static const uint8_t letters[] = {
        [HF_FIELD_DETAIL] = 'D',
        [HF_FIELD_HINT] = 'H',
        [HF_FIELD_WHERE] = 'W',
        [HF_FIELD_SCHEMA] = 's',
        [HF_FIELD_TABLE] = 't',
        [HF_FIELD_COLUMN] = 'c',
        [HF_FIELD_DATATYPE] = 'd',
        [HF_FIELD_CONSTRAINT] = 'n',
        [HF_FIELD_INTERNAL_POSITION] = 'p',
        [HF_FIELD_INTERNAL_QUERY] = 'q',
        [HF_FIELD_FILE] = 'F',
        [HF_FIELD_LINE] = 'L',
        [HF_FIELD_ROUTINE] = 'R',
        [HF_FIELD_MESSAGE] = 'M',
    };

    const uint8_t *at = fields->at, *const end = at + fields->bytes;
    while ((size_t)field < sizeof letters && at < end && *at != 0) {
        const uint8_t letter = *at;
        at = read_field(at, end, value);
        if (letter == letters[field]) {
            return true;
        }
    }
    *value = (hf_value){ 0 };
    return false;
}

static void read_sqlstate(hf_error *error, hf_value text) {
    for (size_t i = 0; i < 5 && text.bytes == 5; i++) {
        char letter = text.data[i];
        bool good = (letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z');
        error->sqlstate[i] = good ? letter : '?';
    }
}

bool hf_pg_read_error(hf_io *io, const hf_pg_message *message, hf_err code, hf_phase phase) {
    static const char severities[] = "ERROR FATAL PANIC WARNING NOTICE INFO LOG DEBUG";
    const uint8_t *at = message->body, *const end = at + message->bytes;
    hf_error *error = &io->error;

    io->fields = (hf_fields){ .driver = io->config->driver, .at = at, .bytes = message->bytes };
    hf_error_set(error, code, phase, NULL);
    error->from_server = true;
    error->severity = code == HF_OK ? 'N' : 'E';
    while (at < end && *at != 0) {
        const uint8_t letter = *at;
        hf_value text;
        at = read_field(at, end, &text);
        if (letter == 'C') {
            read_sqlstate(error, text);
        } else if (letter == 'P') {
            error->position = hf_pg_decimal(text.data, text.bytes);
        } else if (letter == 'M') {
            hf_error_message(error, text.data, text.bytes);
        } else if (letter == 'S' ||
                   letter == 'V') { /* 'V', from PostgreSQL 9.6 on, is not translated */
            if (hf_word_among(severities, text.data, text.bytes)) {
                error->severity = text.data[0];
            }
        }
    }
    return message->cut || end - at == 1;
}

/* --- our own words -------------------------------------------------------------------------------- */

void hf_pg_say_in_words(hf_io *io, hf_err code, hf_phase phase, const char *format, uint64_t first,
                        uint64_t second) {
    char text[HF_MESSAGE_BYTES];
    hf_writer out = hf_writer_on(text, sizeof text);
    uint64_t number = first;

    for (; *format; format++) {
        char letter[4] = { *format, 0 };
        if (*format != '%') {
            hf_write_text(&out, letter);
            continue;
        }
        format++;
        if (*format == 'c' && number > ' ' && number < 0x7f) {
            letter[0] = letter[2] = '\'';
            letter[1] = (char)number;
            hf_write_text(&out, letter);
        } else {
            hf_write_unsigned(&out, number);
        }
        number = second;
    }
    hf_error_set(&io->error, code, phase, text);
}

hf_driver_event hf_pg_broken_in_words(hf_io *io, hf_phase phase, const char *format, uint32_t first,
                                      uint32_t second) {
    hf_pg_say_in_words(io, HF_ERR_PROTOCOL, phase, format, first, second);
    return HF_DRIVER_BROKEN;
}

hf_driver_event hf_pg_broken_in_silence(hf_io *io, hf_phase phase) {
    hf_error_set(&io->error, HF_ERR_PROTOCOL, phase, NULL);
    return HF_DRIVER_BROKEN;
}

#include "wire.h"

#include "text.h"

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

/* Lengths: what each message can need, with room to spare. A row, an error's text can be as large as the
 * server's largest allocation (1 GB); they are skipped or cut, never stored. */
uint32_t hf_pg_length_max(uint8_t type, bool login) {
    switch (type) {
    case 'R': return login ? 1000 : 0; /* the SASL messages are the longest */
    case 'v': return login ? 1000 : 0; /* NegotiateProtocolVersion */
    case 'K': return login ? 260 : 0;
    case 'E':
    case 'N': return login ? 30000 : 0x40000000; /* before login as libpq has it */
    case 'S': return login ? 30000 : 0x100000;
    case 'Z': return 5;
    }
    if (login) {
        return 0;
    }
    switch (type) {
    case 'D': return 0x40000000;
    case 'T': return 0x100000; /* 1664 columns at most, names of 63 bytes: 136 KB */
    case 't': return 4 + 2 + 4 * 65535;
    case 'C': return HF_PG_TAG_LENGTH_MAX;
    case 'A': return 4 + 4 + 64 * 4 + 8000; /* channel, payload */
    case '1':
    case '2':
    case '3':
    case 'I':
    case 'n':
    case 's': return HF_PG_LENGTH_MIN;
    default: return 0;
    }
}

/* --- errors and notices --------------------------------------------------------------------------- */

/* The text of field `letter` in a list of (letter, text, NUL); the last text may be cut short. */
static bool find_field(const uint8_t *at, size_t bytes, uint8_t letter, hf_value *value) {
    const uint8_t *end = at + bytes;

    while (at < end && *at != 0) {
        const uint8_t *text = at + 1;
        const uint8_t *stop = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
        if (!stop) {
            stop = end;
        }
        if (*at == letter) {
            *value = (hf_value){ .data = (const char *)text, .bytes = (size_t)(stop - text) };
            return true;
        }
        at = stop < end ? stop + 1 : end;
    }
    return false;
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

    *value = (hf_value){ 0 };
    return (size_t)field < sizeof letters &&
           find_field(fields->at, fields->bytes, letters[field], value);
}

static bool well_formed(const uint8_t *body, uint32_t bytes) {
    hf_pg_body rest = { .at = body, .end = body + bytes, .good = true };

    while (rest.good && rest.at < rest.end && *rest.at != 0) {
        hf_pg_read_text(&rest); /* the letter and its text end in one NUL */
    }
    return rest.good && rest.end - rest.at == 1;
}

/* The first letter says which it is. Words of another language are the usual severity of such a message. */
static char severity_of(const uint8_t *body, size_t bytes, char usual) {
    static const char words[][8] = { "ERROR",  "FATAL", "PANIC", "WARNING",
                                     "NOTICE", "INFO",  "LOG",   "DEBUG" };
    hf_value value = { 0 };

    /* 'V' is 'S' untranslated, from PostgreSQL 9.6 on. */
    if (find_field(body, bytes, 'V', &value) || find_field(body, bytes, 'S', &value)) {
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            if (value.bytes == strlen(words[i]) && memcmp(value.data, words[i], value.bytes) == 0) {
                return words[i][0];
            }
        }
    }
    return usual;
}

static uint32_t position_of(hf_value text) {
    uint32_t position = 0;

    for (size_t i = 0; i < text.bytes && i < 9; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return 0;
        }
        position = position * 10 + (uint32_t)(text.data[i] - '0');
    }
    return position;
}

bool hf_pg_read_error(hf_io *io, const uint8_t *body, uint32_t bytes, bool cut, hf_err code,
                      hf_phase phase) {
    hf_error *error = &io->error;
    hf_value value = { 0 };

    if (!cut && !well_formed(body, bytes)) {
        return false;
    }
    io->fields = (hf_fields){ .driver = &hf_driver_pg, .at = body, .bytes = bytes };
    hf_error_set(error, code, phase, NULL);
    error->from_server = true;
    error->severity = severity_of(body, bytes, code == HF_OK ? 'N' : 'E');
    if (find_field(body, bytes, 'C', &value) && value.bytes == 5) {
        for (size_t i = 0; i < 5; i++) {
            char letter = value.data[i];
            bool good = (letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z');
            error->sqlstate[i] = good ? letter : '?';
        }
    }
    if (find_field(body, bytes, 'P', &value)) {
        error->position = position_of(value);
    }
    if (find_field(body, bytes, 'M', &value)) {
        hf_error_message(error, value.data, value.bytes);
    }
    return true;
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

hf_news hf_pg_broken_in_words(hf_io *io, hf_phase phase, const char *format, uint32_t first,
                              uint32_t second) {
    hf_pg_say_in_words(io, HF_ERR_PROTOCOL, phase, format, first, second);
    return HF_NEWS_BROKEN;
}

hf_news hf_pg_broken_in_silence(hf_io *io, hf_phase phase) {
    hf_error_set(&io->error, HF_ERR_PROTOCOL, phase, NULL);
    return HF_NEWS_BROKEN;
}

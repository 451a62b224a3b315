#include "frame.h"

#include "base/parameters.h"
#include "base/text.h"

/* Messages in and out of the buffers, and the meaning of those that may come at any time. */

bool hf_pg_append(hf_io *io, const void *bytes, size_t size) {
    hf_buffer *tx = &io->tx;

    if (size > tx->size - tx->end) {
        return false;
    }
    memcpy(tx->data + tx->end, bytes, size);
    tx->end += (uint32_t)size;
    io->tx_total += size;
    return true;
}

int hf_pg_receive(hf_pg_session *session, hf_io *io, hf_phase phase, hf_pg_message *message) {
    hf_buffer *rx = &io->rx;
    uint32_t there = rx->end - rx->start;

    if (session->skip > 0) {
        const uint32_t bytes = there < session->skip ? there : session->skip;
        rx->start += bytes;
        session->skip -= bytes;
        there -= bytes;
    }
    if (there < HF_PG_HEADER_BYTES) {
        return 0;
    }
    const uint8_t *at = rx->data + rx->start;
    const hf_pg_kind *kind = hf_pg_kind_of(at[0]);
    const uint32_t length = hf_pg_get32(at + 1);
    const uint32_t max = session->mode != HF_PG_RUNNING ? kind->login_max : kind->max;
    if (max == 0) {
        hf_pg_broken(io, phase, "a message of type %c, which nobody asked for", at[0], 0);
        return -1;
    }
    if (length < HF_PG_LENGTH_MIN || length > max) {
        hf_pg_broken(io, phase, "a message of type %c cannot be %u bytes long", at[0], length);
        return -1;
    }
    const uint32_t size = 1 + length, take = size < there ? size : there;
    if (take < size) {
        if (size <= rx->size || (kind->large == HF_PG_BEGUN && there < rx->size)) {
            return 0;
        }
        if (kind->large == HF_PG_REFUSED) {
            hf_pg_broken(io, phase, "a message of type %c and %u bytes is larger than rx_bytes",
                         at[0], length);
            return -1;
        }
    }
    rx->start += take;
    session->skip = size - take;
    message->body = at + HF_PG_HEADER_BYTES;
    message->bytes = take - HF_PG_HEADER_BYTES;
    message->size = length - HF_PG_LENGTH_MIN;
    message->type = at[0];
    message->cut = take < size;
    return 1;
}

/* Is the encoding UTF-8? Values go to and from the server as they are: they must be UTF-8 there too. */
static bool is_utf8(const char *encoding) {
    static const char names[] = "UTF8 utf8 UTF-8 utf-8 UNICODE";

    return hf_word_among(names, encoding, strlen(encoding));
}

static hf_driver_event malformed(hf_io *io, hf_phase phase, const hf_pg_message *message) {
    return hf_pg_broken(io, phase, "a malformed message of type %c and %u bytes", message->type,
                        message->bytes);
}

/* Notes in io->role what PostgreSQL 14 and later report of themselves (docs 55.2.7). */
static void note_role(hf_io *io, hf_phase phase, const char *name, const char *value) {
    const bool standby = strcmp(name, "in_hot_standby") == 0;
    const bool on = strcmp(value, "on") == 0;

    if (standby) {
        io->role = (uint8_t)((io->role & ~HF_ROLE_STANDBY) | (on ? HF_ROLE_STANDBY : 0));
    } else if (strcmp(name, "default_transaction_read_only") == 0) {
        io->role &= (uint8_t) ~(HF_ROLE_READ_ONLY | HF_ROLE_READ_ONLY_AT_LOGIN);
        io->role |= on ? HF_ROLE_READ_ONLY : 0;
        io->role |= phase == HF_PHASE_LOGIN && on ? HF_ROLE_READ_ONLY_AT_LOGIN : 0;
    }
}

hf_driver_event hf_pg_async_message(hf_io *io, hf_phase phase, const hf_pg_message *message) {
    hf_pg_body body = { .at = message->body, .end = message->body + message->bytes, .good = true };

    if (message->type == 'N') {
        return hf_pg_read_error(io, message, HF_OK, phase) ? HF_DRIVER_NOTICE
                                                           : malformed(io, phase, message);
    }
    if (message->cut) {
        return HF_DRIVER_MORE; /* a ParameterStatus or NotificationResponse larger than rx is of no use */
    }
    if (message->type == 'A') {
        hf_pg_read32(&body); /* the process that sent it */
    }
    const char *name = hf_pg_read_text(&body), *value = hf_pg_read_text(&body);
    if (!hf_pg_read_whole(&body)) {
        return malformed(io, phase, message);
    }
    if (message->type == 'A') {
        io->channel = name;
        io->payload = value;
        return HF_DRIVER_NOTIFY;
    }
    note_role(io, phase, name, value);
#if HF_WITH_VALUES
    if (io->parameters) {
        hf_parameters_note(io->parameters, name, value);
    }
#endif
    return strcmp(name, "client_encoding") != 0 || is_utf8(value)
               ? HF_DRIVER_MORE
               : hf_pg_broken(io, phase, "client_encoding is not UTF8 any more", 0, 0);
}

#include "version.h"

#include "base/text.h"

/* What an endpoint may drop, or talk down, is only what was asked for before anything of a password was sent. */

#if HF_WITH_VERSIONS

static uint8_t minor_of(hf_protocol_version version) {
    return version == HF_PROTOCOL_3_2 ? 2 : 0;
}

/* The least minor version that the user takes. */
static uint8_t least(const hf_io *io) {
    return minor_of((hf_protocol_version)io->config->min_protocol_version);
}

uint8_t hf_pg_asks_minor(const hf_io *io) {
    return io->old_protocol ? 0 : minor_of(hf_config_newest_protocol(io->config));
}

/* Has the server answered nothing yet, and was a newer version asked for? */
static bool may_be_dropped(const hf_pg_session *session) {
    return session->mode == HF_PG_AUTH && session->minor > 0 && !session->negotiated;
}

/* --- NegotiateProtocolVersion ---------------------------------------------------------------------- */

/* Is the option one that the user asked for? */
static bool wanted(const hf_io *io, const char *option) {
    const char *at = io->config->parameters;

    while (at && *at && strcmp(at, option) != 0) {
        at = hf_pg_next_parameter(at);
    }
    return at && *at;
}

/* BROKEN: a start-up parameter of the user's is unknown to the server. */
static hf_driver_event refuse_option(hf_io *io, const char *option) {
    char text[HF_MESSAGE_BYTES];
    hf_writer writer = hf_writer_on(text, sizeof text);

    hf_write_text(&writer, "the server does not know the start-up parameter ");
    hf_write_printable(&writer, option, strlen(option));
    hf_error_set(&io->error, HF_ERR_CONFIG, HF_PHASE_LOGIN, text);
    return HF_DRIVER_BROKEN;
}

/* BROKEN: the server does not speak what min_protocol_version asks for. */
static hf_driver_event refuse_version(hf_io *io, uint8_t minor) {
    hf_pg_say(io, HF_ERR_CONFIG, HF_PHASE_LOGIN,
              "the server speaks protocol 3.%u at most; min_protocol_version is 3.%u", minor,
              least(io));
    return HF_DRIVER_BROKEN;
}

hf_driver_event hf_pg_negotiate(hf_pg_session *session, hf_io *io, const hf_pg_message *message) {
    static const char prefix[] = "_pq_.";
    hf_pg_body body = { .at = message->body, .end = message->body + message->bytes, .good = true };
    const uint32_t version = hf_pg_read32(&body), minor = version & 0xffff;
    uint32_t options = hf_pg_read32(&body);

    if (session->mode != HF_PG_AUTH || session->negotiated) {
        return hf_pg_broken(io, HF_PHASE_LOGIN, "a message of type %c out of place", message->type,
                            0);
    }
    session->negotiated = true;
    if (body.good && (version >> 16 != 3 || minor > session->minor || minor == 1)) {
        return hf_pg_broken(io, HF_PHASE_LOGIN,
                            "a version of the protocol that nobody asked for: %u.%u", version >> 16,
                            minor);
    }
    for (; body.good && options > 0; options--) {
        const char *option = hf_pg_read_text(&body);
        if (option && wanted(io, option)) {
            return refuse_option(io, option);
        }
        body.good = option && strncmp(option, prefix, sizeof prefix - 1) == 0;
    }
    if (!hf_pg_read_whole(&body)) {
        return hf_pg_broken(io, HF_PHASE_LOGIN, "a malformed NegotiateProtocolVersion", 0, 0);
    }
    session->minor = (uint8_t)minor;
    return minor < least(io) ? refuse_version(io, session->minor) : HF_DRIVER_MORE;
}

/* --- who drops it ---------------------------------------------------------------------------------- */

/* The server's words that blame the version, if some do. Seen of pgbouncer 1.18 ("bad packet header: …"), of pgpool-II
 * in its detail, before servers that do not know 3.2 ("backend response with kind 'v' when expecting 'R'") and that do
 * ("invalid messages length(40) for BackendKeyData"), of servers before NegotiateProtocolVersion ("unsupported
 * frontend protocol 3.2"). */
static bool blames_version(const hf_io *io, hf_value *words) {
    static const hf_field fields[] = { HF_FIELD_MESSAGE, HF_FIELD_DETAIL };

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (hf_pg_field(&io->fields, fields[i], words) &&
            (hf_pg_names(words, "packet header") || hf_pg_names(words, "protocol") ||
             hf_pg_names(words, "kind 'v'") || hf_pg_names(words, "BackendKeyData"))) {
            return true;
        }
    }
    return false;
}

/* Makes the server's words a refusal by the name of the setting. */
static void refuse_dropped(hf_io *io, const hf_value *words) {
    char text[HF_MESSAGE_BYTES];
    hf_writer writer = hf_writer_on(text, sizeof text);

    hf_write_text(&writer, "protocol 3.2, which min_protocol_version asks for, is refused: ");
    hf_write_printable(&writer, words->data, words->bytes);
    hf_error_set(&io->error, HF_ERR_CONFIG, HF_PHASE_LOGIN, text);
}

bool hf_pg_dropped_version(const hf_pg_session *session, hf_io *io) {
    static const char codes[] = "08P01 0A000 XX000";
    const char *sqlstate = io->error.sqlstate;
    hf_value words;

    if (session->minor == 0 || io->error.code != HF_ERR_SERVER ||
        !hf_word_among(codes, sqlstate, strlen(sqlstate))) {
        return false;
    }
    const bool blamed = blames_version(io, &words);
    if (!blamed && !may_be_dropped(session)) {
        return false;
    }
    if (least(io) == 0) {
        io->old_protocol = true;
    } else if (blamed) {
        refuse_dropped(io, &words);
    }
    return io->old_protocol;
}

bool hf_pg_hung_up(const hf_driver_session *opaque, hf_io *io) {
    const hf_pg_session *session = (const hf_pg_session *)(const void *)opaque->opaque;

    if (!may_be_dropped(session) || least(io) > 0) {
        return false;
    }
    io->old_protocol = true;
    return true;
}

#endif

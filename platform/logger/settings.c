#include "settings.h"

#include <string.h>

/* ---- the block ------------------------------------------------------------------------------------ */

enum { HEAD_BYTES = 12 };

static uint32_t number_at(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* As in Ethernet and zlib. */
static uint32_t crc32(const uint8_t *at, size_t bytes) {
    uint32_t crc = UINT32_MAX;
    for (; bytes > 0; bytes--) {
        crc ^= *at++;
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xedb88320u & (0 - (crc & 1)));
        }
    }
    return ~crc;
}

const char *hf_settings_block(const void *from, size_t room, size_t *bytes) {
    const uint8_t *at = from;
    if (room < HEAD_BYTES || memcmp(at, "HFC1", 4) != 0) {
        return NULL;
    }
    *bytes = number_at(at + 4);
    if (*bytes > room - HEAD_BYTES || crc32(at + HEAD_BYTES, *bytes) != number_at(at + 8)) {
        return NULL;
    }
    return (const char *)at + HEAD_BYTES;
}

/* ---- the object ----------------------------------------------------------------------------------- */

#define TEXT(name) \
    { #name, offsetof(hf_logger_settings, name), sizeof(((hf_logger_settings *)0)->name) }
#define NUMBER(name) \
    { #name, offsetof(hf_logger_settings, name), 0 }

static const struct {
    const char *name;
    uint16_t offset, size; /* size 0: a number */
} members[] = { TEXT(host),       TEXT(user),        TEXT(password),      TEXT(dbname),
                TEXT(device),     TEXT(address),     TEXT(mask),          TEXT(gateway),
                TEXT(dns),        NUMBER(port),      NUMBER(interval_ms), NUMBER(readings),
                NUMBER(drain_ms), NUMBER(reconnects) };

static bool complain(hf_writer *why, const char *name, const char *text) {
    hf_write_text(why, name);
    hf_write_text(why, ": ");
    hf_write_text(why, text);
    return false;
}

static bool fill_member(hf_logger_settings *settings, const hf_json *member, hf_writer *why) {
    const char *name = hf_json_name(member);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        uint8_t *to = (uint8_t *)settings + members[i].offset;
        if (strcmp(name, members[i].name) != 0) {
            continue;
        }
        if (members[i].size == 0) {
            return hf_json_count(member, (uint32_t *)(void *)to) ||
                   complain(why, name, "not a whole number");
        }
        const char *text = hf_json_text(member);
        size_t bytes = strlen(text);
        if (hf_json_kind_of(member) != HF_JSON_TEXT || bytes >= members[i].size) {
            return complain(why, name, bytes >= members[i].size ? "too long" : "not a text");
        }
        memcpy(to, text, bytes + 1);
        return true;
    }
    return complain(why, name, "unknown");
}

static bool fill_settings(hf_config *config, const hf_json *object, hf_writer *why) {
    if (hf_json_kind_of(object) != HF_JSON_OBJECT) {
        return complain(why, "settings", "not an object");
    }
    for (const hf_json *it = hf_json_first(object); it; it = hf_json_next(it)) {
        const hf_setting *setting = hf_setting_named(hf_json_name(it));
        if (!setting) {
            return complain(why, hf_json_name(it), "no setting has this name");
        }
        if (!hf_json_count(it, (uint32_t *)(void *)((uint8_t *)config + setting->offset))) {
            return complain(why, setting->name, "not a whole number");
        }
    }
    return true;
}

bool hf_settings_fill(hf_logger_settings *settings, const hf_json *json, hf_writer *why) {
    *settings =
        (hf_logger_settings){ .config = HF_CONFIG_DEFAULT, .interval_ms = 1000, .drain_ms = 60000 };
    hf_config *config = &settings->config;
    config->max_concurrent = 1;
    config->max_pipelined = 4;
    config->max_retries = HF_FOREVER;
    config->max_outage_ms = HF_FOREVER;
    config->rx_bytes = HF_SETTINGS_RX_BYTES;
    config->tx_bytes = HF_SETTINGS_TX_BYTES;
    config->scram_iterations_max = 100000;
    if (hf_json_kind_of(json) != HF_JSON_OBJECT) {
        hf_write_text(why, "not an object");
        return false;
    }
    for (const hf_json *it = hf_json_first(json); it; it = hf_json_next(it)) {
        const char *name = hf_json_name(it);
        bool good = strcmp(name, "settings") == 0
                        ? fill_settings(config, it, why)
                        : strcmp(name, "ca") == 0 || fill_member(settings, it, why);
        if (!good) {
            return false;
        }
    }
    config->hosts[0] = (hf_host){ .name = settings->host, .port = (uint16_t)settings->port };
    config->n_hosts = 1;
    config->user = settings->user;
    config->password = settings->password;
    config->database = settings->dbname[0] ? settings->dbname : NULL;
    config->application_name = settings->device;
    hf_error error;
    if (settings->port > UINT16_MAX) {
        return complain(why, "port", "65535 is the most");
    }
    if (settings->interval_ms == 0 || !settings->device[0]) {
        return complain(why, settings->device[0] ? "interval_ms" : "device", "none given");
    }
    if (config->max_concurrent != 1 || config->rx_bytes > HF_SETTINGS_RX_BYTES ||
        config->tx_bytes > HF_SETTINGS_TX_BYTES) {
        return complain(why, "max_concurrent, rx_bytes or tx_bytes",
                        "more than this image has room for");
    }
    if (!hf_config_check(config, &error)) {
        hf_write_text(why, error.message);
        return false;
    }
    return true;
}

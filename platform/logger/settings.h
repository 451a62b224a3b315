/* What a logger is told: a block in flash with JSON in it.
 *
 *     "HFC1", length, CRC-32 (both 32 bits, little-endian), then so many bytes of JSON, one object:
 *     host, port, user, password, dbname   the database
 *     ca                                   PEM certificates that may sign the server's
 *     device                               this device's name in the table
 *     interval_ms, readings, drain_ms      how often, how many (0: for ever), how long to wait for the last
 *     reconnects                           end after so many (0: never), for tests of a long life
 *     address, mask, gateway, dns          without address: DHCP
 *     settings                             any of holdfast/config.h by its name, as a number: ms, bytes, count
 */
#ifndef HF_SETTINGS_H
#define HF_SETTINGS_H

#include "base/text.h"
#include "hf_json.h"
#include "holdfast/config.h"

/* The pool's buffers. */
#define HF_SETTINGS_RX_BYTES 2048
#define HF_SETTINGS_TX_BYTES 1024

typedef struct hf_logger_settings {
    hf_config config; /* its strings are the arrays below, so this does not move */
    char host[64], user[32], password[64], dbname[32], device[24];
    char address[16], mask[16], gateway[16], dns[16]; /* "" not given */
    uint32_t port, interval_ms, readings, drain_ms, reconnects;
} hf_logger_settings;

/* The JSON of the block at `at`, which has `room` bytes. NULL: there is none, or it was damaged. */
const char *hf_settings_block(const void *at, size_t room, size_t *bytes);
/* Fills settings from the object. False: why says what is wrong, never with a value. */
bool hf_settings_fill(hf_logger_settings *settings, const hf_json *json, hf_writer *why);

#endif

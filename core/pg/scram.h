/* SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the client's side (RFC 5802, 7677, 5929; PostgreSQL docs 55.3).
 *
 *     hf_pg_scram_start         our nonce
 *     hf_pg_scram_client_first  -> what to send
 *     hf_pg_scram_server_first  <- checked before anything is hashed
 *     hf_pg_scram_derive        PBKDF2, slice by slice; nothing to do when the keys are known
 *     hf_pg_scram_client_final  -> what to send
 *     hf_pg_scram_server_final  <- has the server proved that it knows the password?
 *
 * All of it is secret: the owner wipes it. Private to core/pg.
 */
#ifndef HF_PG_SCRAM_H
#define HF_PG_SCRAM_H

#include "driver.h"

enum {
    HF_PG_NONCE_BYTES = 18,   /* random, before base64 */
    HF_PG_BARE_BYTES = 48,    /* "n=,r=" and our nonce in base64 */
    HF_PG_SERVER_FIRST = 224, /* longest server-first-message: PostgreSQL's has about 85 bytes */
    HF_PG_ROUNDS_MIN = 4096,  /* RFC 7677: fewer would make the password cheap to guess */
    HF_PG_CLIENT_FINAL = 448  /* room that client_final needs */
};

/* The first byte of the GS2 header: what this client thinks of channel binding. */
typedef enum hf_pg_gs2 {
    HF_PG_GS2_NO = 'n',     /* it cannot */
    HF_PG_GS2_UNUSED = 'y', /* it could, but the server did not offer it: who hid it is found out */
    HF_PG_GS2_BOUND = 'p'   /* tls-server-end-point */
} hf_pg_gs2;

typedef struct hf_pg_scram {
    union {
        struct {                    /* while deriving */
            hf_sha256 inner, outer; /* of HMAC(password, …), cloned for each round */
            uint8_t u[32], sum[32];
        };
        struct { /* after */
            uint8_t client_key[32], server_key[32];
            uint8_t signature[32]; /* that the server must show */
        };
    };
    uint32_t rounds, round;
    uint16_t server_first_bytes;
    uint16_t nonce_bytes; /* the common nonce begins at server_first + 2 */
    uint8_t bare_bytes;
    uint8_t salt_bytes;
    uint8_t gs2;
    bool derived;
    uint8_t salt[sizeof((hf_keys *)0)->salt];
    char bare[HF_PG_BARE_BYTES]; /* client-first-message-bare */
    char server_first[HF_PG_SERVER_FIRST];
} hf_pg_scram;

/* RFC 4648; returns the characters written: 4 for each 3 bytes begun. */
size_t hf_pg_base64(const uint8_t *from, size_t bytes, char *out);

/* user: "" for PostgreSQL, which takes the one of the start-up message. nonce: printable, no comma. False: they
 * do not fit. */
bool hf_pg_scram_start(hf_pg_scram *scram, hf_pg_gs2 gs2, const char *user, const char *nonce);
/* Bytes written to out, 0 when size is too small (a NUL is written too). */
size_t hf_pg_scram_client_first(const hf_pg_scram *scram, char *out, size_t size);
/* 0, or an hf_err with *why: nothing was hashed then. keys: of an earlier login, used when salt and rounds are
 * the same. */
int hf_pg_scram_server_first(hf_pg_scram *scram, const hf_hash *hash, const char *text,
                             size_t bytes, const char *password, uint32_t rounds_max,
                             const hf_keys *keys, const char **why);
/* 1 the keys are there, 0 call again, < 0 an hf_err. */
int hf_pg_scram_derive(hf_pg_scram *scram, const hf_hash *hash);
/* binding: the channel's data, for HF_PG_GS2_BOUND. Bytes written to out (HF_PG_CLIENT_FINAL), or < 0. */
int hf_pg_scram_client_final(hf_pg_scram *scram, const hf_hash *hash, const uint8_t *binding,
                             size_t binding_bytes, char *out);
/* 0, or HF_ERR_AUTH_SERVER. */
int hf_pg_scram_server_final(const hf_pg_scram *scram, const char *text, size_t bytes);
/* Keeps the keys for the next login; after server_final said 0. */
void hf_pg_scram_keep(const hf_pg_scram *scram, hf_keys *keys);

#endif

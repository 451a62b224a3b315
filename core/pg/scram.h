/* SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the client's side (RFC 5802, 7677, 5929; PostgreSQL docs 55.3).
 *
 *     hf_pg_scram_start         our nonce; the text is what to send
 *     hf_pg_scram_server_first  <- checked before anything is hashed
 *     hf_pg_scram_take          in place of a password: keys that somebody derived before
 *     hf_pg_scram_derive        PBKDF2, slice by slice; nothing to do when the keys are known
 *     hf_pg_scram_client_final  -> what to send, in final
 *     hf_pg_scram_server_final  <- has the server proved that it knows the password? Then the keys may be kept
 *
 * hf_pg_scram is secret, all of it: its owner, the login, wipes it before and after. A reason why the server is not
 * believed is a text of the program's. Private to core/pg.
 */
#ifndef HF_PG_SCRAM_H
#define HF_PG_SCRAM_H

#include "driver.h"

enum {
    HF_PG_NONCE_BYTES = 18,   /* random, before base64 */
    HF_PG_CLIENT_FIRST = 64,  /* the GS2 header, "n=,r=" and the client's nonce in base64 */
    HF_PG_SERVER_FIRST = 224, /* longest server-first-message: PostgreSQL's has about 85 bytes */
    HF_PG_ROUNDS_MIN = 4096,  /* RFC 7677: fewer would make the password cheap to guess */
    HF_PG_CLIENT_FINAL = 400  /* and a comma before it */
};

/* The GS2 headers: whether the client binds the exchange to its TLS channel. */
#define HF_PG_GS2_NO "n,," /* the client cannot */
#define HF_PG_GS2_UNUSED \
    "y,," /* the client could, but the server did not offer it: tampering with the offer is found out */
#define HF_PG_GS2_BOUND "p=tls-server-end-point,,"

typedef struct hf_pg_scram {
    const hf_hash *hash;
    uint32_t round; /* rounds done, of keys.rounds */
    uint16_t text_bytes, final_bytes;
    uint16_t nonce_at,
        nonce_bytes; /* in the text: the client's, later the server's, which begins with it */
    uint8_t gs2_bytes;
    bool bound; /* to the TLS channel */
    bool taken; /* keys has them from the beginning */
    hf_keys keys;
    uint8_t signature[32]; /* the signature that the server must show */
    union {
        struct {
            hf_sha256 password[2]; /* the inner and the outer hash, cloned for each round */
            hf_sha256 running;
            uint8_t sum[32];
            uint8_t last_bytes;
            uint8_t
                last[sizeof((hf_keys *)0)->salt + 4]; /* round's result; at first what is hashed */
        } deriving;
        char final[HF_PG_CLIENT_FINAL]; /* "," client-final-message */
    };
    /* The GS2 header, client-first-message-bare; then "," server-first-message. */
    char text[HF_PG_CLIENT_FIRST + 1 + HF_PG_SERVER_FIRST];
} hf_pg_scram;

/* Base64 (RFC 4648). Returns the characters written to out: 4 for each 3 bytes begun. */
size_t hf_pg_base64(const void *from, size_t bytes, char *out);

/* Begins an exchange: scram->text is the client-first-message. *scram is all zeros; random has HF_PG_NONCE_BYTES. */
void hf_pg_scram_start(hf_pg_scram *scram, const hf_hash *hash, const char *gs2,
                       const uint8_t *random);
#if HF_WITH_CREDENTIALS
/* Takes keys that somebody derived before, both base64: nothing is derived then. False: one of them is no key. */
bool hf_pg_scram_take(hf_pg_scram *scram, const char *client_key, const char *server_key);
#endif
/* Takes the server-first-message. NULL, or the reason why this server is not believed: nothing was hashed then. keys:
 * those of an earlier login or NULL, used when salt and rounds are the same. */
const char *hf_pg_scram_server_first(hf_pg_scram *scram, const char *message, size_t bytes,
                                     uint32_t rounds_max, const hf_keys *keys);
/* Derives the keys, one slice a call. 1: the keys are there; 0: call again; < 0: an hf_err. */
int hf_pg_scram_derive(hf_pg_scram *scram, const char *password);
/* Makes the client-final-message. binding: the channel's data, if the exchange is bound. 0 or an hf_err. */
int hf_pg_scram_client_final(hf_pg_scram *scram, const uint8_t *binding, size_t binding_bytes);
/* Does the server-final-message prove that the server knows the password? */
bool hf_pg_scram_server_final(const hf_pg_scram *scram, const char *message, size_t bytes);

#endif

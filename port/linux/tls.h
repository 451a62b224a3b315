/* TLS over the life of a port. */
#ifndef HF_LINUX_TLS_H
#define HF_LINUX_TLS_H

#include "internal.h"

/* TLS settings from the state that the files had at one time. */
struct hf_linux_tls {
    hf_mbedtls tls;
    uint64_t seen;              /* hf_linux_trust_seen() */
    struct hf_linux_tls *older; /* settings that links may still use */
};

/* Reads the TLS files, if a host wants TLS. 0, or an hf_err and *error. */
int hf_linux_tls_open(hf_linux_state *state, hf_error *error);
/* Before each new TLS link: reads the files again if one of them changed. 0, or an hf_err and *error: then
 * the old settings are still there, and are not to be used. */
int hf_linux_tls_renew(hf_linux_state *state, hf_error *error);
void hf_linux_tls_close(hf_linux_state *state); /* aborts the TLS links too */

#endif

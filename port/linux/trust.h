/* The TLS files, for any port on Linux, whatever its network. */
#ifndef HF_LINUX_TRUST_H
#define HF_LINUX_TRUST_H

#include "hf_mbedtls.h"

/* Reads the TLS files that config names: CAs, revocation lists, the client's certificate and key. 0, or an hf_err and
 * *error. */
int hf_linux_trust(hf_mbedtls *tls, const hf_config *config, hf_error *error);

/* A sum over the state of the TLS files, which changes with them; 0: a file changed just now, so that another
 * change may have the same time: look again. */
uint64_t hf_linux_trust_seen(const hf_config *config);

#endif

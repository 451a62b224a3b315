/* What the tests of certificates share: one handshake with a TLS server, and what became of it. */
#ifndef HF_TESTS_CERTIFICATE_H
#define HF_TESTS_CERTIFICATE_H

#include "loopback.h"

/* Further settings for hf_test_verdict(). */
extern hf_config hf_test_beside;
/* About the last verdict: why() of the link, why the port was refused, the channel binding. */
extern char hf_test_why[256];
extern hf_error hf_test_refusal;
extern uint8_t hf_test_binding[HF_BINDING_BYTES];
extern size_t hf_test_binding_bytes;

/* A cmocka set-up function, before all tests and before a test that sets something: no further settings. */
int hf_test_verdict_set_up(void **state);
/* What becomes of a handshake with that server: 1, or an hf_err of the link or of the port itself. root is of the
 * fixtures, mode an hf_sslmode. */
int hf_test_verdict(const hf_test_server *server, const char *root, int mode, const char *host);
/* Refused for good, with that word: HF_ERR_TLS_REJECTED is never tried again. */
void hf_test_rejected(const hf_test_server *server, const char *word);

#endif

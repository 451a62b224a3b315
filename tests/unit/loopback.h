/* For the tests of the Linux port: listeners and peers on loopback, played by the test itself, and a TLS
 * server (openssl s_server) where a real one is needed. Nothing here reaches beyond this machine. */
#ifndef HF_TESTS_LOOPBACK_H
#define HF_TESTS_LOOPBACK_H

#include "holdfast/linux.h"

#include <sys/types.h>

#define HF_TLS_FIXTURES "tests/fixtures/tls/"

/* For what takes microseconds: it ends a test that hangs, and is no claim about time. */
#define HF_TEST_PATIENCE_MS 300000

/* A listening TCP socket of 127.0.0.1; *port is free and its own. */
int hf_test_listen(uint16_t *port);
/* The next connection to it. */
int hf_test_accept(int listener);
/* Reads exactly that many bytes, or fails. */
void hf_test_expect(int peer, const char *text);
void hf_test_send(int peer, const char *text);
/* Closes with a reset instead of an end. */
void hf_test_reset(int peer);

/* A port for one host; sslrootcert NULL: no TLS. */
void hf_test_port(hf_linux *port, hf_config *config, const char *sslrootcert);
/* The address 127.0.0.1:number. */
hf_address hf_test_address(uint16_t number);
hf_link *hf_test_open(hf_linux *port, uint16_t number, uint32_t tag);
/* Drives ready() until it answers something else than 0; HF_ERR_TIMEOUT when it never does. */
int hf_test_ready(hf_linux *port, hf_link *link);
/* An open link and its peer. */
hf_link *hf_test_pair(hf_linux *port, int *peer, uint32_t tag);
/* Reads until there are `bytes` of them or an end: what the last read() answered, 0 for enough. */
int hf_test_read(hf_linux *port, hf_link *link, char *out, size_t bytes, size_t *got);
/* Closes politely: true when that was done. */
bool hf_test_close(hf_linux *port, hf_link *link);
/* Waits until the tag has an event; false after `ms`. */
bool hf_test_event(hf_linux *port, uint32_t tag, unsigned ms);
void hf_test_wait(hf_linux *port, unsigned ms);
/* How many descriptors this process has open. */
int hf_test_descriptors(void);

typedef struct hf_test_server {
    pid_t pid, reader;
    uint16_t port;
    int input; /* its standard input, which must stay open */
} hf_test_server;

/* openssl s_server with a certificate and key of the fixtures; more: further arguments, NULL at the end.
 * It answers each line reversed, or as `more` says. */
void hf_test_server_start(hf_test_server *server, const char *certificate, const char *key,
                          const char *const *more);
void hf_test_server_stop(hf_test_server *server);

#endif

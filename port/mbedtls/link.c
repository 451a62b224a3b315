/* TLS as a link over a link.
 *
 *     core --write--> mbedtls_ssl_write --send()--> under->write
 *     core <--read--- mbedtls_ssl_read <--receive()-- ahead <-- under->read
 *
 * mbedTLS reads a record as five bytes of header and then its body. `ahead` stands between, so that a small record
 * costs one read of the link below, and remembers that a read was short: nothing is left there, and in this call it is
 * not asked again. Between calls that is forgotten, because only the caller knows what news the network has had
 * meanwhile.
 */
#include "base/text.h"
#include "internal.h"

#include <string.h>

#include <mbedtls/error.h>
#include <mbedtls/platform.h>

_Static_assert(sizeof(mbedtls_ssl_context) <= sizeof(((hf_mbedtls_link *)0)->ssl),
               "enlarge hf_mbedtls_link.ssl");

/* The most that one call hands to mbedTLS, whose lengths are int. */
#define HF_IO_BYTES_MAX ((size_t)1 << 30)

static hf_mbedtls_link *own(hf_link *link) {
    return (hf_mbedtls_link *)(void *)link;
}

static void begin(hf_mbedtls_link *link) {
    link->drained = false;
    link->blocked = false;
    link->room = HF_MBEDTLS_CALL_BYTES;
}

/* Work is left although the network may stay silent: the port is to report news of the link below. */
static void note(hf_mbedtls_link *link) {
    link->tls->setup.note(link->tls->setup.user, link->under);
}

static int receive(void *at, unsigned char *to, size_t bytes) {
    hf_mbedtls_link *link = at;
    if (link->start == link->end) {
        if (link->drained || link->room == 0) {
            link->blocked = true;
            return MBEDTLS_ERR_SSL_WANT_READ;
        }
        bool direct = bytes >= HF_MBEDTLS_AHEAD_BYTES;
        size_t ask = direct ? bytes : HF_MBEDTLS_AHEAD_BYTES;
        int got = link->under->api->read(link->under, direct ? to : link->ahead, ask);
        if (got < 0) {
            link->under_failed = got;
            return HF_MBEDTLS_LINK_FAILED;
        }
        link->drained = (size_t)got < ask;
        if (got == 0 && link->write_failed != 0 && !link->up) {
            return HF_MBEDTLS_LINK_FAILED; /* the server left without a word */
        }
        if (got == 0) {
            link->blocked = true;
            return MBEDTLS_ERR_SSL_WANT_READ;
        }
        link->room -= (uint32_t)got < link->room ? (uint32_t)got : link->room;
        if (direct) {
            return got;
        }
        link->start = 0;
        link->end = (uint32_t)got;
    }
    size_t have = link->end - link->start;
    size_t give = bytes < have ? bytes : have;
    memcpy(to, link->ahead + link->start, give);
    link->start += (uint32_t)give;
    return (int)give;
}

/* A server that refuses the handshake says why and leaves, while we may still be sending our part: until the handshake
 * is over a failed write counts as done, and the reading that follows finds the alert or the end of the stream. */
static int send(void *at, const unsigned char *from, size_t bytes) {
    hf_mbedtls_link *link = at;
    const bool gone = link->write_failed != 0 && !link->up;
    int sent = gone ? link->write_failed : link->under->api->write(link->under, from, bytes);
    if (sent < 0) {
        link->write_failed = sent;
        return link->up ? HF_MBEDTLS_LINK_FAILED : (int)bytes;
    }
    return sent == 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : sent;
}

/* Frees the server's certificates, which were judged: else they keep some KB for as long as the link lives. */
static void forget_certificate(mbedtls_ssl_context *ssl) {
    mbedtls_ssl_session *session = ssl->MBEDTLS_PRIVATE(session);
    if (session != NULL && session->MBEDTLS_PRIVATE(peer_cert) != NULL) {
        mbedtls_x509_crt_free(session->MBEDTLS_PRIVATE(peer_cert));
        mbedtls_free(session->MBEDTLS_PRIVATE(peer_cert));
        session->MBEDTLS_PRIVATE(peer_cert) = NULL;
    }
}

/* One step of the handshake. Only mbedTLS knows whether the server asked for our certificate: if so, the step of the
 * answer sends a record, which in TLS 1.3 is the first of its epoch, and the record counter shows that. */
static int handshake_step(hf_mbedtls_link *link) {
    mbedtls_ssl_context *ssl = hf_mbedtls_ssl(link);
    const bool answer = ssl->MBEDTLS_PRIVATE(state) == MBEDTLS_SSL_CLIENT_CERTIFICATE;
    const unsigned char *counter = ssl->MBEDTLS_PRIVATE(cur_out_ctr);
    const unsigned char before = counter[MBEDTLS_SSL_SEQUENCE_NUMBER_LEN - 1];
    int code = mbedtls_ssl_handshake_step(ssl);
    if (answer && ssl->MBEDTLS_PRIVATE(state) != MBEDTLS_SSL_CLIENT_CERTIFICATE) {
        const unsigned char now = counter[MBEDTLS_SSL_SEQUENCE_NUMBER_LEN - 1];
        const bool newest = mbedtls_ssl_get_version_number(ssl) == MBEDTLS_SSL_VERSION_TLS1_3;
        link->certificate_requested = newest ? now != 0 : now != before;
    }
    return code;
}

/* One step of the handshake, which may end it. */
static int link_ready(hf_link *base, bool *more) {
    hf_mbedtls_link *link = own(base);
    *more = false;
    if (link->failed != 0) {
        return link->failed;
    }
    if (link->up) {
        return 1;
    }
    begin(link);
    mbedtls_ssl_context *ssl = hf_mbedtls_ssl(link);
    unsigned failures = hf_mbedtls_failures();
    int code = handshake_step(link);
    if (code == MBEDTLS_ERR_SSL_WANT_WRITE) {
        return 0;
    }
    if (code == MBEDTLS_ERR_SSL_WANT_READ) {
        /* Either the network has nothing, or this call has had its share. */
        *more = !link->blocked || link->room == 0;
        return 0;
    }
    if (code != 0) {
        (void)hf_mbedtls_fail(link, code);
        /* Out of memory in the check of a signature looks like a bad certificate. */
        if (link->system != 0 && hf_mbedtls_failures() != failures) {
            link->failed = HF_ERR_RESOURCES;
            link->text[0] = 0;
        }
        return link->failed;
    }
    if (!mbedtls_ssl_is_handshake_over(ssl)) {
        *more = true;
        return 0;
    }
    if (link->asked_alpn && mbedtls_ssl_get_alpn_protocol(ssl) == NULL) {
        return hf_mbedtls_fail(link, MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL);
    }
    if (!link->certificate_requested && link->tls->setup.sslcertmode == HF_SSLCERT_REQUIRE) {
        return hf_mbedtls_fail(link, HF_MBEDTLS_NOT_ASKED);
    }
    forget_certificate(ssl);
    link->up = true;
    if (link->start != link->end) {
        note(link);
    }
    return 1;
}

/* Fills `to` from as many records as there are: a short read means that nothing is left, as on every link. */
static int link_read(hf_link *base, void *to, size_t bytes) {
    hf_mbedtls_link *link = own(base);
    if (link->failed != 0) {
        return link->failed;
    }
    HF_ASSERT(link->up);
    begin(link);
    if (bytes > HF_IO_BYTES_MAX) {
        bytes = HF_IO_BYTES_MAX;
    }
    size_t got = 0;
    while (got < bytes && !link->blocked) {
        int code = mbedtls_ssl_read(hf_mbedtls_ssl(link), (unsigned char *)to + got, bytes - got);
        if (code > 0) {
            got += (size_t)code;
            link->data_received = true;
        } else if (code != MBEDTLS_ERR_SSL_WANT_READ && code != MBEDTLS_ERR_SSL_WANT_WRITE &&
                   code != MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            (void)hf_mbedtls_fail(link, code);
            break;
        } /* else a record without data: on to the next */
    }
    if ((got > 0 && link->failed != 0) || (got < bytes && link->room == 0)) {
        note(link);
    }
    return got > 0 ? (int)got : link->failed;
}

/* A write failed. If only the way to the server is broken, its last words may still be read: a FATAL before the
 * reset. */
static int write_fails(hf_mbedtls_link *link, int code) {
    return link->write_failed != 0 ? link->write_failed : hf_mbedtls_fail(link, code);
}

/* Sends what mbedTLS has encrypted already. 1: nothing is left; 0: would block; < 0: an hf_err. */
static int flush(hf_mbedtls_link *link) {
    mbedtls_ssl_context *ssl = hf_mbedtls_ssl(link);
    if (ssl->MBEDTLS_PRIVATE(out_left) == 0) {
        return 1;
    }
    int code = mbedtls_ssl_write(ssl, NULL, 0);
    if (code == MBEDTLS_ERR_SSL_WANT_WRITE) {
        return 0;
    }
    return code < 0 ? write_fails(link, code) : 1;
}

static int link_write(hf_link *base, const void *from, size_t bytes) {
    hf_mbedtls_link *link = own(base);
    if (link->failed != 0 || link->write_failed != 0) {
        return link->failed != 0 ? link->failed : link->write_failed;
    }
    HF_ASSERT(link->up && link->pending <= bytes);
    if (bytes > HF_IO_BYTES_MAX) {
        bytes = HF_IO_BYTES_MAX;
    }
    mbedtls_ssl_context *ssl = hf_mbedtls_ssl(link);
    if (link->pending == 0) {
        /* An alert of mbedTLS's own may wait to be sent: mbedtls_ssl_write() would count it as our bytes. */
        int flushed = flush(link);
        if (flushed <= 0) {
            return flushed;
        }
    }
    int record = mbedtls_ssl_get_max_out_record_payload(ssl);
    if (record <= 0) {
        return hf_mbedtls_fail(link, record);
    }
    size_t sent = 0;
    while (sent < bytes) {
        size_t offer = link->pending != 0 ? link->pending : bytes - sent;
        if (offer > (size_t)record) {
            offer = (size_t)record;
        }
        int code = mbedtls_ssl_write(ssl, (const unsigned char *)from + sent, offer);
        if (code == MBEDTLS_ERR_SSL_WANT_WRITE) {
            link->pending = (uint32_t)offer;
            break;
        }
        if (code < 0) {
            (void)write_fails(link, code);
            break;
        }
        link->pending = 0;
        sent += (size_t)code;
    }
    if (sent > 0) {
        return (int)sent;
    }
    return link->failed != 0 ? link->failed : link->write_failed;
}

/* Frees mbedTLS's part of the link. */
static void drop(hf_mbedtls_link *link) {
    link->tls->users--;
    mbedtls_ssl_free(hf_mbedtls_ssl(link));
    if (link->ahead != NULL) {
        mbedtls_platform_zeroize(link->ahead, HF_MBEDTLS_AHEAD_BYTES);
        mbedtls_free(link->ahead);
        link->ahead = NULL;
    }
}

static int link_close(hf_link *base) {
    hf_mbedtls_link *link = own(base);
    if (!link->closing) {
        if (link->up && link->failed == 0 && link->write_failed == 0) {
            int flushed = flush(link);
            if (flushed > 0 && !link->close_notify_sent) {
                link->close_notify_sent = true;
                int code = mbedtls_ssl_close_notify(hf_mbedtls_ssl(link));
                flushed = code == 0 ? 1 : code == MBEDTLS_ERR_SSL_WANT_WRITE ? 0 : -1;
            }
            if (flushed == 0) {
                return 0;
            }
        }
        link->closing = true;
        drop(link);
    }
    if (link->under->api->close(link->under) == 0) {
        return 0;
    }
    link->under = NULL;
    return 1;
}

static void link_abort(hf_link *base) {
    hf_mbedtls_link *link = own(base);
    if (!link->closing) {
        drop(link);
    }
    link->under->api->abort(link->under);
    link->under = NULL;
}

static size_t link_binding(hf_link *base, uint8_t *out) {
    hf_mbedtls_link *link = own(base);
    memcpy(out, link->binding, link->binding_bytes);
    return link->binding_bytes;
}

static const char *link_why(hf_link *base, int32_t *system) {
    hf_mbedtls_link *link = own(base);
    if (link->system == 0 && (link->under_failed != 0 || link->write_failed != 0)) {
        return link->under->api->why(link->under, system);
    }
    *system = link->system;
    return link->text[0] != 0 ? link->text : NULL;
}

static const hf_link_api api = { link_ready, link_read,    link_write, link_close,
                                 link_abort, link_binding, link_why };

/* Has anything arrived before TLS began? The server did not send that (SECURITY 1). */
static int injected(hf_link *under) {
    uint8_t byte;
    int got = under->api->read(under, &byte, 1);
    return got > 0 ? HF_ERR_TLS_INJECTED : got;
}

static void prepare(hf_mbedtls *tls, hf_mbedtls_link *link, const hf_link *under) {
    HF_ASSERT(link->under == NULL);
    memset(link, 0, sizeof *link);
    link->link.api = &api;
    link->link.tag = under->tag;
    link->tls = tls;
    mbedtls_ssl_init(hf_mbedtls_ssl(link));
}

hf_link *hf_mbedtls_open(hf_mbedtls *tls, hf_mbedtls_link *link, hf_link *under, const char *host,
                         const char *alpn, int *err) {
    *err = injected(under);
    if (*err != 0) {
        return NULL;
    }
    prepare(tls, link, under);
    link->asked_alpn = alpn != NULL;
    mbedtls_ssl_context *ssl = hf_mbedtls_ssl(link);
    mbedtls_ssl_config *config = hf_mbedtls_config(tls, alpn);
    if (config == NULL) {
        *err = HF_ERR_ARGUMENT;
        return NULL;
    }
    tls->users++;
    link->ahead = mbedtls_calloc(1, HF_MBEDTLS_AHEAD_BYTES);
    *err = link->ahead == NULL || mbedtls_ssl_setup(ssl, config) != 0 ? HF_ERR_RESOURCES
                                                                      : hf_mbedtls_host(link, host);
    if (*err != 0) {
        drop(link);
        return NULL;
    }
    mbedtls_ssl_set_verify(ssl, hf_mbedtls_verify, link);
    mbedtls_ssl_set_bio(ssl, link, send, receive, NULL);
    link->under = under;
    return &link->link;
}

static hf_mbedtls_link *free_link(const hf_mbedtls *tls) {
    for (unsigned i = 0; i < tls->setup.n_links; i++) {
        if (tls->setup.links[i].under == NULL) {
            return &tls->setup.links[i];
        }
    }
    return NULL;
}

hf_link *hf_mbedtls_start(hf_mbedtls *tls, hf_link *under, const char *host, const char *alpn,
                          int *err) {
    hf_mbedtls_link *link = free_link(tls);
    *err = HF_ERR_RESOURCES;
    return link != NULL ? hf_mbedtls_open(tls, link, under, host, alpn, err) : NULL;
}

hf_link *hf_mbedtls_refuse(hf_mbedtls *tls, hf_link *under, int err, const char *text) {
    hf_mbedtls_link *link = free_link(tls);
    if (link == NULL) {
        return NULL;
    }
    prepare(tls, link, under);
    tls->users++;
    link->under = under;
    link->failed = err;
    hf_writer out = hf_writer_on(link->text, sizeof link->text);
    hf_write_text(&out, text);
    return &link->link;
}

void hf_mbedtls_abort_all(hf_mbedtls *tls) {
    for (unsigned i = 0; i < tls->setup.n_links; i++) {
        if (tls->setup.links[i].under != NULL) {
            link_abort(&tls->setup.links[i].link);
        }
    }
}

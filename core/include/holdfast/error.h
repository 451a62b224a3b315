/* Errors: one table gives each code its number, name and text; hf_error says where and why.
 *
 * A peer's or an operator's fault is a returned hf_err (0 is success, negatives in ranges: API, net,
 * TLS, protocol, server) or a filled hf_error. Our own bug is HF_ASSERT, kept in release builds; bytes
 * from the wire never trip it.
 *
 * SQLSTATE: PostgreSQL docs, appendix A. Fields of a server's error: docs 55.8.
 */
#ifndef HF_ERROR_H
#define HF_ERROR_H

#include "build.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Absolute monotonic milliseconds; the port says since when. A duration is a uint32_t named *_ms. */
typedef uint64_t hf_ms;
#define HF_NEVER UINT64_MAX
/* Where words have 32 bits a look at the upper half is enough, and half the work: no other time is that far off. */
static inline bool hf_is_never(hf_ms at) {
    return sizeof(void *) > 4 ? at == HF_NEVER : (uint32_t)(at >> 32) == UINT32_MAX;
}
/* For counts and durations: no limit. */
#define HF_FOREVER UINT32_MAX

/* Called when holdfast itself is wrong. The port or the application defines it; it does not return. */
HF_NORETURN void hf_assert_failed(const char *what, const char *file, int line);
#define HF_ASSERT(condition) \
    ((condition) ? (void)0 : hf_assert_failed(HF_MESSAGE(#condition), __FILE__, __LINE__))

#define HF_ERRORS(X)                                                                             \
    X(OK, 0, "no error")                                                                         \
    /* API: the caller's */                                                                      \
    X(ERR_ARGUMENT, -1, "an argument is not valid")                                              \
    X(ERR_CONFIG, -2, "a setting is not valid")                                                  \
    X(ERR_TOO_LARGE, -3, "larger than the buffer that was given")                                \
    X(ERR_STATE, -4, "not allowed now")                                                          \
    X(ERR_CLOSED, -5, "the pool is closed")                                                      \
    X(ERR_CANCELLED, -6, "cancelled")                                                            \
    X(ERR_TIMEOUT, -7, "timed out")                                                              \
    X(ERR_OUTAGE, -8, "given up: the outage outlasted its limit")                                \
    X(ERR_RESOURCES, -9, "out of memory, descriptors or link slots")                             \
    /* net */                                                                                    \
    X(ERR_RESOLVE, -20, "the host name does not resolve")                                        \
    X(ERR_REFUSED, -21, "connection refused")                                                    \
    X(ERR_RESET, -22, "connection reset by the peer")                                            \
    X(ERR_EOF, -23, "connection closed by the peer")                                             \
    X(ERR_UNREACHABLE, -24, "host or network unreachable")                                       \
    X(ERR_NET_TIMEOUT, -25, "the network gave up on the connection")                             \
    X(ERR_NET, -26, "network error")                                                             \
    /* TLS */                                                                                    \
    X(ERR_TLS, -40, "TLS failure")                                                               \
    X(ERR_TLS_REFUSED, -41, "the server does not offer TLS")                                     \
    X(ERR_TLS_CERT, -42, "the server's certificate does not verify")                             \
    X(ERR_TLS_INJECTED, -43, "bytes arrived in clear text before the TLS handshake")             \
    X(ERR_TLS_TRUNCATED, -44, "the TLS stream ended without close_notify")                       \
    X(ERR_TLS_REJECTED, -45, "the TLS handshake was refused")                                    \
    /* protocol */                                                                               \
    X(ERR_PROTOCOL, -60, "the server broke the protocol")                                        \
    X(ERR_AUTH_METHOD, -61, "the server asked for an authentication method that is not allowed") \
    X(ERR_AUTH_SERVER, -62, "the server could not prove that it knows the password")             \
    X(ERR_AUTH_PASSWORD, -63, "the server asks for a password and none was given")               \
    /* server */                                                                                 \
    X(ERR_SERVER, -80, "the server refused")                                                     \
    X(ERR_READ_ONLY, -81, "this statement writes, and the session is read-only")                 \
    X(ERR_OPEN_TRANSACTION, -82, "the statement left a transaction open; use a batch")           \
    X(ERR_UNRESOLVED, -83, "what became of its commit cannot be known")

typedef enum hf_err {
#define X(name, number, text) HF_##name = (number),
    HF_ERRORS(X)
#undef X
} hf_err;

/* The phase something happened in. A phase is the innermost level of job > statement > attempt > phase. */
// clang-format off
#define HF_PHASES(X)       \
    X(NONE, "none")        \
    X(QUEUE, "queue")      \
    X(RESOLVE, "resolve")  \
    X(TCP, "tcp")          \
    X(TLS, "tls")          \
    X(LOGIN, "login")      \
    X(PROBE, "probe")      \
    X(QUERY, "query")      \
    X(CANCEL, "cancel")    \
    X(CLOSE, "close")
// clang-format on

typedef enum hf_phase {
#define X(name, text) HF_PHASE_##name,
    HF_PHASES(X)
#undef X
} hf_phase;

/* The limit that fired, by the name of its setting. */
#define HF_LIMITS(X)                              \
    X(NONE, "none")                               \
    X(CONNECT, "connect_timeout")                 \
    X(RECONNECT, "reconnect_timeout")             \
    X(PROBE_RECONNECT, "probe_reconnect_timeout") \
    X(PROBE, "probe_timeout")                     \
    X(CLOSE, "close_timeout")                     \
    X(REQUEST, "request_timeout")                 \
    X(TIMEOUT, "timeout")                         \
    X(MAX_OUTAGE, "max_outage")                   \
    X(CONNECT_RETRIES, "connect_retries")         \
    X(MAX_RETRIES, "max_retries")

typedef enum hf_limit {
#define X(name, text) HF_LIMIT_##name,
    HF_LIMITS(X)
#undef X
} hf_limit;

/* What went wrong. Plain data: copy it freely. All zero means no error. */
typedef struct hf_error {
    int16_t code;      /* an hf_err */
    uint8_t phase;     /* an hf_phase */
    uint8_t limit;     /* an hf_limit: the deadline or count that fired */
    uint32_t limit_ms; /* what that deadline was; a count for *_RETRIES */
    int32_t system;    /* errno or the TLS library's code; 0 when neither */
    uint32_t position; /* 1-based character position in the SQL; 0 unknown */
    char sqlstate[6];  /* "" when the server did not say */
    char severity;     /* the first letter of its word, DEBUG to PANIC; 0 not the server's */
    bool from_server;  /* message is the server's text: printable characters only */
    char message[HF_MESSAGE_BYTES]; /* a host, a file, the server's words; "" none */
} hf_error;

/* A function for what is rare, kept out of those that call it: what it needs (an hf_error is large) costs them
 * nothing. */
#if defined(__GNUC__)
#define HF_COLD __attribute__((cold, noinline))
#else
#define HF_COLD
#endif

/* "HF_ERR_TIMEOUT"; never NULL. */
const char *hf_err_name(int code);
/* "timed out"; never NULL. The name again in a build without messages. */
const char *hf_err_text(int code);
const char *hf_phase_name(hf_phase phase);
const char *hf_limit_name(hf_limit limit);

/* Fills *error: everything else zero. `message` may be NULL; control characters in it are replaced. */
void hf_error_set(hf_error *error, hf_err code, hf_phase phase, const char *message);
/* Copies text into error->message as printable UTF-8 only: line ends and tabs become spaces, anything else
 * that is not printable '?'. Cut at a whole character. text must not lie in the error itself. */
void hf_error_message(hf_error *error, const char *text, size_t bytes);

/* One line for a person: `timed out after 15.0 s in tls (connect_timeout): db.example:5432`,
 * `the server refused: 42P01 relation "x" does not exist (in query, at character 15)`, or
 * `given up after 3 retries in tcp (connect_retries)`. Always NUL-terminated, cut at `size`; returns the
 * length written. */
size_t hf_error_text(const hf_error *error, char *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif

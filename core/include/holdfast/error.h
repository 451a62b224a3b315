/* Errors: one table gives each code its number, name and text; hf_error says where and why.
 *
 * The fault of a peer or an operator is a returned hf_err (0 is success, negatives in ranges: API, network, TLS,
 * protocol, server) or a filled hf_error. A bug of holdfast's own is a failed HF_ASSERT, which release builds keep;
 * bytes from the network never lead to one.
 *
 * Sources: SQLSTATEs, PostgreSQL docs, appendix A; the fields of a server's error, docs 55.8.
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

/* A point in time, in milliseconds of a monotonic clock; the port says since when. HF_NEVER: no such time. A duration
 * is a uint32_t whose name ends in _ms. */
typedef uint64_t hf_ms;
#define HF_NEVER UINT64_MAX
/* Is the time HF_NEVER? Where words have 32 bits the upper half is enough to tell, for half the work: no other time is
 * that far off. */
static inline bool hf_is_never(hf_ms at) {
    return sizeof(void *) > 4 ? at == HF_NEVER : (uint32_t)(at >> 32) == UINT32_MAX;
}
/* As a count or a duration: no limit. */
#define HF_FOREVER UINT32_MAX

/* Called when an HF_ASSERT fails, a bug of holdfast's own: what did not hold, and where. The port or the application
 * defines this function, which must not return. */
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

/* What a connection was doing when something happened. Deadlines nest, job > statement > attempt > phase, and a phase
 * is the innermost. */
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

/* The limits that can end something, by the names of their settings (config.h). */
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

/* What went wrong. Plain data, to be copied freely. All zero: no error. */
typedef struct hf_error {
    int16_t code;      /* an hf_err */
    uint8_t phase;     /* an hf_phase: where it happened */
    uint8_t limit;     /* an hf_limit: the deadline or count that was reached */
    uint32_t limit_ms; /* how long that deadline was; the count for *_RETRIES */
    int32_t system;    /* errno, or the TLS library's code; 0: neither */
    uint32_t position; /* of the fault in the SQL, in characters from 1; 0: unknown */
    char sqlstate[6];  /* the server's; "": it gave none */
    char severity;     /* of the server's severity, DEBUG to PANIC, the first letter; 0: none */
    bool from_server;  /* message is the server's text, printable characters alone */
    char message[HF_MESSAGE_BYTES]; /* a host, a file, the server's words; "": none */
} hf_error;

/* Marks a function that is rarely called: it is compiled apart from its callers, so that the stack which it needs (an
 * hf_error is large) costs them nothing. */
#if defined(__GNUC__)
#define HF_COLD __attribute__((cold, noinline))
#else
#define HF_COLD
#endif

/* The code's name, "HF_ERR_TIMEOUT"; never NULL. */
const char *hf_err_name(int code);
/* The code in words, "timed out"; never NULL. In a build without messages it is the name. */
const char *hf_err_text(int code);
/* "login", "connect_timeout"; never NULL. */
const char *hf_phase_name(hf_phase phase);
const char *hf_limit_name(hf_limit limit);

/* Fills *error with these, and all else with zero. `message` may be NULL, and is copied as by hf_error_message(). */
void hf_error_set(hf_error *error, hf_err code, hf_phase phase, const char *message);
/* Copies text into error->message as printable UTF-8: line ends and tabs become spaces, whatever else is not printable
 * becomes '?', and a longer text is cut at a whole character. text must not lie in the error itself. */
void hf_error_message(hf_error *error, const char *text, size_t bytes);

/* Writes the error as one line for a person to read: `timed out after 15.0 s in tls (connect_timeout):
 * db.example:5432`, `the server refused: 42P01 relation "x" does not exist (in query, at character 15)`, or `given up
 * after 3 retries in tcp (connect_retries)`. The line ends in NUL and is cut at `size`; returns its length. */
size_t hf_error_text(const hf_error *error, char *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif

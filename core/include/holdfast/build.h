/* What holdfast is built with: sizes, and what may be left out where flash is short. Each is given to the
 * compiler (-DHF_SMALL=1), the same to all of a program: structures differ with them. An application that was given
 * others than its library does not link, see HF_BUILT; a size is a plain number for its sake.
 */
#ifndef HF_BUILD_H
#define HF_BUILD_H

/* 1: without all that can be left out below, unless it is asked for by name. boards/README.md says what each is
 * worth. */
#ifndef HF_SMALL
#define HF_SMALL 0
#endif

/* Messages in words: what broke the protocol, which setting does not fit which. Without them an error has its code,
 * phase, limit, SQLSTATE and the words of the server, the system and the TLS library. */
#ifndef HF_WITH_MESSAGES
#define HF_WITH_MESSAGES !HF_SMALL
#endif

/* HF_REPLAY_RESOLVE; without it hf_submit() refuses such a request. */
#ifndef HF_WITH_RESOLVE
#define HF_WITH_RESOLVE !HF_SMALL
#endif

/* A shorter way for what is usual, rows above all: speed, and nothing but that. */
#ifndef HF_WITH_FAST_PATHS
#define HF_WITH_FAST_PATHS !HF_SMALL
#endif

/* What Linux has and a board may do without: passwords by SASLprep, revocation lists, the client's certificate, keys
 * on P-521. Their settings are in hf_config all the same, and refused where the code is left out. */
#ifndef HF_WITH_SASLPREP
#define HF_WITH_SASLPREP 0
#endif
#ifndef HF_WITH_CRL
#define HF_WITH_CRL 0
#endif
#ifndef HF_WITH_CLIENT_CERT
#define HF_WITH_CLIENT_CERT 0
#endif
#ifndef HF_WITH_P521
#define HF_WITH_P521 0
#endif

/* The headers are C11 and C++17. */
#ifdef __cplusplus
#define HF_NORETURN     [[noreturn]]
#define HF_ALIGN(bytes) alignas(bytes)
#else
#define HF_NORETURN     _Noreturn
#define HF_ALIGN(bytes) _Alignas(bytes)
#endif

#if HF_WITH_MESSAGES
#define HF_MESSAGE(text) (text)
#else
#define HF_MESSAGE(text) ""
#endif

/* Bytes kept of a message, its NUL included; longer text is cut. */
#ifndef HF_MESSAGE_BYTES
#define HF_MESSAGE_BYTES 192
#endif

/* Connections in one pool, at most. */
#ifndef HF_CONNS_MAX
#if HF_SMALL
#define HF_CONNS_MAX 1
#else
#define HF_CONNS_MAX 64
#endif
#endif

/* Endpoints in one DSN. */
#ifndef HF_HOSTS_MAX
#define HF_HOSTS_MAX 4
#endif

/* Can there be several? Where there cannot, what is between them costs nothing. They follow from the numbers alone. */
#define HF_MANY_CONNS (HF_CONNS_MAX > 1)
#define HF_MANY_HOSTS (HF_HOSTS_MAX > 1)

/* Addresses of one name that are tried. */
#ifndef HF_ADDRESSES_MAX
#define HF_ADDRESSES_MAX 4
#endif

/* The decoded text of a DSN, all its strings together. */
#ifndef HF_DSN_BYTES
#define HF_DSN_BYTES 1024
#endif

/* Transitions that the flight recorder keeps: a power of two. */
#ifndef HF_JOURNAL_ENTRIES
#define HF_JOURNAL_ENTRIES 32
#endif

/* Prepared statements that a session remembers, at most 200. 0: none, each statement is sent with its text. */
#ifndef HF_STATEMENTS
#define HF_STATEMENTS (HF_SMALL ? 0 : 8)
#endif
#define HF_WITH_PREPARED (HF_STATEMENTS > 0) /* follows from that alone */

/* Scratch of a session: secrets of the login first, then its prepared statements' texts and columns, if any. */
#ifndef HF_STATEMENT_BYTES
#define HF_STATEMENT_BYTES 4096
#endif

/* A session's room in its connection. Each driver asserts that it fits. */
#ifndef HF_SESSION_BYTES
#if HF_WITH_PREPARED
#define HF_SESSION_BYTES 448
#else
#define HF_SESSION_BYTES 128
#endif
#endif

/* The name that the linker knows a function by which works on structures of these sizes: it says all of them. Where an
 * application was built with others the linker asks for hf_pool_init_CONNS_MAX_8_HOSTS_MAX_2_…, and
 * `nm libholdfast.a | grep hf_pool_init` shows what the library was built with. */
// clang-format off
#define HF_BUILT(name)                                                                                \
    HF_BUILT_WITH(name, HF_CONNS_MAX, HF_HOSTS_MAX, HF_ADDRESSES_MAX, HF_DSN_BYTES, HF_MESSAGE_BYTES, \
                  HF_JOURNAL_ENTRIES, HF_SESSION_BYTES, HF_STATEMENT_BYTES)
#define HF_BUILT_WITH(name, c, h, a, d, m, j, s, b) HF_BUILT_NAME(name, c, h, a, d, m, j, s, b)
#define HF_BUILT_NAME(name, c, h, a, d, m, j, s, b)                                \
    name##_CONNS_MAX_##c##_HOSTS_MAX_##h##_ADDRESSES_MAX_##a##_DSN_BYTES_##d##_MESSAGE_BYTES_##m \
        ##_JOURNAL_ENTRIES_##j##_SESSION_BYTES_##s##_STATEMENT_BYTES_##b
// clang-format on

#endif

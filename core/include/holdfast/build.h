/* What holdfast is built with: sizes, and parts that may be left out where flash is short. Each is a macro that the
 * compiler is given (-DHF_SMALL=1), and has a default here. All of a program must be compiled with the same, for
 * structures differ with them: an application whose sizes are not its library's does not link (HF_BUILT, which wants
 * each size as a plain number).
 */
#ifndef HF_BUILD_H
#define HF_BUILD_H

/* 1: whatever can be left out below is, unless its own macro asks for it. boards/README.md says how much flash each
 * part takes. */
#ifndef HF_SMALL
#define HF_SMALL 0
#endif

/* 1: error messages of holdfast's own: what broke the protocol, which setting does not fit which. Without them an error
 * has its code, phase, limit, SQLSTATE, and the words of the server, the system and the TLS library. */
#ifndef HF_WITH_MESSAGES
#define HF_WITH_MESSAGES !HF_SMALL
#endif

/* 1: HF_REPLAY_RESOLVE; without it hf_submit() refuses such a request. */
#ifndef HF_WITH_RESOLVE
#define HF_WITH_RESOLVE !HF_SMALL
#endif

/* HF_REPLAY_LEDGER, which takes what RESOLVE has; without it such a request is refused. */
#ifndef HF_WITH_LEDGER
#define HF_WITH_LEDGER (HF_WITH_RESOLVE && !HF_SMALL)
#endif
#if HF_WITH_LEDGER && !HF_WITH_RESOLVE
#error "HF_WITH_LEDGER takes HF_WITH_RESOLVE"
#endif

/* 1: binary values and parameters' types, a column's further fields, the command tag, the server's parameters
 * (SEMANTICS 64). Without them the fields and functions of these are not there. It changes structures, so that an
 * application has the same as its library. */
#ifndef HF_WITH_VALUES
#if HF_SMALL
#define HF_WITH_VALUES 0
#else
#define HF_WITH_VALUES 1
#endif
#endif

/* 1: protocol 3.2, with cancel keys of up to 256 bytes (SEMANTICS 65); without it 3.0 alone, and hf_config has no
 * versions. */
#ifndef HF_WITH_VERSIONS
#define HF_WITH_VERSIONS !HF_SMALL
#endif

/* 1: SCRAM keys in place of a password, and the callback that gives a login its credentials (SEMANTICS 66); without it
 * hf_config has neither. */
#ifndef HF_WITH_CREDENTIALS
#define HF_WITH_CREDENTIALS !HF_SMALL
#endif

/* Which of both there are, as a plain number: it follows from them, and is not to be set. */
#if HF_WITH_VERSIONS && HF_WITH_CREDENTIALS
#define HF_LOGIN_PARTS 3
#elif HF_WITH_CREDENTIALS
#define HF_LOGIN_PARTS 2
#elif HF_WITH_VERSIONS
#define HF_LOGIN_PARTS 1
#else
#define HF_LOGIN_PARTS 0
#endif

/* 1: shorter code paths for what is usual, rows above all; they are faster, and differ in nothing else. */
#ifndef HF_WITH_FAST_PATHS
#define HF_WITH_FAST_PATHS !HF_SMALL
#endif

/* 1 on Linux; a board may do without them: passwords by SASLprep (RFC 4013), certificate revocation lists, a
 * certificate of the client, keys on the curve P-521. Settings of a part that is left out are in hf_config all the
 * same, and hf_config_check() refuses them. */
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

/* What C11 and C++17 spell differently. */
#ifdef __cplusplus
#define HF_NORETURN     [[noreturn]]
#define HF_ALIGN(bytes) alignas(bytes)
#else
#define HF_NORETURN     _Noreturn
#define HF_ALIGN(bytes) _Alignas(bytes)
#endif

/* A message of holdfast's own, or "" in a build without. */
#if HF_WITH_MESSAGES
#define HF_MESSAGE(text) (text)
#else
#define HF_MESSAGE(text) ""
#endif

/* Bytes of hf_error.message, its NUL included; longer text is cut. */
#ifndef HF_MESSAGE_BYTES
#define HF_MESSAGE_BYTES 192
#endif

/* Connections that one pool can have: the upper bound of max_concurrent. */
#ifndef HF_CONNS_MAX
#if HF_SMALL
#define HF_CONNS_MAX 1
#else
#define HF_CONNS_MAX 1000
#endif
#endif

/* Hosts that one config can have. */
#ifndef HF_HOSTS_MAX
#define HF_HOSTS_MAX 4
#endif

/* Can there be several? Where there cannot, what is between them costs nothing. Both follow from the numbers alone, and
 * are not to be set. */
#define HF_MANY_CONNS (HF_CONNS_MAX > 1)
#define HF_MANY_HOSTS (HF_HOSTS_MAX > 1)

/* Addresses that are tried of those a host's name resolves to; further ones are not. */
#ifndef HF_ADDRESSES_MAX
#define HF_ADDRESSES_MAX 4
#endif

/* Bytes for the strings that hf_config_dsn() and hf_config_set() store in one config, their NULs included. */
#ifndef HF_DSN_BYTES
#define HF_DSN_BYTES 1024
#endif

/* Bytes for what a pool keeps of the server's parameters (hf_pool_parameter()): each takes its name, its value and
 * three more. PostgreSQL 18 has about 450 bytes of them. With HF_WITH_VALUES alone. */
#ifndef HF_PARAMETER_BYTES
#define HF_PARAMETER_BYTES 768
#endif

/* Transitions that a pool's journal keeps: a power of two. */
#ifndef HF_JOURNAL_ENTRIES
#define HF_JOURNAL_ENTRIES 32
#endif

/* Prepared statements that one connection keeps, at most 200. 0: none, and each statement is sent with its text. */
#ifndef HF_STATEMENTS
#define HF_STATEMENTS (HF_SMALL ? 0 : 8)
#endif
#define HF_WITH_PREPARED (HF_STATEMENTS > 0) /* follows from that alone, and is not to be set */

/* 1: reads that share a Sync, and pipelines as deep as the answers allow (SEMANTICS 12, 45). They take statements that
 * are kept prepared. */
#ifndef HF_WITH_GROUPS
#define HF_WITH_GROUPS (HF_WITH_PREPARED && !HF_SMALL)
#endif
#if HF_WITH_GROUPS && !HF_WITH_PREPARED
#error "HF_WITH_GROUPS takes HF_STATEMENTS"
#endif

/* Bytes of a connection's scratch memory: for secrets during the login, then for the texts and columns of its prepared
 * statements. */
#ifndef HF_STATEMENT_BYTES
#define HF_STATEMENT_BYTES 4096
#endif

/* Bytes of the driver's session state in each connection. The driver asserts that it fits. */
#ifndef HF_SESSION_BYTES
#if HF_WITH_PREPARED && HF_WITH_VERSIONS
#define HF_SESSION_BYTES 576
#elif HF_WITH_PREPARED
#define HF_SESSION_BYTES 448
#elif HF_WITH_VERSIONS
#define HF_SESSION_BYTES 384
#else
#define HF_SESSION_BYTES 128
#endif
#endif

/* The linker's name of a function that works on structures of these sizes: all sizes are in the name. An application
 * that was built with others than its library has the linker miss hf_pool_init_CONNS_MAX_8_HOSTS_MAX_2_…, and
 * `nm libholdfast.a | grep hf_pool_init` shows what the library was built with. */
// clang-format off
#define HF_BUILT(name)                                                                                \
    HF_BUILT_WITH(name, HF_CONNS_MAX, HF_HOSTS_MAX, HF_ADDRESSES_MAX, HF_DSN_BYTES, HF_MESSAGE_BYTES, \
                  HF_JOURNAL_ENTRIES, HF_SESSION_BYTES, HF_STATEMENT_BYTES, HF_WITH_VALUES,           \
                  HF_PARAMETER_BYTES, HF_LOGIN_PARTS)
#define HF_BUILT_WITH(name, c, h, a, d, m, j, s, b, v, p, l) \
    HF_BUILT_NAME(name, c, h, a, d, m, j, s, b, v, p, l)
#define HF_BUILT_NAME(name, c, h, a, d, m, j, s, b, v, p, l)                       \
    name##_CONNS_MAX_##c##_HOSTS_MAX_##h##_ADDRESSES_MAX_##a##_DSN_BYTES_##d##_MESSAGE_BYTES_##m \
        ##_JOURNAL_ENTRIES_##j##_SESSION_BYTES_##s##_STATEMENT_BYTES_##b##_VALUES_##v \
        ##_PARAMETER_BYTES_##p##_LOGIN_##l
// clang-format on

#endif

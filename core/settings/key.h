/* libpq's connection settings, and what holdfast does with each; between config.c, key.c, dsn.c and the program.
 *
 * One table of the keywords that libpq 18 knows (PostgreSQL docs 34.1.2; PQconndefaults()) and of the environment
 * variables that it reads (docs 34.15). Each is honoured or refused by name; none is skipped.
 */
#ifndef HF_KEY_H
#define HF_KEY_H

#include "table.h"

/* X(keyword, variable, how, detail, text)
 * keyword: "" of a variable that has none; variable: "" of a keyword that has none.
 * how, and its detail:
 *   TEXT       the text goes to the field of hf_config that detail names
 *   CERT, CRL  likewise, in a build that has HF_WITH_CLIENT_CERT, HF_WITH_CRL
 *   SCRAM      likewise, in one that has HF_WITH_CREDENTIALS, if it is such a key
 *   SPECIAL    honoured by the function of that name in key.c
 *   ONLY       only these values (one blank between two) ask for no more than what holdfast does
 *   NEVER      refused, whatever the value
 *   PROGRAM    the program (platform/linux) does it; the library, which reads no files, refuses it
 *   VARIABLE   as PROGRAM, and there is no keyword
 * text: of ONLY and NEVER why and what instead; else what it is. */
// clang-format off
#define HF_LIBPQ(X)                                                                                                   \
    X("host", "PGHOST", SPECIAL, hosts, "name, address or a Unix socket's folder; a list with commas")                \
    X("hostaddr", "PGHOSTADDR", SPECIAL, addresses,                                                                   \
      "one numeric address for each host: connected to instead; TLS still verifies the host")                         \
    X("port", "PGPORT", SPECIAL, ports, "one for all hosts, or one for each")                                         \
    X("dbname", "PGDATABASE", TEXT, database, "as user where it is not set")                                         \
    X("user", "PGUSER", TEXT, user, "the system's user where it is not set")                                         \
    X("password", "PGPASSWORD", TEXT, password, "for all hosts")                                                      \
    X("passfile", "PGPASSFILE", PROGRAM, passfile,                                                                    \
      "passwords, each host its own (`~/.pgpass`); mode 0600; read again when it changed")                            \
    X("require_auth", "PGREQUIREAUTH", SPECIAL, require_auth,                                                         \
      "`scram-sha-256` with a password, `none` without one")                                                          \
    X("channel_binding", "PGCHANNELBINDING", SPECIAL, binding, "`prefer`, `require` or `disable`")                    \
    X("connect_timeout", "PGCONNECT_TIMEOUT", SPECIAL, connect_timeout, "seconds; 0 or less is no limit")             \
    X("client_encoding", "PGCLIENTENCODING", SPECIAL, encoding, "UTF8, in any spelling")                              \
    X("options", "PGOPTIONS", TEXT, options, "command-line options for the server")                                   \
    X("application_name", "PGAPPNAME", SPECIAL, application, "`holdfast` where it is not set")                       \
    X("fallback_application_name", "", SPECIAL, fallback, "in place of `holdfast`")                                   \
    X("keepalives", "", SPECIAL, keepalives, "of our own socket; 0 switches them off")                                \
    X("keepalives_idle", "", SPECIAL, keepalives_idle, "seconds (30); 0 is the system's")                             \
    X("keepalives_interval", "", SPECIAL, keepalives_interval, "seconds (10); 0 is the system's")                     \
    X("keepalives_count", "", SPECIAL, keepalives_count, "3; 0 is the system's")                                      \
    X("tcp_user_timeout", "", SPECIAL, user_timeout, "ms, of our own socket; 0 is the system's")                      \
    X("replication", "", ONLY, "false off no 0",                                                                      \
      "holdfast does not speak the replication protocol; leave it out")                                               \
    X("gssencmode", "PGGSSENCMODE", ONLY, "disable prefer",                                                           \
      "there is no GSSAPI here; sslmode says how TLS encrypts")                                                       \
    X("sslmode", "PGSSLMODE", SPECIAL, sslmode,                                                                       \
      "`verify-full` where it is not set; `verify-ca`, `require`, `disable`. `prefer` and `allow` are refused")      \
    X("requiressl", "PGREQUIRESSL", SPECIAL, requiressl, "its old form: 1 is `sslmode=require`")                      \
    X("sslnegotiation", "PGSSLNEGOTIATION", SPECIAL, negotiation, "`postgres` or `direct`")                           \
    X("sslcompression", "PGSSLCOMPRESSION", ONLY, "0", "compressed TLS gives secrets away; leave it out")             \
    X("sslcert", "PGSSLCERT", CERT, sslcert, "the client's certificate (`~/.postgresql/postgresql.crt`)")             \
    X("sslkey", "PGSSLKEY", CERT, sslkey, "its key (`~/.postgresql/postgresql.key`)")                                 \
    X("sslcertmode", "PGSSLCERTMODE", SPECIAL, certmode, "`allow`, `require` or `disable`")                           \
    X("sslpassword", "", CERT, sslpassword, "of the key")                                                             \
    X("sslrootcert", "PGSSLROOTCERT", TEXT, sslrootcert,                                                              \
      "a PEM file of CAs, which `verify-ca` needs; or `system`, the default")                                         \
    X("sslcrl", "PGSSLCRL", CRL, sslcrl, "a file of revocation lists (`~/.postgresql/root.crl`)")                     \
    X("sslcrldir", "PGSSLCRLDIR", CRL, sslcrldir, "a folder of them")                                                 \
    X("sslsni", "PGSSLSNI", ONLY, "1", "TLS tells the server which host is meant; leave it out")                      \
    X("sslkeylogfile", "", NEVER, none, "whoever reads that file reads the connection; leave it out")                 \
    X("requirepeer", "PGREQUIREPEER", TEXT, requirepeer, "the system user that a Unix socket's server must run as")   \
    X("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", SPECIAL, tls_min, "TLSv1.2 where it is not set")        \
    X("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", SPECIAL, tls_max, "TLSv1.2 or TLSv1.3")                  \
    X("min_protocol_version", "PGMINPROTOCOLVERSION", SPECIAL, version,                                               \
      "`3.0`, `3.2` or `latest`: a server or pooler that speaks less is refused")                                     \
    X("max_protocol_version", "PGMAXPROTOCOLVERSION", SPECIAL, version,                                               \
      "`3.0` where it is not set; `3.2`, `latest`: long cancel keys, where the server has them")                      \
    X("krbsrvname", "PGKRBSRVNAME", ONLY, "postgres",                                                                 \
      "there is no Kerberos here; use a password and leave it out")                                                   \
    X("gsslib", "PGGSSLIB", NEVER, none, "there is no GSSAPI here; use a password and leave it out")                  \
    X("gssdelegation", "PGGSSDELEGATION", ONLY, "0", "there is no GSSAPI here; leave it out")                         \
    X("scram_client_key", "", SCRAM, scram_client_key, "in place of the password, for SCRAM: base64; both or none")   \
    X("scram_server_key", "", SCRAM, scram_server_key, "the other one")                                               \
    X("service", "PGSERVICE", PROGRAM, service, "a section of the service file")                                      \
    X("servicefile", "PGSERVICEFILE", PROGRAM, servicefile,                                                           \
      "`~/.pg_service.conf` where it is not set, then `pg_service.conf` in PGSYSCONFDIR")                            \
    X("", "PGSYSCONFDIR", VARIABLE, none, "the folder of the system's `pg_service.conf`")                             \
    X("target_session_attrs", "PGTARGETSESSIONATTRS", ONLY, "any",                                                    \
      "holdfast does not choose by a server's role yet; name that server alone in host")                              \
    X("load_balance_hosts", "PGLOADBALANCEHOSTS", ONLY, "disable",                                                    \
      "hosts are tried in their order; shuffle the list yourself")                                                    \
    X("oauth_issuer", "", NEVER, none, "there is no OAuth here; use a password and leave it out")                     \
    X("oauth_client_id", "", NEVER, none, "there is no OAuth here; use a password and leave it out")                  \
    X("oauth_client_secret", "", NEVER, none, "there is no OAuth here; use a password and leave it out")              \
    X("oauth_scope", "", NEVER, none, "there is no OAuth here; use a password and leave it out")                      \
    X("", "PGOAUTHDEBUG", VARIABLE, none, "refused: there is no OAuth here; unset it")                                \
    X("", "PGDATESTYLE", VARIABLE, none, "the session's DateStyle, sent at login")                                    \
    X("", "PGTZ", VARIABLE, none, "the session's TimeZone, sent at login")                                            \
    X("", "PGGEQO", VARIABLE, none, "the session's geqo, sent at login")                                              \
    X("", "PGLOCALEDIR", VARIABLE, none, "libpq's translations; holdfast's messages are English: told of in the log")
// clang-format on

/* Why a build refuses them. */
#define HF_KEY_NO_CERT "this build has no client certificates (HF_WITH_CLIENT_CERT); leave it out"
#define HF_KEY_NO_CRL  "this build reads no revocation lists (HF_WITH_CRL); leave it out"

#define HF_KEY_NO_VERSIONS \
    "this build speaks protocol 3.0 alone (HF_WITH_VERSIONS); say 3.0 or leave it out"
#define HF_KEY_NO_CREDENTIALS \
    "this build has no SCRAM keys and no credentials callback (HF_WITH_CREDENTIALS); leave it out"

#define HF_KEY_BAD_SCRAM "not base64 of 32 bytes: 43 letters or digits and ="

/* Would hf_config_set() know this key, supported or not? */
bool hf_key_known(const char *key);

/* Reads a DSN as hf_config_dsn() does, and hands each key and value to `each`, in their order; false from it, with
 * *error set, ends the reading. The value is overwritten when `each` returns. schemes: of the driver, or NULL. */
typedef bool hf_dsn_fn(void *user, const char *key, const char *value, hf_error *error);
bool hf_dsn_read(const char *dsn, const char *const *schemes, hf_dsn_fn *each, void *user,
                 hf_error *error);

/* A numeric address as hostaddr wants it: four numbers with dots, or hexadecimal digits with colons. */
bool hf_key_numeric(const char *text, size_t bytes);

#endif

/* libpq's two files beside the PG* variables: passwords (docs 34.16) and services (docs 34.17). */
#ifndef HF_PGPASS_H
#define HF_PGPASS_H

#include "base/bytes.h"
#include "base/failure.h"

/* One line of a password file, host:port:database:user:password, where * matches anything and \ takes the
 * next character as it is. True when it is for this connection: *password is then filled. Pure. */
bool hf_pgpass_line(const char *line, const char *host, const char *port, const char *database,
                    const char *user, hf_bytes *password);

/* Reads a password file. One that others may read, or that is no plain file, is passed over with a warning, as libpq
 * does; one that is not there without. False: nothing was read. */
bool hf_pgpass_read(const char *path, hf_bytes *file);
/* The password of the first line that is for this connection. False: there is none. */
bool hf_pgpass_find(const hf_bytes *file, const char *host, const char *port, const char *database,
                    const char *user, hf_bytes *password);
/* Overwrites and gives back what may hold a secret. */
void hf_secret_free(hf_bytes *text);

/* Hands each key and value of a service to `each` (false from it: stop), as they come: a key may come again. */
typedef bool hf_service_fn(void *user, const char *key, const char *value, const char *place,
                           hf_failure *failure);
typedef enum hf_service_found {
    HF_SERVICE_NONE, /* no such file, or no such service in it */
    HF_SERVICE_READ,
    HF_SERVICE_FAILED
} hf_service_found;
hf_service_found hf_service_read(const char *path, const char *name, hf_service_fn *each,
                                 void *user, hf_failure *failure);

#endif

/* Where the connection's settings come from, the strongest first: options, --dsn, the service file, the PG*
 * variables, defaults; the passwords also from ~/.pgpass, each host's own. Each key by itself, as libpq does
 * (docs 34.1, 34.15 - 34.17); which there are and what becomes of them is the table in core/settings/key.h. */
#ifndef HF_CONNECTION_H
#define HF_CONNECTION_H

#include "option_values.h"

/* A config of the program's own defaults, in memory that is kept out of core dumps. */
hf_config *hf_connection_config(void);
/* Fills config and checks it; wipes the options' DSN and PGPASSWORD, which are not needed any more. False:
 * exit status 1 and why. */
bool hf_connection_settings(hf_config *config, hf_options *options, hf_failure *failure);
/* A host is about to be dialled: reads the password file again if it changed since. config: of
 * hf_connection_config(). */
void hf_connection_dial(hf_config *config);
/* The file that a password came from; NULL: none did. */
const char *hf_connection_passfile(hf_config *config);
/* Did nobody say a host? Then it is the socket where a server of this machine is by default. */
bool hf_connection_unnamed(hf_config *config);
/* "host:port/database as user", for logs; from the heap. */
char *hf_connection_text(const hf_config *config);
/* Memory from the kernel, zeroed and touched only when used, not part of a core dump. */
void *hf_private_memory(size_t bytes);

#endif

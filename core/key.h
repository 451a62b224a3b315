/* Between config.c, key.c and dsn.c: how they complain. */
#ifndef HF_KEY_H
#define HF_KEY_H

#include "config.h"

/* *error = HF_ERR_CONFIG, "key: text". Always false. Neither may hold a value that somebody gave. */
bool hf_complain(hf_error *error, const char *key, const char *text);

/* Would hf_config_set() know this key, supported or not? */
bool hf_key_known(const char *key);

#endif

/* What the files of the settings share: how a setting is complained of, and a config's own strings. Private to core. */
#ifndef HF_TABLE_H
#define HF_TABLE_H

#include "base/text.h"
#include "holdfast/config.h"

/* *error = HF_ERR_CONFIG, "key: text". Always false. Neither may hold a value that somebody gave. */
bool hf_complain(hf_error *error, const char *key, const char *text);

/* The same of a setting's value, as far as "setting is value: "; the writer goes on in error->message. Not for a build
 * without messages. */
hf_writer hf_complain_value(hf_error *error, const hf_setting *setting, uint32_t value);

/* Reads a value into the config, and into those special settings that follow this one and were not set themselves.
 * False: *error (may be NULL) says what is wrong. */
bool hf_setting_set(hf_config *config, const hf_setting *setting, const char *value,
                    hf_error *error);

/* Is it a key of SCRAM, base64 of 32 bytes? */
bool hf_is_scram_key(const char *key);

/* Do its strings lie in itself? Not those of a copy by =. False: *error says so. */
bool hf_config_whole(const hf_config *config, hf_error *error);

/* Overwrites a text that lies in config->text, and forgets it. */
void hf_config_wipe_text(hf_config *config, const char **text);

#endif

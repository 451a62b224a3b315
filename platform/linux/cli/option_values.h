/* The values of options, whoever gives them. A value is checked when it is read, so that an error names the option. */
#ifndef HF_OPTION_VALUES_H
#define HF_OPTION_VALUES_H

#include "base/failure.h"
#include "option_table.h"

/* The defaults of every option. */
void hf_options_init(hf_options *options);
/* One option by name, as the command line or the JSON file gives it; for FLAG value is NULL or "true". */
bool hf_options_set(hf_options *options, const char *name, const char *value, const char *place,
                    hf_failure *failure);
/* A copy of the value that lives as long as the options. */
char *hf_options_keep(hf_options *options, const char *value);
/* The settings that were given, into config. */
bool hf_options_apply(const hf_options *options, hf_config *config, hf_failure *failure);
/* Overwrites the DSN once it is not needed any more. */
void hf_options_wipe(hf_options *options);
/* Gives everything back. */
void hf_options_free(hf_options *options);
/* How a statement may be repeated: reads are safe, writes as --replay says. */
hf_replay hf_options_replay(const hf_options *options);

/* The name with dashes for underscores, cut at size. */
#define HF_NAME_BYTES 64
const char *hf_dashed(const char *name, char *out, size_t size);

/* A duration in its largest whole unit: "500ms", "2s", "15m", "forever". */
const char *hf_duration_text(uint32_t ms, char *out, size_t size);

#endif

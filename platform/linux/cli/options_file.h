/* The --config file. */
#ifndef HF_OPTIONS_FILE_H
#define HF_OPTIONS_FILE_H

#include "option_values.h"

/* Reads the --config file: a JSON object, each name an option's. */
bool hf_options_file(hf_options *options, const char *path, hf_failure *failure);

#endif

/* What the user asked for: the command line over the --config file over the defaults. */
#ifndef HF_OPTIONS_H
#define HF_OPTIONS_H

#include "option_values.h"

#define HF_SUMMARY_NEW ".new" /* behind the name of --summary until that file is whole */

/* Reads the command line. A --dsn is copied and then overwritten in argv, where every user of the machine
 * could read it. False: exit status 1 and why. */
bool hf_options_parse(hf_options *options, int argc, char **argv, hf_failure *failure);

#endif

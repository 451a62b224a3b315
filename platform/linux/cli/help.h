/* --help. */
#ifndef HF_HELP_H
#define HF_HELP_H

#include "option_table.h"

#include <stdio.h>

/* Help for a command, HF_COMMAND_NONE for the program. */
void hf_help(FILE *to, hf_command command);

#endif

/* The commands. */
#ifndef HF_PROGRAM_H
#define HF_PROGRAM_H

#include "cli/options.h"

/* A command: options in, exit status out. It has said all there is to say. */
int hf_report(const hf_options *options);
int hf_query(const hf_options *options);
int hf_watch(const hf_options *options);
int hf_merge(const hf_options *options);
int hf_ledger_command(const hf_options *options);

#endif

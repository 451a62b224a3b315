/* An errno as an hf_err, and in words. */
#ifndef HF_LINUX_ERRORS_H
#define HF_LINUX_ERRORS_H

#include "internal.h"

int hf_linux_err(int error); /* errno as an hf_err */
const char *hf_linux_why(hf_linux_link *link);

#endif

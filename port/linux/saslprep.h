/* Passwords by SASLprep: saslprep() of hf_port_api. */
#ifndef HF_LINUX_SASLPREP_H
#define HF_LINUX_SASLPREP_H

#include "holdfast/port.h"

int hf_linux_saslprep(hf_port *port, const char *password, char *out, size_t size);

#endif

/* The server's half of the protocol, for the links of a script. */
#ifndef HF_SCRIPT_SERVER_H
#define HF_SCRIPT_SERVER_H

#include "holdfast/test.h"

/* The client wrote: what needs no word of the test's is answered. */
void hf_script_serve(hf_script_link *link);

#endif

/* Between script.c and server.c: what is private of the server's half. */
#ifndef HF_SCRIPT_SERVER_H
#define HF_SCRIPT_SERVER_H

#include "holdfast/test.h"

/* The client wrote: what needs no word of the test's is answered. */
void hf_script_serve(hf_script_link *link);
/* Has the client to be told of anything? */
bool hf_script_news(const hf_script *script);

#endif

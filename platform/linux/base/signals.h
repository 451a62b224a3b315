/* SIGINT, SIGTERM and (but for nohup) SIGHUP ask for an end; a second one ends at once, but for the same one
 * again within a tenth of a second. SIGPIPE is an error of write(). */
#ifndef HF_SIGNALS_H
#define HF_SIGNALS_H

void hf_signals_init(void);
/* The signal that came, 0 none yet. */
int hf_signals_caught(void);

#endif

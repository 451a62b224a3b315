/* The queue of news, and what epoll is asked to watch. */
#ifndef HF_LINUX_NEWS_H
#define HF_LINUX_NEWS_H

#include "internal.h"

void hf_linux_note(hf_linux_state *state, hf_note *note);
int hf_linux_next(hf_port *port, uint32_t *tag);

/* An epoll event's data: one of these, an index, and a generation or descriptor. */
enum {
    HF_LINUX_ON_LINK,
    HF_LINUX_ON_LOOKUP,
    HF_LINUX_ON_WAKE,
    HF_LINUX_ON_TIMER,
    HF_LINUX_ON_RESUME,
    HF_LINUX_ON_ALARM
};

static inline uint64_t hf_linux_event(unsigned on, uint32_t index, uint32_t detail) {
    return (uint64_t)detail << 32 | (uint64_t)on << 28 | index;
}

/* Adds fd to epoll: 0 or an errno. */
int hf_linux_watch(hf_linux_state *state, int fd, uint32_t events, uint64_t data);

#endif

#include "news.h"

#include <errno.h>

#include <sys/eventfd.h>

void hf_linux_note(hf_linux_state *state, hf_note *note) {
    if (hf_notes_add(&state->notes, note) && !state->waiting) {
        /* A loop that is not ours learns of the note from the epoll descriptor alone. */
        (void)eventfd_write(state->wake, 1);
    }
}

int hf_linux_next(hf_port *port, uint32_t *tag) {
    return hf_notes_take(&hf_linux_of(port)->notes, tag);
}

int hf_linux_watch(hf_linux_state *state, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = { events, { .u64 = data } };
    return epoll_ctl(state->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

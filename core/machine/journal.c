#include "journal.h"

#include "base/text.h"

/* The ring of the last transitions. Invariant: the entries are those numbered [count - HF_JOURNAL_ENTRIES, count),
 * each at its number modulo the ring's size. The size is a power of two, so that this holds when count wraps. */

_Static_assert(HF_JOURNAL_ENTRIES > 0 && (HF_JOURNAL_ENTRIES & (HF_JOURNAL_ENTRIES - 1)) == 0,
               "HF_JOURNAL_ENTRIES must be a power of two: make it 16, 32, 64 …");

void hf_journal_add(hf_journal *journal, const hf_transition *transition) {
    hf_transition *entry = &journal->entries[journal->count % HF_JOURNAL_ENTRIES];

    *entry = *transition;
    entry->error = NULL;
    journal->count++;
    if (journal->count == 0) {
        journal->count = HF_JOURNAL_ENTRIES; /* "ever" has an end; the ring stays full */
    }
}

const hf_transition *hf_journal_get(const hf_journal *journal, uint32_t age) {
    if (age >= HF_JOURNAL_ENTRIES || age >= journal->count) {
        return NULL;
    }
    return &journal->entries[(journal->count - 1 - age) % HF_JOURNAL_ENTRIES];
}

/* "connection refused (tcp: HF_ERR_REFUSED)", or the event's name when nothing failed. */
static void write_why(hf_writer *writer, const hf_transition *transition) {
    if (transition->code == HF_OK) {
        hf_write_text(writer, hf_event_name((hf_event)transition->event));
        return;
    }
    if (HF_WITH_MESSAGES) {
        hf_write_text(writer, hf_err_text(transition->code));
        hf_write_text(writer, " ");
    }
    hf_write_text(writer, "(");
    if (transition->phase != HF_PHASE_NONE) {
        hf_write_text(writer, hf_phase_name((hf_phase)transition->phase));
        hf_write_text(writer, ": ");
    }
    hf_write_text(writer, hf_err_name(transition->code));
    if (transition->sqlstate[0]) {
        hf_write_text(writer, " ");
        hf_write_text(writer, transition->sqlstate);
    }
    hf_write_text(writer, ")");
}

size_t hf_transition_text(const hf_transition *transition, char *out, size_t size) {
    hf_writer writer = hf_writer_on(out, size);

    hf_write_seconds(&writer, transition->at);
    hf_write_text(&writer, "  conn ");
    hf_write_unsigned(&writer, transition->conn);
    hf_write_text(&writer, "  ");
    hf_write_text(&writer, hf_state_name((hf_state)transition->from));
    hf_write_text(&writer, " -> ");
    hf_write_text(&writer, hf_state_name((hf_state)transition->to));
    hf_write_text(&writer, "  ");
    write_why(&writer, transition);
    if (transition->attempt > 0) {
        hf_write_text(&writer, ", dial ");
        hf_write_unsigned(&writer, transition->attempt);
    }
    if (transition->to == HF_BACKOFF) {
        hf_write_text(&writer, ", next in ");
        hf_write_seconds(&writer, transition->wait_ms);
    }
    return writer.length;
}

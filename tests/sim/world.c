#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Invariants: the heap's smallest (at, order) is events[0]; the clock never goes back. */

enum { LOG_LINES = 8192, EVENTS_MAX = 200000, BYTES_MAX = 64 << 20 };

sim_world sim;
unsigned sim_log_lines = 50;

/* --- chance ---------------------------------------------------------------------------------------- */

uint32_t sim_below(sim_rng *rng, uint32_t n) {
    return (uint32_t)((sim_random(rng) >> 32) * n >> 32);
}

uint32_t sim_between(sim_rng *rng, uint32_t low, uint32_t high) {
    return low + sim_below(rng, high - low + 1);
}

uint32_t sim_scaled(sim_rng *rng, uint32_t low, uint32_t high) {
    unsigned bits = 0;
    while (bits < 31 && (high - low) >> bits > 1)
        bits++;
    uint32_t most = (uint32_t)2 << sim_below(rng, bits + 1);
    uint32_t more = sim_below(rng, most);
    return more > high - low ? high : low + more;
}

bool sim_chance(sim_rng *rng, uint32_t per_mille) {
    return per_mille > 0 && sim_below(rng, 1000) < per_mille;
}

/* --- what will happen ------------------------------------------------------------------------------ */

void *sim_grow(void *array, size_t *room, size_t need, size_t size) {
    if (need <= *room)
        return array;
    size_t more = *room ? *room : 64;
    while (more < need)
        more *= 2;
    void *grown = more * size <= BYTES_MAX ? realloc(array, more * size) : NULL;
    if (!grown)
        sim_fail("the simulator is sane", "an array of # bytes", more * size, 0, 0);
    memset((char *)grown + *room * size, 0, (more - *room) * size);
    *room = more;
    return grown;
}

static bool before(const sim_event *a, const sim_event *b) {
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

void sim_plan(hf_ms at, sim_action *action, void *who, uint32_t what) {
    sim.events = sim_grow(sim.events, &sim.room_events, sim.n_events + 1, sizeof *sim.events);
    if (sim.n_events >= EVENTS_MAX)
        sim_fail("the simulator is sane", "# events are planned", EVENTS_MAX, 0, 0);
    size_t place = sim.n_events++;
    const sim_event event = { .at = at < sim.now ? sim.now : at,
                              .order = sim.order++,
                              .action = action,
                              .who = who,
                              .what = what };
    while (place > 0 && before(&event, &sim.events[(place - 1) / 2])) {
        sim.events[place] = sim.events[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    sim.events[place] = event;
}

hf_ms sim_next_event(void) {
    return sim.n_events > 0 ? sim.events[0].at : HF_NEVER;
}

static sim_event take_first(void) {
    const sim_event first = sim.events[0], last = sim.events[--sim.n_events];
    size_t place = 0;
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= sim.n_events)
            break;
        if (child + 1 < sim.n_events && before(&sim.events[child + 1], &sim.events[child]))
            child++;
        if (!before(&sim.events[child], &last))
            break;
        sim.events[place] = sim.events[child];
        place = child;
    }
    sim.events[place] = last;
    return first;
}

void sim_run_events(hf_ms until) {
    unsigned at_once = 0;
    while (sim.n_events > 0 && sim.events[0].at <= until) {
        const sim_event event = take_first();
        at_once = event.at == sim.now ? at_once + 1 : 0;
        if (at_once > EVENTS_MAX)
            sim_fail("the simulator is sane", "# events at one moment", at_once, 0, 0);
        sim.now = event.at;
        event.action(event.who, event.what);
    }
    sim.now = until;
}

/* --- what happened --------------------------------------------------------------------------------- */

typedef struct log_line {
    hf_ms at;
    const char *words; /* NULL: a transition */
    uint64_t numbers[3];
    hf_transition transition;
} log_line;

static log_line log_ring[LOG_LINES];
static uint64_t log_count;

void sim_note(const char *words, uint64_t a, uint64_t b, uint64_t c) {
    log_line *line = &log_ring[log_count++ % LOG_LINES];
    line->at = sim.now;
    line->words = words;
    line->numbers[0] = a;
    line->numbers[1] = b;
    line->numbers[2] = c;
}

void sim_note_transition(const hf_transition *transition) {
    log_line *line = &log_ring[log_count++ % LOG_LINES];
    line->at = sim.now;
    line->words = NULL;
    line->transition = *transition;
    line->transition.error = NULL;
    sim.moves++;
}

static void print_words(const char *words, const uint64_t *numbers) {
    for (; *words; words++) {
        if (*words == '#')
            printf("%" PRIu64, *numbers++);
        else
            putchar(*words);
    }
}

void sim_print_log(unsigned lines) {
    uint64_t from = log_count > lines ? log_count - lines : 0;
    if (log_count - from > LOG_LINES)
        from = log_count - LOG_LINES;
    for (; from < log_count; from++) {
        const log_line *line = &log_ring[from % LOG_LINES];
        char text[256];
        printf("  %10.3f s  ", (double)(line->at - sim.began) / 1000);
        if (line->words) {
            print_words(line->words, line->numbers);
            putchar('\n');
        } else {
            hf_transition_text(&line->transition, text, sizeof text);
            const char *conn = strstr(text, "conn");
            printf("%s\n", conn ? conn : text);
        }
    }
}

void sim_world_reset(uint64_t seed, hf_ms start) {
    sim.seed = seed;
    sim.now = sim.began = start;
    sim.rng.state = seed * 0x2545f4914f6cdd1du + 1;
    sim.port_rng.state = ~sim.rng.state;
    sim.healed = sim.failed = sim.tainted = false;
    sim.moves = sim.ticks = sim.order = 0;
    sim.n_events = 0;
    log_count = 0;
}

_Noreturn void sim_fail(const char *invariant, const char *words, uint64_t a, uint64_t b,
                        uint64_t c) {
    const uint64_t numbers[3] = { a, b, c };
    printf("make " SIM_BUILD "sim SEED=%" PRIu64 "\n", sim.seed);
    printf("sim: seed %" PRIu64 " breaks the invariant '%s': ", sim.seed, invariant);
    print_words(words, numbers);
    putchar('\n');
    sim_print_settings();
    printf("the last of %" PRIu64 " ticks, times from the run's start (clock %" PRIu64 " ms):\n",
           sim.ticks, sim.now);
    sim_print_log(sim_log_lines);
    fflush(stdout);
    sim.failed = true;
    longjmp(sim.failure, 1);
}

_Noreturn void hf_assert_failed(const char *what, const char *file, int line) {
    printf("assertion in %s:%d: %s\n", file, line, what);
    sim_fail("holdfast's own assertions hold", "line #", (uint64_t)line, 0, 0);
}

/* The world of one run: its seed, its clock, what is going to happen, what happened, and how it fails.
 *
 * There is one world, reset for each seed, so that a run depends on its seed and on nothing else.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "holdfast/holdfast.h"

#include <setjmp.h>

/* Connections that a pool here has at most: what is kept of each is looked through in every step. */
#define SIM_CONNS (HF_CONNS_MAX < 64 ? HF_CONNS_MAX : 64)

/* --- chance: splitmix64 (Steele, Lea, Flood 2014) --- */
typedef struct sim_rng {
    uint64_t state;
} sim_rng;

static inline uint64_t sim_random(sim_rng *rng) {
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
/* 0 … n-1; 0 for n 0. */
uint32_t sim_below(sim_rng *rng, uint32_t n);
/* Evenly low … high, both included. */
uint32_t sim_between(sim_rng *rng, uint32_t low, uint32_t high);
/* The same with small numbers as likely as large ones: each power of two alike. */
uint32_t sim_scaled(sim_rng *rng, uint32_t low, uint32_t high);
/* True so many times in a thousand. */
bool sim_chance(sim_rng *rng, uint32_t per_mille);

/* --- what will happen --- */
typedef void sim_action(void *who, uint32_t what);

typedef struct sim_event {
    hf_ms at;
    uint64_t order; /* events of the same time happen in the order in which they were planned */
    sim_action *action;
    void *who;
    uint32_t what; /* often a generation: an action whose time has passed does nothing */
} sim_event;

typedef struct sim_world {
    uint64_t seed;
    hf_ms now, began;
    sim_rng rng;      /* what the world does */
    sim_rng port_rng; /* what the port's random() says */
    bool healed;      /* no more faults */
    bool failed;
    bool tainted;   /* a bit was flipped in clear text, somewhere */
    uint64_t moves; /* counts whatever is progress: bytes, links, transitions, requests */
    uint64_t ticks;
    sim_event *events; /* a heap */
    size_t n_events, room_events;
    uint64_t order;
    jmp_buf failure;
} sim_world;

extern sim_world sim;

void sim_world_reset(uint64_t seed, hf_ms start);
void sim_plan(hf_ms at, sim_action *action, void *who, uint32_t what);
static inline void sim_plan_in(uint32_t ms, sim_action *action, void *who, uint32_t what) {
    sim_plan(sim.now + ms, action, who, what);
}
/* When the next event is planned; HF_NEVER. */
hf_ms sim_next_event(void);
/* Lets everything happen that is planned up to `until`, and sets the clock to it. */
void sim_run_events(hf_ms until);

/* --- what happened --- */
/* Notes a line for the log of a failure: each # in words is the next number. words must live on. */
void sim_note(const char *words, uint64_t a, uint64_t b, uint64_t c);
/* Takes a transition into the log. */
void sim_note_transition(const hf_transition *transition);
/* The last lines of the log to stdout. */
void sim_print_log(unsigned lines);

/* What repeats a run is built as it was: with sanitizers, or small. */
#if defined __has_feature
#if __has_feature(address_sanitizer)
#define SIM_SANITIZED "SANITIZE=1 "
#endif
#endif
#ifndef SIM_SANITIZED
#define SIM_SANITIZED ""
#endif
#if HF_SMALL
#define SIM_BUILD SIM_SANITIZED "SMALL=1 "
#else
#define SIM_BUILD SIM_SANITIZED
#endif

/* The run has failed: the command that repeats it, the invariant, the log. Does not return. */
_Noreturn void sim_fail(const char *invariant, const char *words, uint64_t a, uint64_t b,
                        uint64_t c);
#define SIM_CHECK(condition, invariant, words, a, b, c) \
    ((condition) ? (void)0                              \
                 : sim_fail(invariant, words, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c)))

extern unsigned sim_log_lines; /* how many lines a failure prints */

/* run.c: the settings that are not the usual ones, to stdout. */
void sim_print_settings(void);

/* Memory that a run keeps growing: at least `need` elements of `size`; never fails. */
void *sim_grow(void *array, size_t *room, size_t need, size_t size);

#endif

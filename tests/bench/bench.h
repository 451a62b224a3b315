/* What both sides of a benchmark share: the works by name, what a row must look like, where measuring
 * begins and ends, what is printed for run.py.
 *
 *     bench_libpq WORK COUNT DSN        bench_holdfast WORK COUNT DSN
 *
 * Only what stands between bench_begin() and bench_end() is measured: CPU time by the process's own clock,
 * instructions by callgrind (--collect-atstart=no), system calls by strace between two marks. Preparing,
 * connecting and 50 rounds to warm up come before it, but where they are the work.
 *
 * A static header, not a library: every .c file of this folder is a program.
 */
#ifndef BENCH_H
#define BENCH_H

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

enum {
    BENCH_ITEMS = 200000, /* rows of the table item: (id, name, price), name is 'item ' || id */
    BENCH_WARM = 50,
    BENCH_WINDOW = 64, /* statements in flight in w2b and w2e */
    BENCH_LANES = 3,   /* connections in w3 */
    BENCH_IDLE = 20,   /* idle connections in w6, beside a first one */
    BENCH_MARK = -4242 /* closing this descriptor marks a place for strace */
};

#define BENCH_SQL       "SELECT name, price FROM item WHERE id=$1"
#define BENCH_FIELD_SQL "SELECT repeat('x', 100000)"
#define BENCH_END_SQL   "SELECT pg_terminate_backend(pg_backend_pid())"

typedef struct bench_id {
    char text[8];
    unsigned bytes;
} bench_id;

typedef struct bench {
    const char *dsn;
    unsigned count;
    bench_id *ids; /* count of them, BENCH_WARM at least, made before anything is measured */
    uint64_t sum;  /* of what was read, so that no compiler skips the reading */
    uint64_t cpu_ns;
} bench;

typedef struct bench_work {
    const char *name;
    void (*run)(bench *b);
} bench_work;

static _Noreturn void bench_fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static inline uint64_t bench_cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void bench_begin(bench *b) {
    b->cpu_ns = bench_cpu_ns();
    close(BENCH_MARK);
    CALLGRIND_TOGGLE_COLLECT;
}

static inline void bench_end(bench *b) {
    CALLGRIND_TOGGLE_COLLECT;
    close(BENCH_MARK);
    b->cpu_ns = bench_cpu_ns() - b->cpu_ns;
}

/* Ids all over the table, the same ones on both sides. */
static inline void bench_make_ids(bench *b) {
    unsigned n = b->count < BENCH_WARM ? BENCH_WARM : b->count;
    b->ids = calloc(n, sizeof *b->ids);
    if (!b->ids)
        bench_fail("ids", "no memory");
    for (unsigned i = 0; i < n; i++) {
        unsigned id = (unsigned)((uint64_t)i * 7919 % BENCH_ITEMS) + 1;
        b->ids[i].bytes = (unsigned)snprintf(b->ids[i].text, sizeof b->ids[i].text, "%u", id);
    }
}

/* Checks that a row of BENCH_SQL is the row that was asked for. */
static inline void bench_check_item(bench *b, const bench_id *id, const char *name,
                                    size_t name_bytes, const char *price, size_t price_bytes) {
    if (!name || name_bytes != 5 + id->bytes || memcmp(name + 5, id->text, id->bytes) != 0 ||
        !price || price_bytes < 4)
        bench_fail("row", "not the one that was asked for");
    b->sum += name_bytes + price_bytes + (unsigned char)price[0];
}

static inline void bench_touch(bench *b, const char *data, size_t bytes) {
    b->sum += bytes + (bytes > 0 ? (unsigned char)data[0] : 0);
}

/* SELECT * of the first count rows, between two words of the caller's. */
static inline const char *bench_bulk_sql(const bench *b, const char *before, const char *after) {
    static char sql[96];
    char limit[32] = "";
    if (b->count < BENCH_ITEMS)
        snprintf(limit, sizeof limit, " LIMIT %u", b->count);
    snprintf(sql, sizeof sql, "%sSELECT * FROM item%s%s", before, limit, after);
    return sql;
}

static inline size_t bench_heap(void) {
    struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
}

/* Heap that is in use with so many idle connections, and again after a large field on each of them. */
typedef struct bench_heaps {
    size_t idle, after_field;
} bench_heaps;

/* Per connection, what is there once and for all left out. */
static inline void bench_print_heaps(bench_heaps (*measure)(bench *b, unsigned conns), bench *b) {
    measure(b, 1); /* what a library makes once */
    bench_heaps one = measure(b, 1), many = measure(b, 1 + BENCH_IDLE);
    long idle = (long)(many.idle - one.idle) / BENCH_IDLE;
    long after = (long)(many.after_field - one.after_field) / BENCH_IDLE;
    printf("heap_idle=%ld\nheap_after_field=%ld\n", idle, after);
}

static inline int bench_main(int argc, char **argv, const bench_work *works) {
    if (argc != 4)
        bench_fail(argv[0], "WORK COUNT DSN");
    bench b = { .dsn = argv[3], .count = (unsigned)strtoul(argv[2], NULL, 10) };
    for (; works->name; works++) {
        if (strcmp(works->name, argv[1]) == 0) {
            bench_make_ids(&b);
            works->run(&b);
            printf("count=%u\ncpu_ns=%llu\nsum=%llu\n", b.count, (unsigned long long)b.cpu_ns,
                   (unsigned long long)b.sum);
            free(b.ids);
            return 0;
        }
    }
    bench_fail(argv[1], "no such work");
}

#endif

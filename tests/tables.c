/* Prints, from the one table of each, what the README shows:
 *
 *     cc -std=c11 -Icore tests/tables.c -o tables
 *     ./tables states      the machine: states, deadlines, edges
 *     ./tables settings    every setting with its default and what 0 means
 *     ./tables libpq       every keyword and variable of libpq's and what becomes of it
 *
 * Needs the headers alone. */
#include "holdfast/config.h"
#include "holdfast/fsm.h"
#include "settings/key.h"

#include <stdio.h>
#include <string.h>

static const char *const states[] = {
#define X(state, name, deadline, means) name,
    HF_STATES(X)
#undef X
};

static const char *const events[] = {
#define X(event, name) name,
    HF_EVENTS(X)
#undef X
};

typedef struct edge {
    hf_state from, to;
    hf_event event;
} edge;

static const edge edges[] = {
#define X(from, event, to) { HF_##from, HF_##to, HF_EV_##event },
    HF_EDGES(X)
#undef X
};

enum { EDGES = sizeof edges / sizeof edges[0] };

/* Edges between the same two states become one arrow with all its events. */
static void print_diagram(void) {
    puts("```mermaid\nstateDiagram-v2\n    direction LR\n    [*] --> idle");
    for (size_t i = 0; i < EDGES; i++) {
        size_t first = 0;
        while (edges[first].from != edges[i].from || edges[first].to != edges[i].to) {
            first++;
        }
        if (first < i) {
            continue;
        }
        printf("    %s --> %s: %s", states[edges[i].from], states[edges[i].to],
               events[edges[i].event]);
        for (size_t j = i + 1; j < EDGES; j++) {
            if (edges[j].from == edges[i].from && edges[j].to == edges[i].to) {
                printf(", %s", events[edges[j].event]);
            }
        }
        puts("");
        if (edges[i].from == HF_BACKOFF && edges[i].to == HF_RECONNECTING) {
            printf("    %s --> %s: %s, never up\n", states[HF_BACKOFF], states[HF_CONNECTING],
                   events[HF_EV_DUE]);
        }
    }
    puts("```");
}

static void print_states(void) {
    puts("| state | means | deadline |\n|---|---|---|");
#define X(state, name, deadline, means) printf("| %s | %s | %s |\n", name, means, deadline);
    HF_STATES(X)
#undef X
    puts("");
    print_diagram();
}

/* "15 s", "50 %", "16 KiB", "3" */
static void print_value(hf_unit unit, uint32_t value) {
    if (value == HF_UNSET || value == HF_FOREVER) {
        printf("%s", value == HF_UNSET ? "as retry-delay" : "forever");
    } else if (unit == HF_UNIT_MS && value % 1000 == 0) {
        printf("%u s", (unsigned)value / 1000);
    } else if (unit == HF_UNIT_MS) {
        printf("%u ms", (unsigned)value);
    } else if (unit == HF_UNIT_BYTES && value % 1024 == 0) {
        printf("%u KiB", (unsigned)value / 1024);
    } else {
        printf("%u%s", (unsigned)value,
               unit == HF_UNIT_PERCENT ? " %" : (unit == HF_UNIT_BYTES ? " bytes" : ""));
    }
}

static void print_setting(const char *option, const char *text, hf_unit unit, uint32_t value,
                          const char *zero, uint32_t minimum, uint32_t maximum) {
    printf("| `%s` | %s | ", option, text);
    print_value(unit, value);
    printf(" | %s | ", zero);
    print_value(unit, minimum);
    if (maximum >= HF_DURATION_MAX) {
        printf(" or more%s |\n", maximum == HF_FOREVER ? ", or `forever`" : "");
    } else {
        printf(" to ");
        print_value(unit, maximum);
        puts(" |");
    }
}

static void print_settings(void) {
    puts("| setting | what it is | default | 0 means | bounds |\n|---|---|---|---|---|");
#define X(name, option, value, unit, bounds, zero, text) \
    print_setting(option, text, HF_UNIT_##unit, value, zero, HF_LEAST bounds, HF_MOST bounds);
    HF_SETTINGS(X)
#undef X
}

/* `disable` or `prefer` */
static void print_values(const char *values) {
    for (const char *at = values, *end; *at; at = *end ? end + 1 : end) {
        end = at + strcspn(at, " ");
        printf("%s`%.*s`", at == values ? "" : *end ? ", " : " or ", (int)(end - at), at);
    }
}

enum { TEXT, CERT, CRL, SCRAM, SPECIAL, ONLY, NEVER, PROGRAM, VARIABLE };

static void print_keyword(const char *key, const char *variable, int how, const char *values,
                          const char *text) {
    printf(*key ? "| `%s` | " : "| %s| ", key);
    printf(*variable ? "`%s` | " : "%s| ", variable);
    if (how == ONLY) {
        printf("only ");
        print_values(values);
        printf(": ");
    } else if (how == NEVER) {
        printf("refused: ");
    }
    printf("%s |\n", text);
}

#define HF_VALUES_TEXT(field)    ""
#define HF_VALUES_CERT(field)    ""
#define HF_VALUES_CRL(field)     ""
#define HF_VALUES_SCRAM(field)   ""
#define HF_VALUES_SPECIAL(name)  ""
#define HF_VALUES_ONLY(values)   values
#define HF_VALUES_NEVER(none)    ""
#define HF_VALUES_PROGRAM(name)  ""
#define HF_VALUES_VARIABLE(none) ""

static void print_libpq(void) {
    puts("| keyword | variable | what becomes of it |\n|---|---|---|");
#define X(key, variable, how, detail, text) \
    print_keyword(key, variable, how, HF_VALUES_##how(detail), text);
    HF_LIBPQ(X)
#undef X
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "states") == 0) {
        print_states();
    } else if (argc == 2 && strcmp(argv[1], "settings") == 0) {
        print_settings();
    } else if (argc == 2 && strcmp(argv[1], "libpq") == 0) {
        print_libpq();
    } else {
        fprintf(stderr, "usage: %s states|settings|libpq\n", argv[0]);
        return 1;
    }
    return 0;
}

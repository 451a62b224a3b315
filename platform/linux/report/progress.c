#include "progress.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/log.h"
#include "summary.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_EVERY_MS    200
#define LINE_EVERY_MS   10000
#define OBJECT_EVERY_MS 1000 /* of JSON, where it is asked for */
#define SAMPLE_EVERY_MS 1000
#define WIDTH_DEFAULT   80
#define BAR_CELLS_MAX   40

static void before_output(void *user) {
    hf_progress *progress = user;
    if (progress->shown) {
        progress->shown = false;
        ssize_t written = write(STDERR_FILENO, "\r\x1b[K", 4);
        (void)written;
    }
}

void hf_progress_init(hf_progress *progress, const hf_options *options, uint64_t total,
                      uint64_t done, hf_ms now) {
    const bool terminal = isatty(STDERR_FILENO), always = options->progress == HF_PROGRESS_ALWAYS;
    *progress = (hf_progress){ .total = total, .next = HF_NEVER };
    progress->bar =
        !hf_log_is_json() && options->progress != HF_PROGRESS_NEVER && (always || terminal);
    progress->samples[0].at = now;
    progress->samples[0].done = done;
    progress->n_samples = 1;
    if (options->progress == HF_PROGRESS_NEVER) {
        return;
    }
    progress->each_ms = progress->bar ? BAR_EVERY_MS : always ? OBJECT_EVERY_MS : LINE_EVERY_MS;
    progress->next = always || progress->bar ? now : now + progress->each_ms;
    if (progress->bar) {
        hf_log_before_output(before_output, progress);
    }
}

void hf_progress_end(hf_progress *progress) {
    before_output(progress);
    hf_log_before_output(NULL, NULL);
    progress->next = HF_NEVER;
}

/* ---- text ----------------------------------------------------------------------------------------- */

static const char *thousands(uint64_t value, char out[32]) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value), to = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            out[to++] = ',';
        }
        out[to++] = digits[i];
    }
    out[to] = '\0';
    return out;
}

static void add_state(hf_bytes *text, const hf_progress_view *view) {
    char elapsed[32];
    if (view->outage_ms > 0) {
        hf_bytes_format(text, "OUTAGE %s", hf_elapsed_text(view->outage_ms, elapsed));
        if (view->next_try_ms > 0) {
            hf_bytes_format(text, ", next try in %.0f s", (double)view->next_try_ms / 1000.0 + 0.5);
        }
        return;
    }
    hf_bytes_format(text, "%u up", view->healthy);
    if (view->busy) {
        hf_bytes_format(text, ", %u connecting", view->busy);
    }
    if (view->waiting) {
        hf_bytes_format(text, ", %u waiting", view->waiting);
    }
}

void hf_progress_text(const hf_progress_view *view, unsigned width, char *out, size_t size) {
    hf_bytes text = { 0 };
    char done[32], total[32], left[32];
    unsigned percent = view->total ? (unsigned)(view->done * 100 / view->total) : 100;
    hf_bytes_format(&text, " %3u%%  %s/%s lines", percent, thousands(view->done, done),
                    thousands(view->total, total));
    if (view->rate > 0) {
        hf_bytes_format(&text, "  %.*f/s", view->rate < 10, view->rate);
        if (view->done < view->total && view->outage_ms == 0) {
            double ms = (double)(view->total - view->done) / view->rate * 1000.0;
            hf_bytes_format(&text, "  ETA %s",
                            ms < 3.6e8 ? hf_elapsed_text((uint64_t)ms, left) : "days");
        }
    }
    hf_bytes_add_text(&text, "  ");
    add_state(&text, view);
    unsigned cells = width > text.used + 10 ? width - (unsigned)text.used - 3 : 0;
    cells = cells > BAR_CELLS_MAX ? BAR_CELLS_MAX : cells;
    hf_bytes bar = { 0 };
    for (unsigned i = 0; i < cells; i++) {
        hf_bytes_add_byte(&bar, i * 100 < cells * percent ? '=' : ' ');
    }
    if (cells > 0) {
        snprintf(out, size, "[%s]%s", hf_bytes_text(&bar), hf_bytes_text(&text));
    } else {
        snprintf(out, size, "%.*s", (int)width, hf_bytes_text(&text) + 1);
    }
    hf_bytes_free(&bar);
    hf_bytes_free(&text);
}

/* ---- drawing -------------------------------------------------------------------------------------- */

/* Lines per second over the samples kept: some fifteen seconds, an outage included. */
static double rate(hf_progress *progress, uint64_t done, hf_ms now) {
    unsigned kept = sizeof progress->samples / sizeof progress->samples[0];
    unsigned newest = (progress->n_samples - 1) % kept;
    if (now >= progress->samples[newest].at + SAMPLE_EVERY_MS) {
        newest = progress->n_samples++ % kept;
        progress->samples[newest].at = now;
        progress->samples[newest].done = done;
    }
    unsigned oldest = progress->n_samples > kept ? progress->n_samples % kept : 0;
    hf_ms span = now - progress->samples[oldest].at;
    return span < SAMPLE_EVERY_MS / 2
               ? 0
               : (double)(done - progress->samples[oldest].done) * 1000.0 / (double)span;
}

static void look(hf_progress *progress, hf_client *client, uint64_t done, hf_ms now,
                 hf_progress_view *view) {
    hf_pool_status status;
    hf_pool_status_get(client->pool, &status);
    *view = (hf_progress_view){ .done = done,
                                .total = progress->total,
                                .rate = rate(progress, done, now),
                                .healthy = status.conns[HF_HEALTHY],
                                .busy = (unsigned)(status.conns[HF_CONNECTING] +
                                                   status.conns[HF_RECONNECTING] +
                                                   status.conns[HF_PROBING]),
                                .waiting = status.conns[HF_BACKOFF] };
    if (client->outage_real && client->usable_at == HF_NEVER && now > client->outage_from) {
        view->outage_ms = now - client->outage_from;
        view->next_try_ms =
            status.next_dial != HF_NEVER && status.next_dial > now ? status.next_dial - now : 0;
    }
}

static void draw_bar(hf_progress *progress, const hf_progress_view *view) {
    char text[512];
    struct winsize window;
    hf_bytes line = { 0 };
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 20;
    hf_progress_text(view, known ? window.ws_col - 1u : WIDTH_DEFAULT, text, sizeof text);
    hf_bytes_format(&line, "\r%s\x1b[K", text);
    hf_write_all(STDERR_FILENO, line.data, line.used, -1);
    progress->shown = true;
    hf_bytes_free(&line);
}

/* For a reader of JSON, or for people. */
static void say_line(const hf_progress_view *view) {
    char text[512];
    hf_progress_text(view, WIDTH_DEFAULT * 4, text, sizeof text);
    const char *plain = strchr(text, ']');
    plain = plain ? plain + 1 : text;
    if (hf_log_is_json()) {
        hf_json *json = hf_log_object(plain + strspn(plain, " "));
        hf_json_add_text(json, "kind", "progress");
        hf_json_add_count(json, "lines_ended", view->done);
        hf_json_add_count(json, "lines_total", view->total);
        hf_json_add_real(json, "lines_per_s", view->rate, 1);
        hf_json_add_count(json, "healthy", view->healthy);
        hf_json_add_count(json, "connecting", view->busy);
        hf_json_add_count(json, "waiting", view->waiting);
        hf_json_add_count(json, "outage_ms", view->outage_ms);
        hf_json_add_count(json, "next_try_ms", view->next_try_ms);
        hf_say_json(json);
        return;
    }
    hf_bytes line = { 0 };
    hf_bytes_format(&line, "holdfast:%s\n", plain);
    hf_say(hf_bytes_text(&line));
    hf_bytes_free(&line);
}

hf_ms hf_progress_tick(hf_progress *progress, hf_client *client, uint64_t done, hf_ms now) {
    if (now < progress->next) {
        return progress->next;
    }
    hf_progress_view view;
    look(progress, client, done, now, &view);
    if (progress->bar) {
        draw_bar(progress, &view);
    } else {
        say_line(&view);
    }
    progress->next = now + progress->each_ms;
    return progress->next;
}

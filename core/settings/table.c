#include "table.h"

#include <limits.h>
#include <string.h>

/* The settings' table as data, and how a value of each unit is written. */

#define X(name, option, value, unit, bounds, zero, text) \
    { #name,                                             \
      (value),                                           \
      HF_LEAST bounds,                                   \
      HF_MOST bounds,                                    \
      offsetof(hf_config, HF_MEMBER_##unit(name)),       \
      HF_UNIT_##unit },
const hf_setting hf_settings[] = { HF_SETTINGS(X) };
#undef X

const size_t hf_settings_count = sizeof hf_settings / sizeof hf_settings[0];

/* Relations between what is fixed when holdfast is compiled. */
_Static_assert(HF_HOSTS_MAX >= 1 && HF_HOSTS_MAX <= 255,
               "n_hosts is one byte: make HF_HOSTS_MAX 1 to 255");
_Static_assert(HF_DSN_BYTES >= 64 && HF_DSN_BYTES <= UINT16_MAX,
               "text_bytes has 16 bits: make HF_DSN_BYTES 64 to 65535");
_Static_assert(HF_MESSAGE_BYTES >= 128, "messages name a setting, its value and the way out: make "
                                        "HF_MESSAGE_BYTES 128 or more");
_Static_assert(sizeof hf_settings / sizeof hf_settings[0] <= 32,
               "hf_config.given has a bit for each setting: make it uint64_t");
#define X(name, option, value, unit, bounds, zero, text)                                   \
    _Static_assert((value) == HF_UNSET || ((int64_t)(value) >= (int64_t)HF_LEAST bounds && \
                                           (int64_t)(value) <= (int64_t)HF_MOST bounds),   \
                   "the default of " option " lies outside its bounds: change one of them");
HF_SETTINGS(X)
#undef X

bool hf_complain(hf_error *error, const char *key, const char *text) {
    hf_writer writer;

    hf_error_set(error, HF_ERR_CONFIG, HF_PHASE_NONE, NULL);
    writer = hf_writer_on(error->message, sizeof error->message);
    hf_write_printable(&writer, key, strlen(key));
    if (HF_WITH_MESSAGES) {
        hf_write_text(&writer, ": ");
        hf_write_text(&writer, text);
    }
    return false;
}

const hf_setting *hf_setting_named(const char *name) {
    for (size_t i = 0; i < hf_settings_count; i++) {
        if (hf_same_name(hf_settings[i].name, name)) {
            return &hf_settings[i];
        }
    }
    return NULL;
}

/* "15.0 s", "3", "50 %", "forever" */
static void write_value(hf_writer *writer, const hf_setting *setting, uint32_t value) {
    if (value == HF_FOREVER) {
        hf_write_text(writer, "forever");
        return;
    }
    if (value == HF_UNSET) {
        hf_write_text(writer, "unset");
        return;
    }
    switch ((hf_unit)setting->unit) {
    case HF_UNIT_MS: hf_write_seconds(writer, value); return;
    case HF_UNIT_COUNT: hf_write_unsigned(writer, value); return;
    case HF_UNIT_PERCENT:
        hf_write_unsigned(writer, value);
        hf_write_text(writer, " %");
        return;
    case HF_UNIT_BYTES:
        hf_write_unsigned(writer, value);
        hf_write_text(writer, " bytes");
        return;
    }
}

/* Starts "retry_delay is 2.0 s: " in the error's message. */
hf_writer hf_complain_value(hf_error *error, const hf_setting *setting, uint32_t value) {
    hf_writer writer;

    hf_error_set(error, HF_ERR_CONFIG, HF_PHASE_NONE, NULL);
    writer = hf_writer_on(error->message, sizeof error->message);
    hf_write_text(&writer, setting->name);
    hf_write_text(&writer, " is ");
    write_value(&writer, setting, value);
    hf_write_text(&writer, ": ");
    return writer;
}

bool hf_setting_check(const hf_setting *setting, uint32_t value, hf_error *error) {
    hf_error unwanted;
    hf_writer writer;
    bool low = value<setting->minimum, high = value> setting->maximum;

    if ((!low && !high) || (value == HF_UNSET && setting->value == HF_UNSET)) {
        return true;
    }
    error = error ? error : &unwanted;
    if (!HF_WITH_MESSAGES) {
        return hf_complain(error, setting->name, "");
    }
    writer = hf_complain_value(error, setting, value);
    hf_write_text(&writer, low ? "at least " : "at most ");
    write_value(&writer, setting, low ? setting->minimum : setting->maximum);
    return false;
}

/* ---- how values are written ---------------------------------------------------------------------- */

/* Digits, at least one, up to `most`. */
static bool digits(const char **text, uint64_t most, uint64_t *value) {
    const char *at = *text;

    *value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        *value = *value * 10 + (uint64_t)(*at - '0');
        if (*value > most) {
            return false;
        }
    }
    if (at == *text) {
        return false;
    }
    *text = at;
    return true;
}

bool hf_duration_parse(const char *text, uint32_t *ms) {
    static const struct {
        const char *name;
        uint32_t ms;
    } units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    uint64_t whole, fraction = 0, scale = 1, total;

    if (strcmp(text, "forever") == 0) {
        *ms = HF_FOREVER;
        return true;
    }
    if (!digits(&text, HF_FOREVER, &whole)) {
        return false;
    }
    if (*text == '.') {
        const char *first = ++text;
        if (!digits(&text, 999999999, &fraction) || text - first > 9) {
            return false;
        }
        for (; first < text; first++) {
            scale *= 10;
        }
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text, units[i].name) == 0) {
            if (fraction * units[i].ms % scale != 0) {
                return false; /* finer than a millisecond: never silently 0, which means something else */
            }
            total = whole * units[i].ms + fraction * units[i].ms / scale;
            *ms = total <= HF_DURATION_MAX ? (uint32_t)total : 0;
            return total <= HF_DURATION_MAX;
        }
    }
    return false;
}

static bool count_parse(const char *text, uint32_t *value) {
    uint64_t count;

    if (strcmp(text, "forever") == 0) {
        *value = HF_FOREVER;
        return true;
    }
    if (!digits(&text, HF_DURATION_MAX, &count) || *text) {
        return false;
    }
    *value = (uint32_t)count;
    return true;
}

static bool percent_parse(const char *text, uint32_t *value) {
    uint64_t count;

    if (!digits(&text, HF_DURATION_MAX, &count) || (*text && strcmp(text, "%") != 0)) {
        return false;
    }
    *value = (uint32_t)count;
    return true;
}

static bool bytes_parse(const char *text, uint32_t *value) {
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        { "", 1 }, { "KiB", 1024 }, { "MiB", 1024 * 1024 }, { "GiB", 1024 * 1024 * 1024 }
    };
    uint64_t count;

    if (!digits(&text, HF_DURATION_MAX, &count)) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text, units[i].name) == 0 && count <= HF_DURATION_MAX / units[i].bytes) {
            *value = (uint32_t)(count * units[i].bytes);
            return true;
        }
    }
    return false;
}

bool hf_setting_parse(const hf_setting *setting, const char *text, uint32_t *value,
                      hf_error *error) {
    const char *what = "";
    hf_error unwanted;
    uint32_t parsed = 0;
    bool good = false;

    error = error ? error : &unwanted;
    switch ((hf_unit)setting->unit) {
    case HF_UNIT_MS:
        good = hf_duration_parse(text, &parsed);
        what = "not a duration: 500ms, 2s, 15m, 1h, plain seconds or forever";
        break;
    case HF_UNIT_COUNT:
        good = count_parse(text, &parsed);
        what = "not a count: 3, or forever";
        break;
    case HF_UNIT_PERCENT:
        good = percent_parse(text, &parsed);
        what = "not a percentage: 0 to 100";
        break;
    case HF_UNIT_BYTES:
        good = bytes_parse(text, &parsed);
        what = "not a size: 16384, 16KiB or 4MiB";
        break;
    }
    if (!good) {
        return hf_complain(error, setting->name, what);
    }
    if (!hf_setting_check(setting, parsed, error)) {
        return false;
    }
    *value = parsed;
    return true;
}

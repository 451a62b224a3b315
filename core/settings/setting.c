#include "table.h"

#include <string.h>

/* A value of the table put into a config: apart from the table, so that an image that reads none does not have this. */

/* The general settings, and the special ones that follow them when they were not set themselves. */
static const char *const hf_also_set[][2] = {
    { "connect_timeout", "reconnect_timeout" },
    { "connect_timeout", "probe_reconnect_timeout" },
    { "reconnect_timeout", "probe_reconnect_timeout" },
    { "close_timeout", "probe_close_timeout" },
};

static uint32_t bit(const hf_setting *setting) {
    return 1u << (setting - hf_settings);
}

static void put(hf_config *config, const hf_setting *setting, uint32_t value) {
    memcpy((char *)config + setting->offset, &value, sizeof value);
}

bool hf_setting_set(hf_config *config, const hf_setting *setting, const char *value,
                    hf_error *error) {
    const hf_setting *reconnect = hf_setting_named("reconnect_timeout");
    bool connect = strcmp(setting->name, "connect_timeout") == 0;
    uint32_t parsed;

    if (!hf_setting_parse(setting, value, &parsed, error)) {
        return false;
    }
    put(config, setting, parsed);
    config->given |= bit(setting);
    for (size_t i = 0; i < sizeof hf_also_set / sizeof hf_also_set[0]; i++) {
        const hf_setting *follower = hf_setting_named(hf_also_set[i][1]);
        bool nearer = connect && follower != reconnect && (config->given & bit(reconnect));
        if (strcmp(hf_also_set[i][0], setting->name) == 0 && !(config->given & bit(follower)) &&
            !nearer) {
            put(config, follower, parsed);
        }
    }
    return true;
}

#include "holdfast/config.h"

#include "base/text.h"
#include "table.h"

#include <string.h>

/* What a config holds: its strings, which lie in itself, and what follows from its hosts. */

bool hf_config_wants_tls(const hf_config *config) {
    for (size_t i = 0; i < config->n_hosts; i++) {
        if (hf_host_wants_tls(config, &config->hosts[i])) {
            return true;
        }
    }
    return config->n_hosts == 0 && config->sslmode != HF_SSL_DISABLE;
}

bool hf_config_has_password(const hf_config *config) {
    bool any = config->password != NULL;

    for (size_t i = 0; i < HF_HOSTS_MAX; i++) { /* those beyond n_hosts have none */
        any = any || config->hosts[i].password;
    }
    return any;
}

bool hf_is_scram_key(const char *key) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    enum { DIGITS = 43 }; /* 258 bits: the last two are none of the key's, and 0 */

    return strspn(key, digits) == DIGITS && strcmp(key + DIGITS, "=") == 0 &&
           (strchr(digits, key[DIGITS - 1]) - digits) % 4 == 0;
}

bool hf_config_whole(const hf_config *config, hf_error *error) {
    return !HF_WITH_MESSAGES || !config->text_of || config->text_of == config ||
           hf_complain(
               error, "config",
               HF_MESSAGE("a copy by =, whose strings lie in another; use hf_config_copy()"));
}

/* The same place of its own text, if it was one of the other's. */
static void move(const char **text, hf_config *to, const hf_config *from) {
    if (*text >= from->text && *text < from->text + sizeof from->text) {
        *text = to->text + (*text - from->text);
    }
}

void hf_config_copy(hf_config *to, const hf_config *from) {
    static const uint16_t strings[] = {
        offsetof(hf_config, user),
        offsetof(hf_config, password),
        offsetof(hf_config, database),
        offsetof(hf_config, application_name),
        offsetof(hf_config, sslrootcert),
        offsetof(hf_config, sslcert),
        offsetof(hf_config, sslkey),
        offsetof(hf_config, sslpassword),
        offsetof(hf_config, sslcrl),
        offsetof(hf_config, sslcrldir),
        offsetof(hf_config, requirepeer),
        offsetof(hf_config, options),
        offsetof(hf_config, parameters),
#if HF_WITH_CREDENTIALS
        offsetof(hf_config, scram_client_key),
        offsetof(hf_config, scram_server_key),
#endif
    };
    if (to == from) {
        return;
    }
    *to = *from;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        move((const char **)(void *)((char *)to + strings[i]), to, from);
    }
    for (size_t i = 0; i < HF_HOSTS_MAX; i++) {
        move(&to->hosts[i].name, to, from);
        move(&to->hosts[i].address, to, from);
        move(&to->hosts[i].password, to, from);
    }
    to->text_of = from->text_of ? to : NULL;
}

void hf_config_wipe_text(hf_config *config, const char **field) {
    const char *text = *field;

    if (text && text >= config->text && text < config->text + sizeof config->text) {
        hf_wipe(config->text + (text - config->text), strlen(text));
        *field = NULL;
    }
}

void hf_config_wipe(hf_config *config) {
    hf_config_wipe_text(config, &config->password);
    hf_config_wipe_text(config, &config->sslpassword);
#if HF_WITH_CREDENTIALS
    hf_config_wipe_text(config, &config->scram_client_key);
    hf_config_wipe_text(config, &config->scram_server_key);
#endif
}

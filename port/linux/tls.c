/* TLS over the life of a port. The TLS files are read when the port is opened, and again at a connect that finds one
 * of them changed: a CA that was renewed while the program ran is believed without a restart. Each link keeps the
 * settings that were the newest when it was opened, and old settings go with their last link. */
#include "tls.h"

#include "news.h"
#include "trust.h"

#include <stdlib.h>

static void note_under(void *at, hf_link *under) {
    hf_linux_note(at, &((hf_linux_link *)(void *)under)->note);
}

/* Reads the files as they are now into new settings, in front of the older ones. */
static int open_settings(hf_linux_state *state, uint64_t seen, hf_error *error) {
    const hf_config *config = state->config;
    const hf_mbedtls_setup setup = { .sslmode = config->sslmode,
                                     .sslcertmode = config->sslcertmode,
                                     .version_min = config->ssl_min_version,
                                     .version_max = config->ssl_max_version,
                                     .entropy = hf_linux_entropy,
                                     .note = note_under,
                                     .user = state,
                                     .links = state->tls_links,
                                     .n_links = state->n_links };
    hf_linux_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        hf_error_set(error, HF_ERR_RESOURCES, HF_PHASE_NONE, "TLS: no memory");
        return HF_ERR_RESOURCES;
    }
    if (!hf_mbedtls_init(&tls->tls, &setup, error)) {
        free(tls);
        return HF_ERR_RESOURCES;
    }
    int err = hf_linux_trust(&tls->tls, config, error);
    if (err != 0) {
        hf_mbedtls_free(&tls->tls);
        free(tls);
        return err;
    }
    tls->seen = seen;
    tls->older = state->tls;
    state->tls = tls;
    return 0;
}

/* Frees settings that no link uses any more, from *at on. */
static void free_unused(hf_linux_tls **at) {
    while (*at != NULL) {
        hf_linux_tls *one = *at;
        if (one->tls.users > 0) {
            at = &one->older;
        } else {
            *at = one->older;
            hf_mbedtls_free(&one->tls);
            free(one);
        }
    }
}

int hf_linux_tls_open(hf_linux_state *state, hf_error *error) {
    const hf_config *config = state->config;
    if (!hf_config_wants_tls(config)) {
        return 0;
    }
    state->tls_links = calloc(state->n_links, sizeof *state->tls_links);
    if (state->tls_links == NULL) {
        hf_error_set(error, HF_ERR_RESOURCES, HF_PHASE_NONE, "TLS: out of memory");
        return HF_ERR_RESOURCES;
    }
    return open_settings(state, hf_linux_trust_seen(config), error);
}

int hf_linux_tls_renew(hf_linux_state *state, hf_error *error) {
    uint64_t seen = hf_linux_trust_seen(state->config);
    if (seen != 0 && seen == state->tls->seen) {
        return 0;
    }
    int err = open_settings(state, seen, error);
    free_unused(&state->tls->older);
    return err;
}

void hf_linux_tls_close(hf_linux_state *state) {
    if (state->tls != NULL) {
        hf_mbedtls_abort_all(&state->tls->tls);
    }
    free_unused(&state->tls);
    free(state->tls_links);
}

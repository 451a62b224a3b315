#include "base/text.h"
#include "holdfast/linux.h"

#include <stdlib.h>

/* One request on a loop of its own. Invariant: on the way out everything is given back, and no copy of a password is
 * left. */

typedef struct run {
    hf_config config;
    hf_linux port;
    hf_pool *pool;
    void *memory;
} run;

static bool prepare(run *self, const hf_config *config, hf_error *error) {
    hf_config_copy(&self->config, config);
    self->config.max_concurrent = 1;
    if (!hf_config_check(&self->config, error) ||
        !hf_linux_init(&self->port, &self->config, error)) {
        return false;
    }
    size_t bytes = HF_POOL_BYTES(1, self->config.rx_bytes, self->config.tx_bytes);
    self->memory = aligned_alloc(16, bytes);
    if (self->memory == NULL) {
        hf_error_set(error, HF_ERR_RESOURCES, HF_PHASE_NONE, "no memory for a connection");
        return false;
    }
    self->pool =
        hf_pool_init(self->memory, bytes, &self->config, hf_linux_port(&self->port), error);
    return self->pool != NULL;
}

static void wait(run *self) {
    (void)hf_linux_wait(&self->port, hf_tick(self->pool, hf_linux_now(&self->port)));
}

hf_outcome hf_linux_run(const hf_config *config, hf_request *request) {
    run *self = calloc(1, sizeof *self);
    hf_error error;
    hf_error_set(&error, HF_ERR_RESOURCES, HF_PHASE_NONE, "no memory for a connection");
    bool ready = self != NULL && prepare(self, config, &error);
    if (ready) {
        int code = hf_submit(self->pool, request);
        hf_error_set(&error, (hf_err)code, HF_PHASE_NONE, NULL);
        ready = code == HF_OK;
    }
    if (!ready) {
        request->outcome = HF_OUTCOME_NOT_SENT;
        request->error = error;
    }
    while (ready && request->outcome == HF_OUTCOME_PENDING) {
        wait(self);
    }
    if (self != NULL && self->pool != NULL) { /* a goodbye, and secrets are overwritten */
        hf_pool_close(self->pool, hf_linux_now(&self->port) + self->config.close_timeout_ms);
        do {
            wait(self);
        } while (!hf_pool_closed(self->pool));
    }
    if (self != NULL) {
        hf_linux_close(&self->port);
        free(self->memory);
        hf_wipe(self, sizeof *self);
        free(self);
    }
    return request->outcome;
}

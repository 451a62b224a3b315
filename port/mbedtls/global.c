/* What mbedTLS shares in a process: PSA, which TLS 1.3 needs, one random generator, the heap hooks. The first
 * hf_mbedtls opens these, the last one closes them.
 *
 * The generator is CTR_DRBG, seeded from the port's entropy and given to PSA (MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG), so
 * that there is one source, and that one fails closed. PSA's own generator cannot be seeded anew for each port in 3.6.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_time.h>
#include <mbedtls/platform_util.h>
#include <psa/crypto.h>

static struct {
    unsigned users;
    hf_mbedtls_setup setup;
    hf_mbedtls_heap heap;
    mbedtls_ctr_drbg_context drbg;
    bool seeded;
} shared;

static void *counted_calloc(size_t count, size_t size) {
    void *memory =
        shared.setup.allocate != NULL ? shared.setup.allocate(count, size) : calloc(count, size);
    if (memory == NULL) {
        shared.heap.failures++;
    } else {
        shared.heap.blocks++;
    }
    return memory;
}

static void counted_free(void *memory) {
    if (memory == NULL) {
        return;
    }
    shared.heap.blocks--;
    if (shared.setup.release != NULL) {
        shared.setup.release(memory);
    } else {
        free(memory);
    }
}

int hf_mbedtls_global_open(const hf_mbedtls_setup *setup) {
    if (shared.users > 0) {
        /* Each user brings fresh entropy: a forked child that opens its own does not repeat its parent's random
         * numbers. */
        if (mbedtls_ctr_drbg_reseed(&shared.drbg, NULL, 0) != 0) {
            return HF_ERR_RESOURCES;
        }
        shared.users++;
        return 0;
    }
    shared.setup = *setup;
    (void)mbedtls_platform_set_calloc_free(counted_calloc, counted_free);
    mbedtls_ctr_drbg_init(&shared.drbg);
    shared.seeded = mbedtls_ctr_drbg_seed(&shared.drbg, setup->entropy, setup->user, NULL, 0) == 0;
    if (!shared.seeded || psa_crypto_init() != PSA_SUCCESS) {
        mbedtls_psa_crypto_free();
        mbedtls_ctr_drbg_free(&shared.drbg);
        shared.seeded = false;
        return HF_ERR_RESOURCES;
    }
    shared.users = 1;
    return 0;
}

void hf_mbedtls_global_close(void) {
    if (shared.users == 0 || --shared.users > 0) {
        return;
    }
    mbedtls_psa_crypto_free();
    mbedtls_ctr_drbg_free(&shared.drbg);
    shared.seeded = false;
}

static int fill(unsigned char *out, size_t bytes) {
    while (bytes > 0) {
        size_t part = bytes < MBEDTLS_CTR_DRBG_MAX_REQUEST ? bytes : MBEDTLS_CTR_DRBG_MAX_REQUEST;
        int code = shared.seeded ? mbedtls_ctr_drbg_random(&shared.drbg, out, part)
                                 : MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
        if (code != 0) {
            return code;
        }
        out += part;
        bytes -= part;
    }
    return 0;
}

/* PSA asks for random bytes here (psa/crypto_extra.h); everybody else asks PSA. */
psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *unused,
                                             uint8_t *out, size_t size, size_t *length) {
    (void)unused;
    *length = 0;
    if (fill(out, size) != 0) {
        return PSA_ERROR_INSUFFICIENT_ENTROPY;
    }
    *length = size;
    return PSA_SUCCESS;
}

#ifdef MBEDTLS_PLATFORM_MS_TIME_ALT
/* Milliseconds where time() is the only clock. TLS 1.3 would measure tickets with them, and takes none. */
mbedtls_ms_time_t mbedtls_ms_time(void) {
    return (mbedtls_ms_time_t)time(NULL) * 1000;
}
#endif

#ifdef MBEDTLS_PLATFORM_GMTIME_R_ALT
/* Days since 1970 become a date of the Gregorian calendar, by eras of 400 years that begin with March. */
struct tm *mbedtls_platform_gmtime_r(const mbedtls_time_t *from, struct tm *to) {
    int64_t seconds = (int64_t)*from;
    if (seconds < 0 || seconds / 86400 > INT32_MAX / 2) {
        return NULL;
    }
    uint32_t day = (uint32_t)(seconds / 86400) + 719468, rest = (uint32_t)(seconds % 86400);
    uint32_t era = day / 146097, of_era = day % 146097;
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153; /* 0 is March */
    memset(to, 0, sizeof *to);
    to->tm_mday = (int)(of_year - (153 * month + 2) / 5 + 1);
    to->tm_mon = (int)(month < 10 ? month + 2 : month - 10);
    to->tm_year = (int)(year + era * 400 + (month >= 10)) - 1900;
    to->tm_hour = (int)(rest / 3600);
    to->tm_min = (int)(rest / 60 % 60);
    to->tm_sec = (int)(rest % 60);
    return to;
}
#endif

unsigned hf_mbedtls_failures(void) {
    return shared.heap.failures;
}

void hf_mbedtls_heap_get(hf_mbedtls_heap *heap) {
    *heap = shared.heap;
}

/* Hooks that a board has not brought fail closed. */
#include "hw.h"

__attribute__((weak)) int hf_hw_entropy(void *unused, unsigned char *out, size_t bytes) {
    (void)unused, (void)out, (void)bytes;
    return -1;
}

__attribute__((weak)) int64_t hf_hw_date(void) {
    return 0;
}

__attribute__((weak)) bool hf_hw_sensor(int32_t *milli) {
    (void)milli;
    return false;
}

__attribute__((weak)) _Noreturn void hf_hw_end(int status) {
    (void)status;
    for (;;) {
        __asm volatile("cpsid i\n\twfi");
    }
}

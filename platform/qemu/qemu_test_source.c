/* NOT FOR A DEVICE: entropy and date of the computer that runs QEMU, by semihosting; a sensor that is a formula.
 * A real board brings its own of these instead of this folder. (Semihosting for AArch32 and AArch64, 2.0)
 */
#include "hw.h"

#include <string.h>

enum { SYS_OPEN = 1, SYS_CLOSE = 2, SYS_READ = 6, SYS_TIME = 0x11, SYS_EXIT_EXTENDED = 0x20 };
enum { OPEN_BINARY = 1, APPLICATION_EXIT = 0x20026 };

static int32_t host(int32_t operation, const void *arguments) {
    register int32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = arguments;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

int hf_hw_entropy(void *unused, unsigned char *out, size_t bytes) {
    static const char name[] = "/dev/urandom";
    (void)unused;
    const uint32_t open[] = { (uint32_t)name, OPEN_BINARY, sizeof name - 1 };
    int32_t file = host(SYS_OPEN, open);
    if (file < 0) {
        return -1;
    }
    const uint32_t read[] = { (uint32_t)file, (uint32_t)out, bytes };
    int32_t missing = host(SYS_READ, read);
    const uint32_t close[] = { (uint32_t)file };
    (void)host(SYS_CLOSE, close);
    return missing == 0 ? 0 : -1;
}

int64_t hf_hw_date(void) {
    return (uint32_t)host(SYS_TIME, NULL);
}

/* A room's temperature: 21 degrees, up and down by 1.5 within 64 readings. */
bool hf_hw_sensor(int32_t *milli) {
    static uint32_t count;
    uint32_t phase = count++ % 64;
    *milli = 19500 + (int32_t)(phase < 32 ? phase : 64 - phase) * 94;
    return true;
}

_Noreturn void hf_hw_end(int status) {
    const uint32_t exit[] = { APPLICATION_EXIT, (uint32_t)status };
    for (;;) {
        (void)host(SYS_EXIT_EXTENDED, exit);
    }
}

/* Passwords that are not ASCII, as SCRAM has them (port/linux/saslprep.c). The real server's word on more of them is in
 * tests/integration/test_keywords.py. */
#include "port/linux/saslprep.h"

#include "unit.h"

/* Shows found S6. RFC 4013, section 3, and what PostgreSQL does beside it. */
static void passwords_are_prepared_as_postgresql_prepares_them(void **state) {
    static const struct {
        const char *password, *prepared; /* NULL: used as it is */
    } cases[] = {
        { "plain ascii\x07", NULL },
        { "a\xc2\xa0z", "a z" },      /* NBSP is a space */
        { "a\xe2\x80\x8bz", "a z" },  /* U+200B too */
        { "I\xc2\xadX", "IX" },       /* soft hyphen is nothing */
        { "e\xcc\x81", "\xc3\xa9" },  /* e and U+0301 */
        { "\xc2\xaa", "a" },          /* feminine ordinal */
        { "\xe2\x85\xa8", "IX" },     /* Roman nine */
        { "\xc2\xad", NULL },         /* nothing is left */
        { "a\xc2\x80", NULL },        /* a control character */
        { "a\x07\xc2\xaa", NULL },    /* ASCII's too, beside what is not ASCII */
        { "\xc8\xa1z", NULL },        /* U+0221: not assigned in Unicode 3.2 */
        { "\xf0\x9f\x98\x80", NULL }, /* nor is this */
        { "a\xcd\x80", NULL },        /* U+0340 is prohibited before it is normalised */
        { "\xd8\xa7\x31", NULL },     /* right-to-left must end so */
        { "\xd8\xa7\x31\xd8\xa8", "\xd8\xa7\x31\xd8\xa8" },
        { "\xd8\xa7"
          "a\xd8\xa8",
          NULL },                  /* and hold no letter of the other kind */
        { "a\xff", NULL },         /* no UTF-8 */
        { "a\xed\xa0\x80", NULL }, /* a surrogate */
        { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
    };
    (void)state;
    char out[64];
    for (size_t i = 0; i < COUNT(cases); i++) {
        int done = hf_linux_saslprep(NULL, cases[i].password, out, sizeof out);
        assert_int_equal(done, cases[i].prepared != NULL);
        if (done) {
            assert_string_equal(out, cases[i].prepared);
        }
    }
    assert_int_equal(hf_linux_saslprep(NULL, "e\xcc\x81z", out, 3), 0); /* no room */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords_are_prepared_as_postgresql_prepares_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

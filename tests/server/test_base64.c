/* Base64: there and back, and what is none (RFC 4648). */
#include "server/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_vectors_of_the_rfc_hold(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char *text = base64_encode((const uint8_t *)vectors[i][0], strlen(vectors[i][0]));
        assert_string_equal(text, vectors[i][1]);
        uint8_t *data;
        size_t size;
        assert_int_equal(base64_decode(text, strlen(text), &data, &size, NULL), OK);
        assert_int_equal(size, strlen(vectors[i][0]));
        assert_memory_equal(data, vectors[i][0], size);
        free(data);
        free(text);
    }
}

static void what_is_no_base64_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "Z", "Zg", "Zg=", "Zg==Zg==", "Zm9v!", "=", "data:image/png;base64,Zm9v"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t *data;
        size_t size;
        if (base64_decode(wrong[i], strlen(wrong[i]), &data, &size, NULL) != ERR_FORMAT)
            fail_msg("\"%s\" was decoded", wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_the_rfc_hold),
        cmocka_unit_test(what_is_no_base64_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

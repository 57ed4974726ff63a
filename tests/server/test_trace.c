/* Request ids and trace context, as clients may send them. */
#include "server/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

static void traceparent_is_taken_apart(void **state)
{
    (void)state;
    char trace[TRACE_ID_SIZE], span[SPAN_ID_SIZE];
    assert_true(trace_parse("00-" TRACE "-" SPAN "-01", trace, span));
    assert_string_equal(trace, TRACE);
    assert_string_equal(span, SPAN);
    assert_true(trace_parse("cc-" TRACE "-" SPAN "-01-what-comes-later", trace, span));
}

static void what_is_no_traceparent_gives_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "00",
                                      "ff-" TRACE "-" SPAN "-01",
                                      "00-" TRACE "-" SPAN "-01-more",
                                      "00-" TRACE "-" SPAN "-0",
                                      "00-" TRACE "-" SPAN "-xx",
                                      "0-" TRACE "-" SPAN "-010",
                                      "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
                                      "00-00000000000000000000000000000000-" SPAN "-01",
                                      "00-" TRACE "-0000000000000000-01",
                                      "00_" TRACE "-" SPAN "-01",
                                      "00-" TRACE SPAN "---01--------------------------"};
    char trace[TRACE_ID_SIZE], span[SPAN_ID_SIZE];
    assert_false(trace_parse(NULL, trace, span));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(trace_parse(bad[i], trace, span));
        assert_string_equal(trace, "");
        assert_string_equal(span, "");
    }
}

static void id_of_the_client_is_kept_if_it_is_harmless(void **state)
{
    (void)state;
    static const char longest[] = "0123456789012345678901234567890123456789012345678901234567890123";
    char id[REQUEST_ID_SIZE];
    request_id_choose("a-1_b.c:D", 1, 2, id);
    assert_string_equal(id, "a-1_b.c:D");
    request_id_choose(longest, 1, 2, id);
    assert_string_equal(id, longest);
    static const char *const others[] = {
        NULL, "", "a b", "a\nb", "\"", "0123456789012345678901234567890123456789012345678901234567890123x"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        request_id_choose(others[i], 0xabc, 255, id);
        assert_string_equal(id, "0000000000000abc-ff");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traceparent_is_taken_apart),
        cmocka_unit_test(what_is_no_traceparent_gives_nothing),
        cmocka_unit_test(id_of_the_client_is_kept_if_it_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The guard: one framing, a known host, no foreign page. */
#include "server/http_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct header {
    const char *name, *value;
};

static struct guard_headers note_all(const struct header *headers, size_t count)
{
    struct guard_headers noted = {0};
    for (size_t i = 0; i < count; i++)
        guard_note(&noted, headers[i].name, headers[i].value);
    return noted;
}

#define NOTE(...)                                                                                            \
    note_all((const struct header[]){__VA_ARGS__},                                                           \
             sizeof((const struct header[]){__VA_ARGS__}) / sizeof(struct header))

static void one_length_or_one_chunked_encoding_is_sound(void **state)
{
    (void)state;
    struct guard_headers headers = NOTE({"host", "x"});
    assert_null(guard_framing(&headers));
    headers = NOTE({"Host", "x"}, {"CONTENT-LENGTH", "5"});
    assert_null(guard_framing(&headers));
    headers = NOTE({"Host", "x"}, {"Transfer-Encoding", "Chunked"});
    assert_null(guard_framing(&headers));
}

static void everything_else_is_not(void **state)
{
    (void)state;
    struct guard_headers headers = NOTE({"Host", "x"}, {"Content-Length", "5"}, {"content-length", "5"});
    assert_non_null(guard_framing(&headers));
    headers = NOTE({"Host", "x"}, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"});
    assert_non_null(guard_framing(&headers));
    headers = NOTE({"Host", "x"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"});
    assert_non_null(guard_framing(&headers));
    headers = NOTE({"Host", "x"}, {"Transfer-Encoding", "gzip, chunked"});
    assert_non_null(guard_framing(&headers));
    headers = NOTE({"Host", "x"}, {"Transfer-Encoding", ""});
    assert_non_null(guard_framing(&headers));
    headers = NOTE({"Host", "x"}, {"Host", "x"});
    assert_non_null(guard_framing(&headers));
    headers = NOTE({"Accept", "*/*"});
    assert_non_null(guard_framing(&headers));
}

static void hosts_are_compared_without_port_and_case(void **state)
{
    (void)state;
    struct guard *guard;
    const char *names[] = {"digits.example"};
    assert_int_equal(guard_create("192.0.2.7", names, 1, &guard, NULL), OK);
    static const char *const known[] = {"localhost", "127.0.0.1:8080", "[::1]",
                                        "[::1]:1",   "192.0.2.7:80",   "Digits.Example:443"};
    static const char *const unknown[] = {"",
                                          ":80",
                                          "192.0.2.8",
                                          "digits.example.",
                                          "xdigits.example",
                                          "digits.exam",
                                          "local",
                                          "[::1",
                                          "[::1]80",
                                          "[]",
                                          "localhost:8x",
                                          "localhost/",
                                          "[localhost",
                                          "::1",
                                          "local host",
                                          "localhost :80"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!guard_host(guard, known[i]))
            fail_msg("\"%s\" was refused", known[i]);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (guard_host(guard, unknown[i]))
            fail_msg("\"%s\" was let in", unknown[i]);
    guard_free(guard);
}

static bool may_write(const char *origin, const char *fetch_site)
{
    const struct guard_headers headers = {
        .host = "127.0.0.1:8080", .origin = origin, .fetch_site = fetch_site};
    return guard_origin(&headers);
}

static void writes_come_from_here_or_from_no_browser(void **state)
{
    (void)state;
    assert_true(may_write(NULL, NULL));
    assert_true(may_write("http://127.0.0.1:8080", NULL));
    assert_true(may_write("https://127.0.0.1:8080", "same-origin"));
    assert_true(may_write(NULL, "none"));
    assert_false(may_write("http://127.0.0.1:8081", NULL));
    assert_false(may_write("http://evil.example", NULL));
    assert_false(may_write("http://evil.example/127.0.0.1:8080", NULL));
    assert_false(may_write("null", NULL));
    assert_false(may_write("", NULL));
    assert_false(may_write(NULL, "cross-site"));
    assert_false(may_write(NULL, "same-site"));
    assert_false(may_write("http://127.0.0.1:8080", "cross-site"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_length_or_one_chunked_encoding_is_sound),
        cmocka_unit_test(everything_else_is_not),
        cmocka_unit_test(hosts_are_compared_without_port_and_case),
        cmocka_unit_test(writes_come_from_here_or_from_no_browser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

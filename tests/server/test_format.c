/* format_*: numbers as people read them. */
#include "server/format.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void counts_have_separators(void **state)
{
    (void)state;
    char text[FORMAT_SIZE];
    assert_string_equal(format_count(0, text), "0");
    assert_string_equal(format_count(999, text), "999");
    assert_string_equal(format_count(1000, text), "1,000");
    assert_string_equal(format_count(889834, text), "889,834");
    assert_string_equal(format_count(-1234567, text), "-1,234,567");
    assert_string_equal(format_count(9007199254740991, text), "9,007,199,254,740,991");
}

static void numbers_of_any_size_stay_inside_the_buffer(void **state)
{
    (void)state;
    struct {
        char text[FORMAT_SIZE], guard;
    } buffer = {.guard = 'g'};
    format_count(1e300, buffer.text);
    format_count(-INFINITY, buffer.text);
    format_duration(INFINITY, buffer.text);
    format_bytes(1e300, buffer.text);
    assert_int_equal(buffer.guard, 'g');
}

static void durations_are_rounded_up_to_seconds(void **state)
{
    (void)state;
    char text[FORMAT_SIZE];
    assert_string_equal(format_duration(0, text), "0:00");
    assert_string_equal(format_duration(6.1, text), "0:07");
    assert_string_equal(format_duration(59.5, text), "1:00");
    assert_string_equal(format_duration(725, text), "12:05");
    assert_string_equal(format_duration(3 * 3600 + 12, text), "3:00:12");
}

static void bytes_are_in_the_unit_that_fits(void **state)
{
    (void)state;
    char text[FORMAT_SIZE];
    assert_string_equal(format_bytes(1023, text), "1023 bytes");
    assert_string_equal(format_bytes(1024, text), "1.0 KiB");
    assert_string_equal(format_bytes(512 * 1024, text), "512 KiB");
    assert_string_equal(format_bytes(889834.0 * 4, text), "3.4 MiB");
    assert_string_equal(format_bytes(5e15, text), "4547 TiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_have_separators),
        cmocka_unit_test(numbers_of_any_size_stay_inside_the_buffer),
        cmocka_unit_test(durations_are_rounded_up_to_seconds),
        cmocka_unit_test(bytes_are_in_the_unit_that_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

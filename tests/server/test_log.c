/* Log lines: one a message, by level, and never forged by what a client sent. */
#include "server/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <unistd.h>

/* What `act` writes to stderr; valid until the next call. */
static const char *captured(void (*act)(void))
{
    static char text[4096];
    FILE *file = tmpfile();
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    act();
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void log_all_levels(void)
{
    log_error("one %d", 1);
    log_warning("two");
    log_info("three");
    log_debug("four");
}

static void log_control_characters(void)
{
    log_info("%s", "GET /\r\n2026-01-01 error forged\x1b[31m");
}

static void log_at_length(void)
{
    log_info("%03000d", 7);
}

static void levels_above_the_limit_are_dropped(void **state)
{
    (void)state;
    log_set_level(LOG_WARNING);
    const char *text = captured(log_all_levels);
    assert_non_null(strstr(text, "Z error   one 1\n"));
    assert_non_null(strstr(text, "Z warning two\n"));
    assert_null(strstr(text, "three"));
    log_set_level(LOG_DEBUG);
    assert_non_null(strstr(captured(log_all_levels), "Z debug   four\n"));
}

static void message_is_one_line_without_control_characters(void **state)
{
    (void)state;
    const char *text = captured(log_control_characters);
    assert_non_null(strstr(text, "GET /??2026-01-01 error forged?[31m\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_int_equal(strlen(captured(log_at_length)), 24 + 1 + 7 + 1 + 1023 + 1);
}

static void log_a_request(void)
{
    log_request(LOG_INFO, &(struct log_request){.method = "GET",
                                                .path = "/a\"b\n\xe9",
                                                .status = 404,
                                                .seconds = 0.0015,
                                                .id = "id-1",
                                                .trace = "",
                                                .span = "",
                                                .client = "127.0.0.1",
                                                .key = "shop"});
}

static void json_lines_hold_what_was_said(void **state)
{
    (void)state;
    log_set_format(LOG_JSON);
    json_t *line = json_loads(captured(log_a_request), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "path")), "/a\"b??");
    assert_int_equal(json_integer_value(json_object_get(line, "status")), 404);
    assert_true(json_number_value(json_object_get(line, "duration_ms")) == 1.5);
    assert_string_equal(json_string_value(json_object_get(line, "key")), "shop");
    assert_string_equal(json_string_value(json_object_get(line, "request_id")), "id-1");
    assert_null(json_object_get(line, "trace_id"));
    json_decref(line);
    log_set_request("id-2");
    line = json_loads(captured(log_control_characters), JSON_REJECT_DUPLICATES, NULL);
    log_set_request(NULL);
    assert_string_equal(json_string_value(json_object_get(line, "request_id")), "id-2");
    json_decref(line);
    log_set_format(LOG_TEXT);
}

/* A pipe that nobody reads takes some lines; those after them are dropped, and counted once there is a reader. */
static void lines_that_nobody_reads_hold_nobody_up(void **state)
{
    (void)state;
    enum { LINES = 5000 };
    int ends[2], saved = dup(STDERR_FILENO);
    static char text[1 << 20];
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    for (int i = 0; i < LINES; i++)
        log_info("line %d", i);
    size_t taken = (size_t)read(ends[0], text, sizeof text - 1);
    log_info("the last");
    size_t after = (size_t)read(ends[0], text + taken, sizeof text - 1 - taken);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    text[taken + after] = '\0';
    unsigned lines = 0, dropped = 0;
    for (const char *at = text; (at = strstr(at, "line ")); at++)
        lines++;
    const char *told = strstr(text + taken, "warning ");
    assert_non_null(told);
    assert_int_equal(sscanf(told, "warning %u lines", &dropped), 1);
    assert_true(dropped > 0 && lines > 0);
    assert_int_equal(lines + dropped, LINES);
    assert_non_null(strstr(told, "the last\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_above_the_limit_are_dropped),
        cmocka_unit_test(message_is_one_line_without_control_characters),
        cmocka_unit_test(json_lines_hold_what_was_said),
        cmocka_unit_test(lines_that_nobody_reads_hold_nobody_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

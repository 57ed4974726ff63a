/* Log lines: one a message, by level, and never forged by what a client sent. */
#include "server/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_above_the_limit_are_dropped),
        cmocka_unit_test(message_is_one_line_without_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

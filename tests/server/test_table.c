/* Tables for people, on a terminal and off it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "server/table.h"

static const struct table_column columns[] = {{.title = "JOB"},
                                              {.title = "STATE", .state = true},
                                              {.title = "N", .right = true},
                                              {.title = "DETAIL", .least = 12}};
#define COLUMNS (sizeof columns / sizeof *columns)

static struct table make_table(void)
{
    struct table table = table_begin(columns, COLUMNS);
    const char *const rows[][COLUMNS] = {{"job_1", "running", "7", "half of it is done"},
                                         {"job_2", "failed", "12345", "größer als die Platte erlaubt"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < COLUMNS; j++)
            table_cell(&table, "%s", rows[i][j]);
    return table;
}

/* What the table prints to a terminal of so many columns; valid until the next call. */
static const char *print_on_terminal(struct table *table, unsigned short width)
{
    static char text[4096];
    const struct winsize size = {.ws_row = 24, .ws_col = width};
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    struct termios mode;
    assert_int_equal(tcgetattr(slave, &mode), 0);
    mode.c_oflag &= ~(tcflag_t)OPOST; /* lines end as they were written */
    assert_int_equal(tcsetattr(slave, TCSANOW, &mode), 0);
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
    FILE *stream = fdopen(slave, "w");
    assert_non_null(stream);
    assert_int_equal(setvbuf(stream, NULL, _IOFBF, sizeof text), 0); /* in one piece */
    assert_int_equal(table_print(table, stream), OK);
    assert_int_equal(fflush(stream), 0);
    ssize_t length = read(master, text, sizeof text - 1);
    assert_true(length > 0);
    text[length] = '\0';
    fclose(stream);
    close(master);
    return text;
}

static const char *print_to_file(struct table *table)
{
    static char text[4096];
    FILE *stream = tmpfile();
    assert_non_null(stream);
    assert_int_equal(table_print(table, stream), OK);
    rewind(stream);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    fclose(stream);
    return text;
}

static void columns_are_as_wide_as_what_is_in_them(void **state)
{
    (void)state;
    struct table table = make_table();
    assert_string_equal(print_to_file(&table), "JOB    STATE        N  DETAIL\n"
                                               "job_1  running      7  half of it is done\n"
                                               "job_2  failed   12345  größer als die Platte erlaubt\n");
}

static void a_narrow_terminal_shortens_what_may_be(void **state)
{
    (void)state;
    setenv("NO_COLOR", "1", 1);
    struct table table = make_table();
    assert_string_equal(print_on_terminal(&table, 40), "JOB    STATE        N  DETAIL\n"
                                                       "job_1  running      7  half of it is do…\n"
                                                       "job_2  failed   12345  größer als die P…\n");
    table = make_table();
    assert_string_equal(print_on_terminal(&table, 10), "JOB    STATE        N  DETAIL\n"
                                                       "job_1  running      7  half …\n"
                                                       "job_2  failed   12345  größe…\n");
}

/* In the order of their numbers, and not before shortening has been tried. */
static void a_narrow_terminal_leaves_out_what_matters_least(void **state)
{
    (void)state;
    static const struct table_column all[] = {{.title = "JOB"},
                                              {.title = "MODEL", .least = 4, .leaves = 2},
                                              {.title = "DETAIL", .least = 8},
                                              {.title = "TEST", .right = true, .leaves = 3},
                                              {.title = "CREATED", .leaves = 1}};
    static const char *const cells[] = {"job_1", "digits", "half is done", "99 %", "2026-11-24 20:36"};
    static const struct {
        unsigned short width;
        const char *text;
    } expected[] = {
        {51, "JOB    MODEL   DETAIL        TEST  CREATED\n"
             "job_1  digits  half is done  99 %  2026-11-24 20:36\n"},
        {45, "JOB    MOD…  DETAIL    TEST  CREATED\n"
             "job_1  dig…  half is…  99 %  2026-11-24 20:36\n"},
        {44, "JOB    MODEL   DETAIL        TEST\n"
             "job_1  digits  half is done  99 %\n"},
        {26, "JOB    DETAIL        TEST\n"
             "job_1  half is done  99 %\n"},
        {20, "JOB    DETAIL\n"
             "job_1  half is done\n"},
        {14, "JOB    DETAIL\n"
             "job_1  half i…\n"},
    };
    setenv("NO_COLOR", "1", 1);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct table table = table_begin(all, sizeof all / sizeof *all);
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            table_cell(&table, "%s", cells[j]);
        assert_string_equal(print_on_terminal(&table, expected[i].width), expected[i].text);
    }
}

static void states_are_coloured_unless_colours_are_not_wanted(void **state)
{
    (void)state;
    unsetenv("NO_COLOR");
    setenv("TERM", "xterm", 1);
    struct table table = make_table();
    assert_non_null(strstr(print_on_terminal(&table, 80), "\033[31mfailed\033[0m   12345"));
    setenv("TERM", "dumb", 1);
    table = make_table();
    assert_null(strchr(print_on_terminal(&table, 80), '\033'));
    setenv("TERM", "xterm", 1);
    setenv("NO_COLOR", "1", 1);
    table = make_table();
    assert_null(strchr(print_on_terminal(&table, 80), '\033'));
}

static void texts_of_others_do_not_move_the_cursor(void **state)
{
    (void)state;
    struct table table = table_begin(columns, 1);
    table_cell(&table, "%s", "a\033[2Jb\nc\x7f");
    assert_string_equal(print_to_file(&table), "JOB\na?[2Jb?c?\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_what_is_in_them),
        cmocka_unit_test(a_narrow_terminal_shortens_what_may_be),
        cmocka_unit_test(a_narrow_terminal_leaves_out_what_matters_least),
        cmocka_unit_test(states_are_coloured_unless_colours_are_not_wanted),
        cmocka_unit_test(texts_of_others_do_not_move_the_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

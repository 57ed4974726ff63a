/* progress_*: a bar on a terminal, lines elsewhere. The clock is the test's own. */
#include "server/progress.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct capture {
    FILE *stream;
    char *text;
    size_t size;
    struct progress progress;
};

/* A memory stream is no terminal; `terminal` pretends that it is one, of 80 columns. */
static void capture_begin(struct capture *capture, bool terminal)
{
    capture->stream = open_memstream(&capture->text, &capture->size);
    assert_non_null(capture->stream);
    capture->progress = progress_begin(capture->stream, 100);
    assert_false(capture->progress.terminal);
    capture->progress.terminal = terminal;
}

static void assert_captured(struct capture *capture, const char *text)
{
    fflush(capture->stream);
    assert_string_equal(capture->text, text);
}

static void capture_end(struct capture *capture)
{
    fclose(capture->stream);
    free(capture->text);
}

static const struct progress_state halfway = {"epoch 5/10", 0.5, 5321.4, 64.2};

static void a_file_gets_a_line_every_ten_seconds(void **state)
{
    (void)state;
    struct capture capture;
    capture_begin(&capture, false);
    progress_show(&capture.progress, &halfway, 109.9);
    assert_captured(&capture, "");
    progress_show(&capture.progress, &halfway, 110);
    assert_captured(&capture, "epoch 5/10   50%  5,321 images/s  1:05 left\n");
    progress_show(&capture.progress, &halfway, 119);
    assert_captured(&capture, "epoch 5/10   50%  5,321 images/s  1:05 left\n");
    capture_end(&capture);
}

static void a_terminal_gets_a_bar_ten_times_a_second(void **state)
{
    (void)state;
    static const char bar[] =
        "\repoch 5/10 [=================                 ]  50%  5,321 images/s  1:05 left\033[K";
    struct capture capture;
    capture_begin(&capture, true);
    progress_show(&capture.progress, &halfway, 100.2);
    assert_captured(&capture, bar);
    assert_int_equal(strlen(bar) - strlen("\r\033[K"), 79);
    progress_show(&capture.progress, &halfway, 100.25);
    assert_captured(&capture, bar);
    capture_end(&capture);
}

static void what_is_not_known_yet_is_left_out(void **state)
{
    (void)state;
    struct capture capture;
    capture_begin(&capture, false);
    progress_show(&capture.progress, &(struct progress_state){"epoch 1/10", 0.019, NAN, NAN}, 110);
    assert_captured(&capture, "epoch 1/10    1%\n");
    capture_end(&capture);
}

static void a_long_label_leaves_the_figures_without_a_bar(void **state)
{
    (void)state;
    struct capture capture;
    capture_begin(&capture, true);
    const struct progress_state state_with_long_label = {"a label that takes so much room that no bar fits",
                                                         2, 10, 0};
    progress_show(&capture.progress, &state_with_long_label, 101);
    assert_captured(&capture, "\r200%  10 images/s  0:00 left\033[K");
    capture_end(&capture);
}

static void other_lines_take_the_bars_place(void **state)
{
    (void)state;
    struct capture capture;
    capture_begin(&capture, true);
    progress_print(&capture.progress, "first %d", 1);
    assert_captured(&capture, "first 1\n");
    progress_show(&capture.progress, &(struct progress_state){"x", 0, NAN, NAN}, 101);
    progress_print(&capture.progress, "second");
    assert_non_null(strstr(capture.text, "  0%\033[K\r\033[Ksecond\n"));
    size_t length = strlen(capture.text);
    progress_clear(&capture.progress); /* nothing is left to clear */
    assert_int_equal(strlen(capture.text), length);
    capture_end(&capture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_gets_a_line_every_ten_seconds),
        cmocka_unit_test(a_terminal_gets_a_bar_ten_times_a_second),
        cmocka_unit_test(what_is_not_known_yet_is_left_out),
        cmocka_unit_test(a_long_label_leaves_the_figures_without_a_bar),
        cmocka_unit_test(other_lines_take_the_bars_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

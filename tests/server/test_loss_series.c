/* The loss of every step in bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/loss_series.h"

#include <math.h>

/* The loss of step n is n, so that a place can be told from its value. */
static void add_steps(struct loss_series *series, int64_t first, int64_t last)
{
    for (int64_t step = first; step <= last; step++)
        loss_series_add(series, step, (double)step);
}

static void assert_in_place(const struct loss_series *series)
{
    for (size_t i = 0; i < series->count; i++)
        assert_true(series->losses[i] == (float)((int64_t)(i + 1) * series->stride));
}

static struct loss_series series, other;

static void few_steps_are_all_kept(void **state)
{
    (void)state;
    loss_series_start(&series);
    add_steps(&series, 1, LOSS_SERIES_MAX);
    assert_int_equal(series.stride, 1);
    assert_int_equal(series.count, LOSS_SERIES_MAX);
    assert_in_place(&series);
}

static void many_steps_are_thinned_evenly(void **state)
{
    (void)state;
    loss_series_start(&series);
    for (int64_t step = 1; step <= 10 * LOSS_SERIES_MAX + 3; step++) {
        loss_series_add(&series, step, (double)step);
        assert_true(series.count <= LOSS_SERIES_MAX);
    }
    assert_int_equal(series.stride, 16);
    assert_int_equal(series.count, (10 * LOSS_SERIES_MAX + 3) / 16);
    assert_in_place(&series);
}

static void a_continued_series_equals_one_without_a_break(void **state)
{
    (void)state;
    loss_series_start(&series);
    add_steps(&series, 1, 3 * LOSS_SERIES_MAX);
    struct step_losses kept = loss_series_view(&series);
    loss_series_resume(&other, &kept, 2 * LOSS_SERIES_MAX + 1); /* the checkpoint is older than the series */
    add_steps(&other, 2 * LOSS_SERIES_MAX + 2, 3 * LOSS_SERIES_MAX);
    assert_int_equal(other.stride, series.stride);
    assert_int_equal(other.count, series.count);
    assert_in_place(&other);
}

static void what_was_not_kept_is_nan_and_in_its_place(void **state)
{
    (void)state;
    float losses[] = {1, 2};
    struct step_losses kept = {1, 2, losses};
    loss_series_resume(&series, &kept, 4);
    loss_series_add(&series, 5, 5);
    assert_int_equal(series.count, 5);
    assert_true(series.losses[1] == 2 && isnan(series.losses[2]) && isnan(series.losses[3]));
    assert_true(series.losses[4] == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_steps_are_all_kept),
        cmocka_unit_test(many_steps_are_thinned_evenly),
        cmocka_unit_test(a_continued_series_equals_one_without_a_break),
        cmocka_unit_test(what_was_not_kept_is_nan_and_in_its_place),
    };
    return cmocka_run_group_tests_name("loss_series", tests, NULL, NULL);
}

/* The time that a sweep will still take, from made-up clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/sweep_eta.h"

#include <math.h>

#define TRIALS 10

static void assert_near(double value, double expected, double share)
{
    if (!(fabs(value - expected) <= share * expected))
        fail_msg("%g is not within %g of %g", value, share, expected);
}

/* Trial i is expected to take 1 + i seconds, and takes `slower` times as long, one after the other. */
static struct trial_time trial_at(double now, int i, double slower)
{
    double start = slower * i * (i + 1) / 2, length = slower * (1 + i), taken = now - start;
    struct trial_time trial = {.expected = 1 + i, .taken = taken, .left = length - taken};
    trial.progress = taken < 0 ? TRIAL_WAITS : taken < length ? TRIAL_RUNS : TRIAL_IS_DONE;
    trial.taken = taken < 0 ? 0 : taken < length ? taken : length;
    return trial;
}

static void it_is_right_whatever_was_expected(void **state)
{
    (void)state;
    static const double factors[] = {0.4, 1, 3};
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
        double end = factors[f] * TRIALS * (TRIALS + 1) / 2;
        for (int tenths = 1; tenths < 10 * end; tenths++) {
            double now = tenths / 10.0;
            struct trial_time trials[TRIALS];
            for (int i = 0; i < TRIALS; i++)
                trials[i] = trial_at(now, i, factors[f]);
            assert_near(sweep_eta(trials, TRIALS, 0, 1), end - now, 1e-6);
        }
    }
}

static void before_anything_ran_it_is_what_was_expected(void **state)
{
    (void)state;
    const struct trial_time trials[] = {{TRIAL_WAITS, 4, 0, NAN}, {TRIAL_WAITS, 6, 0, NAN}};
    assert_near(sweep_eta(trials, 2, 0, 1), 10, 1e-9);
    assert_near(sweep_eta(trials, 2, 5, 1), 15, 1e-9);
}

static void one_that_was_paused_does_not_count(void **state)
{
    (void)state;
    const struct trial_time trials[] = {{TRIAL_IS_DONE, 2, 4, 0},
                                        {TRIAL_IS_DONE, 2, 4000, 0},
                                        {TRIAL_IS_DONE, 2, 4, 0},
                                        {TRIAL_WAITS, 3, 0, NAN}};
    assert_near(sweep_eta(trials, 4, 0, 1), 6, 1e-9);
}

static void one_that_runs_without_a_figure_counts_down(void **state)
{
    (void)state;
    const struct trial_time trials[] = {{TRIAL_RUNS, 5, 3, NAN}, {TRIAL_WAITS, 1, 0, NAN}};
    assert_near(sweep_eta(trials, 2, 0, 1), 3, 1e-9);
}

static void jobs_at_once_share_the_work_but_not_a_trial(void **state)
{
    (void)state;
    const struct trial_time even[] = {
        {TRIAL_RUNS, 2, 2, 2}, {TRIAL_RUNS, 2, 2, 2}, {TRIAL_WAITS, 2, 0, NAN}, {TRIAL_WAITS, 2, 0, NAN}};
    assert_near(sweep_eta(even, 4, 0, 2), 6, 1e-9);
    const struct trial_time last[] = {{TRIAL_IS_DONE, 2, 4, 0}, {TRIAL_RUNS, 2, 1, 3}};
    assert_near(sweep_eta(last, 2, 0, 2), 3, 1e-9);
    assert_near(sweep_eta(&even[2], 2, 0, 2), 4,
                1e-9); /* measured on all threads: each takes twice as long */
}

static void what_nobody_can_expect_is_not_foretold(void **state)
{
    (void)state;
    const struct trial_time trial = {TRIAL_WAITS, NAN, 0, NAN};
    assert_true(isnan(sweep_eta(&trial, 1, 0, 1)) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_right_whatever_was_expected),
        cmocka_unit_test(before_anything_ran_it_is_what_was_expected),
        cmocka_unit_test(one_that_was_paused_does_not_count),
        cmocka_unit_test(one_that_runs_without_a_figure_counts_down),
        cmocka_unit_test(jobs_at_once_share_the_work_but_not_a_trial),
        cmocka_unit_test(what_nobody_can_expect_is_not_foretold),
    };
    return cmocka_run_group_tests_name("sweep_eta", tests, NULL, NULL);
}

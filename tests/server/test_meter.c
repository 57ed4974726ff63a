/* Rates and remaining times, from made-up clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/meter.h"

#include <math.h>

static const struct meter_plan plan = {
    .epochs = 4, .train_images = 40000, .validation_images = 1000, .test_images = 1000};

/* Trains `steps` batches of 100 images in `seconds` each, from `now` on; returns the new time. */
static double train(struct meter *meter, double now, int steps, double seconds)
{
    for (int i = 0; i < steps; i++)
        meter_step(meter, now += seconds, meter->images + 100);
    return now;
}

static void assert_near(double value, double expected, double share)
{
    if (!(fabs(value - expected) <= share * expected))
        fail_msg("%g is not within %g of %g", value, share, expected);
}

static void nothing_is_said_too_early(void **state)
{
    (void)state;
    struct meter meter;
    meter_start(&meter, &plan, 50, 0, 0);
    assert_true(isnan(meter_rate(&meter)) != 0);
    assert_true(isnan(meter_eta(&meter, 50)) != 0);
    double now = train(&meter, 50, 9, 0.1);
    assert_true(isnan(meter_rate(&meter)) != 0);
    now = train(&meter, now, 2, 0.1);
    assert_near(meter_rate(&meter), 1000, 1e-6);
    assert_true(isnan(meter_eta(&meter, now)) == 0);
}

/* 100 steps of 0.1 s and 0.4 s of validation an epoch, then 0.4 s of test: 42 s in all. */
static void a_steady_run_is_foretold_from_the_fifth_second(void **state)
{
    (void)state;
    struct meter meter;
    double now = 0, end = 42;
    meter_start(&meter, &plan, now, 0, 0);
    for (int epoch = 0; epoch < plan.epochs; epoch++) {
        for (int step = 0; step < 100; step++) {
            now = train(&meter, now, 1, 0.1);
            if (now >= 5)
                assert_near(meter_eta(&meter, now), end - now, 0.05);
        }
        meter_epoch(&meter, now += 0.4);
        assert_near(meter_eta(&meter, now), end - now, 0.02);
    }
    meter_test(&meter, now + 0.2, 500);
    assert_near(meter_eta(&meter, now + 0.2), 0.2, 0.02);
    meter_test(&meter, now + 0.4, 1000);
    assert_true(meter_eta(&meter, now + 0.4) < 1e-9);
}

static void the_rate_follows_a_machine_that_gets_busy(void **state)
{
    (void)state;
    struct meter meter;
    meter_start(&meter, &plan, 0, 0, 0);
    double now = train(&meter, 0, 100, 0.1);
    assert_near(meter_rate(&meter), 1000, 0.01);
    train(&meter, now, 100, 0.4);
    assert_near(meter_rate(&meter), 250, 0.1);
}

static void a_pause_between_pieces_counts_down(void **state)
{
    (void)state;
    struct meter meter;
    meter_start(&meter, &plan, 0, 0, 0);
    double now = train(&meter, 0, 100, 0.1), eta = meter_eta(&meter, now);
    assert_near(meter_eta(&meter, now + 1), eta - 1, 1e-9);
    assert_true(meter_eta(&meter, now + 10 * eta) == 0);
}

static void a_continued_run_counts_only_what_is_left(void **state)
{
    (void)state;
    struct meter meter;
    meter_start(&meter, &plan, 0, 30000, 3);
    double now = train(&meter, 0, 50, 0.1);
    assert_near(meter_rate(&meter), 1000, 0.01);
    assert_near(meter_eta(&meter, now), 5 + 2.0 / 3, 0.02);
}

static void epochs_that_will_not_come_are_not_waited_for(void **state)
{
    (void)state;
    struct meter meter;
    meter_start(&meter, &plan, 0, 0, 0);
    double now = train(&meter, 0, 100, 0.1);
    meter_epoch(&meter, now += 0.4);
    assert_near(meter_eta(&meter, now), 3 * 10.4 + 0.4, 0.02);
    meter_end_early(&meter);
    assert_near(meter_eta(&meter, now), 0.4, 0.02);
    meter_test(&meter, now + 0.2, 500);
    assert_near(meter_eta(&meter, now + 0.2), 0.2, 0.02);
}

static void a_run_is_foretold_from_its_rate(void **state)
{
    (void)state;
    assert_near(meter_forecast(&plan, 1000), 40 + (4 * 1 + 1) / 3.0, 1e-9);
}

/* ---- Within a fifth at half-time --------------------------------------------------------------------- */

/* What a run does with its time, as a recorded clock has it. */
struct recording {
    const char *name;
    struct meter_plan plan;
    int from_epoch;              /* it continues after so many */
    double first, step;          /* seconds of a batch of 100 images in the first epoch, and later */
    double between, bookkeeping; /* seconds of a validation, and of what else follows an epoch */
    double test;
};

/* Plays it, and expects from second 5 on that there is a figure, and from the middle on that it is right within a fifth. */
static void play(const struct recording *run, double length)
{
    struct meter meter;
    const struct meter_plan *whole = &run->plan;
    int steps = (int)(whole->train_images / whole->epochs / 100);
    double now = 0;
    meter_start(&meter, whole, now, (int64_t)run->from_epoch * steps * 100, run->from_epoch);
    for (int epoch = run->from_epoch; epoch < whole->epochs; epoch++) {
        for (int i = 0; i < steps; i++) {
            now = train(&meter, now, 1, epoch == 0 ? run->first : run->step);
            double eta = meter_eta(&meter, now);
            if (now >= 5 && isnan(eta))
                fail_msg("%s: nothing is said after %g s", run->name, now);
            if (length > 0 && now >= 5 && now >= length / 2 &&
                fabs(eta - (length - now)) > 0.2 * (length - now) + 0.05)
                fail_msg("%s: after %g of %g s it says %g s more", run->name, now, length, eta);
        }
        meter_epoch(&meter, now += run->between + run->bookkeeping);
    }
    for (int tested = 1; tested <= 4; tested++)
        meter_test(&meter, now += run->test / 4, whole->test_images * tested / 4);
    if (length == 0)
        play(run, now);
}

/* Batches of 100 images, at the pace of two processors. */
static void the_half_way_figure_is_within_a_fifth_for_every_kind_of_run(void **state)
{
    (void)state;
    static const struct meter_plan even = {
        .epochs = 10, .train_images = 100000, .validation_images = 1000, .test_images = 10000};
    static const struct meter_plan unvalidated = {.epochs = 10, .train_images = 100000, .test_images = 10000};
    static const struct meter_plan single = {
        .epochs = 1, .train_images = 60000, .validation_images = 6000, .test_images = 10000};
    static const struct meter_plan long_epochs = {
        .epochs = 10, .train_images = 300000, .validation_images = 1000, .test_images = 10000};
    const struct recording runs[] = {
        {"steady", even, 0, 0.04, 0.04, 0.13, 0.02, 1.3},
        {"slow first epoch", even, 0, 0.12, 0.04, 0.13, 0.02, 1.3},
        {"augmented", even, 0, 0.08, 0.08, 0.13, 0.02, 1.3}, /* forward is a sixth of an image's time */
        {"no validation, much bookkeeping", unvalidated, 0, 0.04, 0.04, 0, 0.5, 1.3},
        {"few validate, much bookkeeping",
         {.epochs = 10, .train_images = 100000, .validation_images = 100, .test_images = 10000},
         0,
         0.04,
         0.04,
         0.01,
         0.4,
         1.3},
        {"one epoch", single, 0, 0.04, 0.04, 0.8, 0.02, 1.3},
        {"resumed", even, 6, 0.04, 0.04, 0.13, 0.02, 1.3},
        {"resumed in the last epoch", long_epochs, 9, 0.04, 0.04, 0.13, 0.02, 1.3},
        {"a large network", even, 0, 2.5, 2.5, 8, 0.3, 80},
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        play(&runs[i], 0);
}

static void a_validation_of_which_only_the_end_is_seen_is_no_measure(void **state)
{
    (void)state;
    struct meter meter;
    meter_start(&meter, &plan, 0, 10000, 0); /* interrupted while it validated */
    meter_epoch(&meter, 0.01);
    double now = train(&meter, 0.01, 100, 0.1);
    assert_near(meter_eta(&meter, now), 20 + 3 / 3.0 + 1 / 3.0, 0.01);
}

static void a_run_that_is_resumed_in_its_test_says_when_it_ends(void **state)
{
    (void)state;
    struct meter meter;
    meter_start(&meter, &plan, 0, 40000, 4);
    assert_true(isnan(meter_eta(&meter, 0)) != 0);
    meter_test(&meter, 1, 250);
    assert_near(meter_eta(&meter, 1), 3, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_too_early),
        cmocka_unit_test(a_steady_run_is_foretold_from_the_fifth_second),
        cmocka_unit_test(the_rate_follows_a_machine_that_gets_busy),
        cmocka_unit_test(a_pause_between_pieces_counts_down),
        cmocka_unit_test(a_continued_run_counts_only_what_is_left),
        cmocka_unit_test(epochs_that_will_not_come_are_not_waited_for),
        cmocka_unit_test(a_run_is_foretold_from_its_rate),
        cmocka_unit_test(the_half_way_figure_is_within_a_fifth_for_every_kind_of_run),
        cmocka_unit_test(a_validation_of_which_only_the_end_is_seen_is_no_measure),
        cmocka_unit_test(a_run_that_is_resumed_in_its_test_says_when_it_ends),
    };
    return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}

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
    };
    return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}

/* States of trials, their ranking, and the verdict. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/sweep_results.h"

#define TRIALS_MAX 8

static struct trial_record trials[TRIALS_MAX];
static size_t count;

static int clear_trials(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++)
        trial_record_clear(&trials[i]);
    count = 0;
    return 0;
}

/* A trial whose job is in this state; it has figures if it succeeded. */
static struct trial_record *add(int combination, enum job_state state, double validation, double test)
{
    char settings[64];
    struct trial_record *trial = &trials[count++];
    snprintf(settings, sizeof settings, "{\"/model/blocks/filters\":%d}", combination);
    *trial = (struct trial_record){.trial = (int)count,
                                   .combination = combination,
                                   .settings = strdup(settings),
                                   .is_possible = true,
                                   .has_job = true,
                                   .job = "job_0123456789abcdef",
                                   .job_state = state,
                                   .best_accuracy = validation};
    if (state == JOB_SUCCEEDED) {
        const struct version_record version = {
            .validation_accuracy = validation, .test_accuracy = test, .epochs = 3, .parameters = 810};
        trial->outcome = trial_outcome_to_text(&version, 6000);
    }
    return trial;
}

static struct sweep_results rank(bool cancelled)
{
    struct sweep_results results;
    struct error err;
    if (sweep_results_create(trials, count, cancelled, &results, &err))
        fail_msg("%s", err.message);
    return results;
}

static void assert_order(const struct sweep_results *results, const int *expected)
{
    for (size_t i = 0; i < results->count; i++)
        assert_int_equal(results->rows[i].trial->trial, expected[i]);
}

/* ---- Ranking --------------------------------------------------------------------------------------- */

static void the_best_is_picked_by_validation_and_not_by_test(void **state)
{
    (void)state;
    add(1, JOB_SUCCEEDED, 0.97, 0.99);
    add(2, JOB_SUCCEEDED, 0.98, 0.96);
    add(3, JOB_RUNNING, 0.999, 0);
    struct sweep_results results = rank(false);
    assert_order(&results, (const int[]){2, 1, 3});
    assert_int_equal(results.best->trial->trial, 2);
    assert_true(fabs(results.best->version.test_accuracy - 0.96) < 1e-12);
    sweep_results_clear(&results);
}

static void combinations_count_by_the_mean_of_their_seeds(void **state)
{
    (void)state;
    add(1, JOB_SUCCEEDED, 0.99, 0.9); /* the single best, but the worse combination */
    add(1, JOB_SUCCEEDED, 0.91, 0.9);
    add(2, JOB_SUCCEEDED, 0.96, 0.9);
    add(2, JOB_SUCCEEDED, 0.98, 0.9);
    struct sweep_results results = rank(false);
    assert_order(&results, (const int[]){4, 3, 1, 2});
    assert_true(fabs(results.rows[0].mean - 0.97) < 1e-12);
    assert_true(fabs(results.rows[0].spread - 0.01 * sqrt(2)) < 1e-12);
    sweep_results_clear(&results);
}

static void whoever_got_further_in_halving_ranks_before(void **state)
{
    (void)state;
    add(1, JOB_SUCCEEDED, 0.99, 0.9)->stopped = true;
    add(2, JOB_SUCCEEDED, 0.95, 0.9)->rung = 1;
    struct sweep_results results = rank(false);
    assert_order(&results, (const int[]){2, 1});
    assert_int_equal(results.rows[1].state, TRIAL_STOPPED);
    sweep_results_clear(&results);
}

/* ---- States ---------------------------------------------------------------------------------------- */

static void a_trial_is_in_the_state_of_its_job(void **state)
{
    (void)state;
    add(1, JOB_FAILED, NAN, 0);
    add(2, JOB_PAUSED, NAN, 0);
    add(3, JOB_QUEUED, NAN, 0)->pending = true;
    add(4, JOB_QUEUED, NAN, 0)->is_possible = false;
    add(5, JOB_SUCCEEDED, 0.9, 0.9)->has_job = false; /* somebody has deleted the job: the figures stay */
    add(6, JOB_RUNNING, NAN, 0)->has_job = false;
    static const enum trial_state running[] = {TRIAL_SUCCEEDED, TRIAL_FAILED,  TRIAL_PAUSED,
                                               TRIAL_QUEUED,    TRIAL_INVALID, TRIAL_CANCELLED};
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        struct sweep_results results = rank(cancelled);
        for (size_t i = 0; i < results.count; i++) {
            enum trial_state expected = running[i];
            if (cancelled && expected == TRIAL_QUEUED)
                expected = TRIAL_CANCELLED;
            assert_int_equal(results.rows[i].state, expected);
        }
        sweep_results_clear(&results);
    }
}

/* ---- The verdict ----------------------------------------------------------------------------------- */

static void assert_verdict(const char *expected)
{
    char verdict[SWEEP_VERDICT_SIZE];
    struct sweep_results results = rank(false);
    sweep_results_verdict(&results, verdict);
    assert_string_equal(verdict, expected);
    sweep_results_clear(&results);
}

static void the_verdict_says_whether_a_lead_is_more_than_chance(void **state)
{
    (void)state;
    add(32, JOB_SUCCEEDED, 0.99, 0.985);
    add(64, JOB_SUCCEEDED, 0.98, 0.986);
    assert_verdict(
        "Best: filters 32, 99.00 % of the validation images and 98.50 % of the test images; the next "
        "(filters 64) is 1.00 points behind, more than the 0.44 that chance makes on 6000 images.");
    add(48, JOB_SUCCEEDED, 0.989, 0.986);
    assert_verdict(
        "Best: filters 32, 99.00 % of the validation images and 98.50 % of the test images; the next "
        "(filters 48) is 0.10 points behind, no more than the 0.37 that chance makes on 6000 images.");
}

static void the_verdict_on_repeated_seeds_is_one_of_means(void **state)
{
    (void)state;
    add(32, JOB_SUCCEEDED, 0.99, 0.985);
    add(32, JOB_SUCCEEDED, 0.97, 0.975);
    add(64, JOB_SUCCEEDED, 0.96, 0.986);
    add(64, JOB_SUCCEEDED, 0.98, 0.986);
    assert_verdict(
        "Best: filters 32, 98.00 % of the validation images in the mean of 2 seeds, with a spread of 1.41 "
        "points; the best of them has 99.00 %, and 98.50 % of the test images; the next (filters 64) is 1.00 "
        "points behind, more than the 0.57 that chance makes on 6000 images.");
}

static void the_verdict_names_what_never_learned(void **state)
{
    (void)state;
    add(1, JOB_SUCCEEDED, 0.9, 0.9);
    add(2, JOB_SUCCEEDED, 0.1135, 0.1135);
    struct sweep_results results = rank(false);
    assert_false(results.rows[0].never_learned);
    assert_true(results.rows[1].never_learned);
    sweep_results_clear(&results);
    assert_verdict(
        "Best: filters 1, 90.00 % of the validation images and 90.00 % of the test images; the next "
        "(filters 2) is 78.65 points behind, more than the 1.13 that chance makes on 6000 images; "
        "filters 2 never learned.");
}

static void without_a_success_the_verdict_says_so(void **state)
{
    (void)state;
    add(1, JOB_FAILED, NAN, 0);
    assert_verdict("No trial has succeeded.");
    add(2, JOB_RUNNING, NAN, 0);
    assert_verdict("No trial has succeeded yet.");
}

#define TEST(name) cmocka_unit_test_teardown(name, clear_trials)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_best_is_picked_by_validation_and_not_by_test),
        TEST(combinations_count_by_the_mean_of_their_seeds),
        TEST(whoever_got_further_in_halving_ranks_before),
        TEST(a_trial_is_in_the_state_of_its_job),
        TEST(the_verdict_says_whether_a_lead_is_more_than_chance),
        TEST(the_verdict_on_repeated_seeds_is_one_of_means),
        TEST(the_verdict_names_what_never_learned),
        TEST(without_a_success_the_verdict_says_so),
    };
    return cmocka_run_group_tests_name("sweep_results", tests, NULL, NULL);
}

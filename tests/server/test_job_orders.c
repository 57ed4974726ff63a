/* What clients order a job to do, in each of its phases, and jobs that run at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/datasets.h"
#include "tests/server/job_services.h"
#include "tests/server/scratch.h"
#include "tests/server/tiny_dataset.h"

#include <string.h>

/* ---- In every phase -------------------------------------------------------------------------------- */

/* Half of 6,000 images validate, and 4,000 test: each takes many pieces. */
#define PHASES_JOB                                                                                           \
    "{\"dataset\":\"wide\"," SMALL_MODEL                                                                     \
    ",\"training\":{\"epochs\":2,\"batch_size\":64,\"validation_split\":0.5}}"

static bool is_in(const char *id, enum job_phase phase)
{
    struct job_view view = view_of(id);
    bool is_in = view.is_live && view.progress.phase == phase;
    job_view_clear(&view);
    return is_in;
}

static bool is_validating(const char *id)
{
    return is_in(id, PHASE_VALIDATING);
}

static bool is_evaluating(const char *id)
{
    return is_in(id, PHASE_EVALUATING);
}

/* Submits until one is seen in the phase: a fast machine may be past it between two looks. */
static void catch_in(bool (*is_there)(const char *id), char id[JOB_ID_LENGTH + 1])
{
    for (int i = 0; i < 50; i++) {
        submit(PHASES_JOB, id);
        while (!is_there(id) && !is_over(id))
            ;
        if (!is_over(id) && change(id, JOB_PAUSED) == JOB_CHANGED)
            return;
    }
    fail_msg("no job was seen in the phase");
}

static void assert_pause_is_harmless(bool (*is_there)(const char *id))
{
    char undisturbed[JOB_ID_LENGTH + 1], id[JOB_ID_LENGTH + 1], other[JOB_ID_LENGTH + 1];
    tiny_dataset_write("data/wide", 6000, 4000);
    start_runner();
    submit(PHASES_JOB, undisturbed);
    wait_until(is_over, undisturbed);
    catch_in(is_there, id);
    submit(SHORT_JOB, other);
    wait_until(is_over, other); /* so the runner has let go of the paused one */
    assert_int_equal(state_of(id), JOB_PAUSED);
    assert_int_equal(change(id, JOB_QUEUED), JOB_CHANGED);
    wait_until(is_over, id);
    struct version_record last = version_of("digits", 1), model;
    for (int version = 2;; version++) {
        struct error err;
        if (store_version_read(services()->store, "digits", version, &model, &err))
            fail_msg("the resumed job made no version");
        bool found = strcmp(model.job_id, id) == 0;
        if (found) {
            assert_string_equal(model.weights_digest, last.weights_digest);
            assert_true(model.test_accuracy == last.test_accuracy);
            assert_true(model.validation_accuracy == last.validation_accuracy);
        }
        version_record_clear(&model);
        if (found)
            break;
    }
    version_record_clear(&last);
}

static void a_pause_while_validating_changes_nothing(void **state)
{
    (void)state;
    assert_pause_is_harmless(is_validating);
}

static void a_pause_while_testing_changes_nothing(void **state)
{
    (void)state;
    assert_pause_is_harmless(is_evaluating);
}

static void a_running_job_is_not_resumed(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    submit(ENDLESS_JOB, id);
    assert_int_equal(change(id, JOB_QUEUED), JOB_UNCHANGED);
    start_runner();
    wait_until(is_in_third_epoch, id);
    assert_int_equal(change(id, JOB_QUEUED), JOB_UNCHANGED);
    assert_int_equal(state_of(id), JOB_RUNNING);
    assert_int_equal(change(id, JOB_CANCELLED), JOB_CHANGED);
    assert_int_equal(change(id, JOB_QUEUED), JOB_REFUSED);
}

static void a_job_that_is_resumed_at_once_goes_on(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], other[JOB_ID_LENGTH + 1];
    run_at_once(2); /* so that another thread is free to take it before the first has let go */
    submit(LONG_JOB, id);
    submit(LONG_JOB, other);
    start_runner();
    wait_until(is_in_third_epoch, id);
    for (int i = 0; i < 20 && !is_over(id); i++) {
        if (change(id, JOB_PAUSED) == JOB_CHANGED)
            assert_int_equal(change(id, JOB_QUEUED), JOB_CHANGED);
    }
    wait_until(is_over, id);
    wait_until(is_over, other);
    assert_int_equal(state_of(id), JOB_SUCCEEDED);
    assert_same_weights(1, 2);
}

/* ---- The queue ------------------------------------------------------------------------------------- */

static int64_t position_of(const char *id)
{
    struct job_view view = view_of(id);
    int64_t position = view.record.position;
    job_view_clear(&view);
    return position;
}

static void the_higher_priority_runs_first(void **state)
{
    (void)state;
    char ids[4][JOB_ID_LENGTH + 1];
    enum job_state from;
    for (int i = 0; i < 3; i++)
        submit(SHORT_JOB, ids[i]);
    submit("{\"dataset\":\"tiny\"," SMALL_MODEL ",\"training\":{\"epochs\":1},\"priority\":5}", ids[3]);
    assert_int_equal(jobs_prioritise(services()->jobs, ids[2], 7, &from, NULL), JOB_CHANGED);
    assert_int_equal(change(ids[1], JOB_PAUSED), JOB_CHANGED);
    assert_int_equal(jobs_prioritise(services()->jobs, ids[1], -1, &from, NULL), JOB_CHANGED);
    assert_int_equal(position_of(ids[1]), 0);
    assert_int_equal(change(ids[1], JOB_QUEUED), JOB_CHANGED);
    static const int expected[] = {2, 3, 0, 1};
    for (int i = 0; i < 4; i++)
        assert_int_equal(position_of(ids[expected[i]]), i + 1);
    start_runner();
    wait_until(is_over, ids[1]);
    for (int i = 0; i < 4; i++) {
        struct version_record version = version_of("digits", i + 1);
        assert_string_equal(version.job_id, ids[expected[i]]);
        version_record_clear(&version);
    }
    assert_int_equal(position_of(ids[0]), 0);
    assert_int_equal(jobs_prioritise(services()->jobs, ids[1], 1, &from, NULL), JOB_REFUSED);
    assert_int_equal(from, JOB_SUCCEEDED);
    assert_int_equal(jobs_prioritise(services()->jobs, "job_0123456789abcdef", 1, &from, NULL), JOB_UNKNOWN);
}

/* ---- At once --------------------------------------------------------------------------------------- */

static void jobs_that_run_at_once_come_to_the_same_as_alone(void **state)
{
    (void)state;
    char alone[JOB_ID_LENGTH + 1], ids[3][JOB_ID_LENGTH + 1];
    start_runner();
    submit(LONG_JOB, alone);
    wait_until(is_over, alone);
    run_at_once(3); /* on two threads: each gets one */
    for (int i = 0; i < 3; i++)
        submit(LONG_JOB, ids[i]);
    start_runner();
    for (int i = 0; i < 3; i++)
        wait_until(is_over, ids[i]);
    struct job_view first = view_of(ids[0]), last = view_of(ids[2]);
    assert_true(last.record.started_at < first.record.finished_at);
    job_view_clear(&first);
    job_view_clear(&last);
    for (int version = 2; version <= 4; version++)
        assert_same_weights(1, version);
}

static void threads_are_shared_out(void **state)
{
    (void)state;
    assert_int_equal(job_runner_share(8, 1, 0), 8);
    assert_int_equal(job_runner_share(8, 3, 0), 3);
    assert_int_equal(job_runner_share(8, 3, 1), 3);
    assert_int_equal(job_runner_share(8, 3, 2), 2);
    assert_int_equal(job_runner_share(2, 4, 3), 1);
}

/* ---- Deleting -------------------------------------------------------------------------------------- */

static void a_job_is_forgotten_once_it_has_ended(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    enum job_state from;
    struct job_view view;
    struct error err;
    submit(ENDLESS_JOB, id);
    assert_int_equal(jobs_delete(services()->jobs, id, &from, &err), JOB_REFUSED);
    start_runner();
    wait_until(is_in_third_epoch, id);
    assert_int_equal(jobs_delete(services()->jobs, id, &from, &err), JOB_REFUSED);
    assert_int_equal(from, JOB_RUNNING);
    assert_int_equal(change(id, JOB_CANCELLED), JOB_CHANGED);
    assert_int_equal(jobs_delete(services()->jobs, id, &from, &err),
                     JOB_CHANGED); /* at once: it waits for the runner */
    assert_true(has_no_checkpoint(id));
    assert_int_equal(jobs_read(services()->jobs, id, &view, &err), ERR_NOT_FOUND);
    assert_int_equal(jobs_delete(services()->jobs, id, &from, &err), JOB_UNKNOWN);
}

static void a_version_outlives_its_job(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    enum job_state from;
    submit(SHORT_JOB, id);
    start_runner();
    wait_until(is_over, id);
    assert_int_equal(jobs_delete(services()->jobs, id, &from, NULL), JOB_CHANGED);
    struct version_record version = version_of("digits", 1);
    assert_string_equal(version.job_id, id);
    version_record_clear(&version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_pause_while_validating_changes_nothing, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_pause_while_testing_changes_nothing, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_running_job_is_not_resumed, services_setup, services_teardown),
        cmocka_unit_test_setup_teardown(a_job_that_is_resumed_at_once_goes_on, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(the_higher_priority_runs_first, services_setup, services_teardown),
        cmocka_unit_test_setup_teardown(jobs_that_run_at_once_come_to_the_same_as_alone, services_setup,
                                        services_teardown),
        cmocka_unit_test(threads_are_shared_out),
        cmocka_unit_test_setup_teardown(a_job_is_forgotten_once_it_has_ended, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_version_outlives_its_job, services_setup, services_teardown),
    };
    return cmocka_run_group_tests_name("job orders", tests, services_start_engine, NULL);
}

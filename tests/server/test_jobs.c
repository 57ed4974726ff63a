/* The life of a training job, with the real runner, store and engine on a dataset of a few images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/datasets.h"
#include "tests/server/job_services.h"
#include "tests/server/scratch.h"
#include "tests/server/tiny_dataset.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* ---- From the queue to a version ------------------------------------------------------------------- */

static void a_job_becomes_a_version_in_production(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    submit(SHORT_JOB, id);
    assert_int_equal(state_of(id), JOB_QUEUED);
    start_runner();
    wait_until(is_over, id);
    struct job_view view = view_of(id);
    assert_int_equal(view.record.state, JOB_SUCCEEDED);
    assert_false(view.is_live);
    assert_true(view.record.started_at >= view.record.created_at);
    assert_true(view.record.finished_at >= view.record.started_at);

    struct version_record version = version_of("digits", 1);
    json_t *result = json_loads(view.record.result, 0, NULL);
    json_t *model = json_object_get(result, "model");
    assert_string_equal(json_string_value(json_object_get(model, "name")), "digits");
    assert_int_equal(json_integer_value(json_object_get(model, "version")), 1);
    assert_true(json_number_value(json_object_get(result, "test_accuracy")) == version.test_accuracy);
    assert_true(json_number_value(json_object_get(result, "test_loss")) == version.test_loss);
    assert_int_equal(json_integer_value(json_object_get(result, "parameters")), version.parameters);
    assert_true(json_is_true(json_object_get(result, "promoted")));
    assert_int_equal(json_integer_value(json_object_get(result, "epochs")), 3);
    assert_true(json_is_null(json_object_get(result, "best_epoch")));
    assert_true(json_is_false(json_object_get(result, "stopped_early")));
    json_decref(result);

    assert_string_equal(version.job_id, id);
    assert_string_equal(version.config, view.record.config);
    assert_string_equal(version.core_type, engine_core_type());
    struct dataset_info info;
    assert_int_equal(datasets_info(services()->datasets, "tiny", &info, NULL), OK);
    assert_string_equal(version.train_digest, info.splits[SPLIT_TRAIN].digest);
    assert_string_equal(version.test_digest, info.splits[SPLIT_TEST].digest);
    assert_true(version.training_seconds > 0);
    version_record_clear(&version);
    job_view_clear(&view);

    struct served_model *served = predict_model_default(services()->predictions, "digits");
    assert_int_equal(served->version, 1);
    served_model_unref(served);
    wait_until(has_no_checkpoint, id);
}

static void a_network_learns_stripes(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    submit(LONG_JOB, id);
    start_runner();
    wait_until(is_over, id);
    struct version_record version = version_of("digits", 1);
    assert_true(version.test_accuracy == 1);
    assert_true(version.validation_accuracy == 1);
    version_record_clear(&version);
}

static void every_epoch_and_step_has_its_metrics(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    submit(SHORT_JOB, id);
    start_runner();
    wait_until(is_over, id);
    struct job_series series;
    assert_int_equal(jobs_series(services()->jobs, id, &series, NULL), OK);
    assert_int_equal(series.epoch_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(series.epochs[i].epoch, i + 1);
    assert_true(series.epochs[2].train_loss < series.epochs[0].train_loss);
    assert_int_equal(series.steps.stride, 1);
    assert_int_equal(series.steps.count, 3 * 12); /* 90 images in batches of 8 */
    job_series_clear(&series);
    assert_int_equal(jobs_series(services()->jobs, "job_0123456789abcdef", &series, NULL), ERR_NOT_FOUND);
}

static void a_patient_job_registers_its_best_epoch(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    submit("{\"dataset\":\"tiny\"," SMALL_MODEL
           ",\"training\":{\"epochs\":200,\"patience\":1,\"learning_rate\":0.5}}",
           id);
    start_runner();
    wait_until(is_over, id);
    struct job_series series;
    assert_int_equal(jobs_series(services()->jobs, id, &series, NULL), OK);
    assert_in_range(series.epoch_count, 2, 199);
    struct epoch_metrics last = series.epochs[series.epoch_count - 1];
    struct epoch_metrics best = series.epochs[series.epoch_count - 2];
    assert_true(best.validation_loss <= last.validation_loss);
    struct version_record version = version_of("digits", 1);
    assert_true(version.validation_loss == best.validation_loss);
    assert_true(version.validation_accuracy == best.validation_accuracy);
    version_record_clear(&version);

    struct job_view view = view_of(id);
    int epochs, best_epoch, stopped_early;
    json_t *result = json_loads(view.record.result, 0, NULL);
    assert_int_equal(json_unpack(result, "{s:i, s:i, s:b}", "epochs", &epochs, "best_epoch", &best_epoch,
                                 "stopped_early", &stopped_early),
                     0);
    assert_int_equal(epochs, last.epoch);
    assert_int_equal(best_epoch, best.epoch);
    assert_true(stopped_early);
    json_decref(result);
    job_view_clear(&view);
    job_series_clear(&series);
}

static void jobs_run_in_order_of_arrival(void **state)
{
    (void)state;
    char ids[3][JOB_ID_LENGTH + 1];
    for (int i = 0; i < 3; i++)
        submit(SHORT_JOB, ids[i]);
    start_runner();
    wait_until(is_over, ids[2]);
    for (int i = 0; i < 3; i++) {
        struct version_record version = version_of("digits", i + 1);
        assert_string_equal(version.job_id, ids[i]);
        version_record_clear(&version);
    }
    assert_same_weights(1, 3);
}

static void the_model_in_training_can_be_asked(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    submit(ENDLESS_JOB, id);
    start_runner();
    wait_until(is_in_third_epoch, id);
    struct served_model *served = predict_model_live(services()->predictions, id);
    assert_non_null(served);
    assert_true(served->epoch >= 2);
    served_model_unref(served);
    served = predict_model_default(services()->predictions, "digits"); /* nothing is in production yet */
    assert_string_equal(served->job, id);
    served_model_unref(served);

    assert_int_equal(change(id, JOB_CANCELLED), JOB_CHANGED);
    wait_until(has_no_checkpoint, id);
    assert_null(predict_model_live(services()->predictions, id));
    assert_null(predict_model_default(services()->predictions, "digits"));
}

static void progress_is_that_of_the_epoch_under_way(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    submit(ENDLESS_JOB, id);
    struct job_view view = view_of(id);
    assert_false(view.is_live);
    job_view_clear(&view);
    start_runner();
    wait_until(is_in_third_epoch, id);
    view = view_of(id);
    assert_true(view.is_live);
    assert_true(view.progress.phase == PHASE_TRAINING || view.progress.phase == PHASE_VALIDATING);
    assert_int_equal(view.progress.steps, 90);
    assert_in_range(view.progress.step, 0, 90);
    job_view_clear(&view);
    struct job_series series; /* also the losses since the last epoch */
    assert_int_equal(jobs_series(services()->jobs, id, &series, NULL), OK);
    assert_true(series.steps.count >= 2 * 90);
    job_series_clear(&series);
}

/* ---- Clients' orders ------------------------------------------------------------------------------- */

static void a_waiting_job_is_cancelled_at_once(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    submit(SHORT_JOB, id);
    assert_int_equal(change(id, JOB_CANCELLED), JOB_CHANGED);
    assert_int_equal(change(id, JOB_CANCELLED), JOB_UNCHANGED);
    assert_int_equal(change("job_0123456789abcdef", JOB_CANCELLED), JOB_UNKNOWN);
    start_runner();
    char next[JOB_ID_LENGTH + 1];
    submit(SHORT_JOB, next);
    wait_until(is_over, next);
    assert_int_equal(state_of(id), JOB_CANCELLED);
    struct version_record version = version_of("digits", 1);
    assert_string_equal(version.job_id, next);
    version_record_clear(&version);
}

static void a_cancelled_job_stops_and_makes_no_version(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], next[JOB_ID_LENGTH + 1];
    submit(ENDLESS_JOB, id);
    start_runner();
    wait_until(is_in_third_epoch, id);
    assert_int_equal(change(id, JOB_CANCELLED), JOB_CHANGED);
    assert_int_equal(state_of(id), JOB_CANCELLED);
    submit(SHORT_JOB, next);
    wait_until(is_over, next); /* so the runner is free */
    assert_true(has_no_checkpoint(id));
    struct version_record version = version_of("digits", 1);
    assert_string_equal(version.job_id, next);
    version_record_clear(&version);
    assert_int_equal(change(next, JOB_CANCELLED), JOB_REFUSED);
}

static void a_paused_job_frees_the_runner_and_resumes_to_the_same_bytes(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], other[JOB_ID_LENGTH + 1];
    submit(LONG_JOB, id);
    start_runner();
    wait_until(is_in_third_epoch, id);
    assert_int_equal(change(id, JOB_PAUSED), JOB_CHANGED);
    submit(LONG_JOB, other);
    wait_until(is_over, other);
    assert_int_equal(state_of(id), JOB_PAUSED);
    assert_int_equal(change(id, JOB_QUEUED), JOB_CHANGED);
    wait_until(is_over, id);
    assert_int_equal(state_of(id), JOB_SUCCEEDED);
    assert_same_weights(1, 2);

    struct job_series interrupted, undisturbed;
    assert_int_equal(jobs_series(services()->jobs, id, &interrupted, NULL), OK);
    assert_int_equal(jobs_series(services()->jobs, other, &undisturbed, NULL), OK);
    assert_int_equal(interrupted.epoch_count, undisturbed.epoch_count);
    assert_int_equal(interrupted.steps.count, undisturbed.steps.count);
    assert_memory_equal(interrupted.steps.losses, undisturbed.steps.losses,
                        undisturbed.steps.count * sizeof(float));
    job_series_clear(&interrupted);
    job_series_clear(&undisturbed);
}

static void a_paused_job_that_is_cancelled_leaves_no_checkpoint(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], next[JOB_ID_LENGTH + 1];
    submit(ENDLESS_JOB, id);
    start_runner();
    wait_until(is_in_third_epoch, id);
    assert_int_equal(change(id, JOB_PAUSED), JOB_CHANGED);
    submit(SHORT_JOB, next);
    wait_until(is_over, next); /* so the runner has let go of the other */
    assert_true(scratch_exists(checkpoint_of(id)));
    assert_int_equal(change(id, JOB_CANCELLED), JOB_CHANGED);
    assert_false(scratch_exists(checkpoint_of(id)));
}

static void the_queue_has_a_limit(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    stop_services();
    start_services(2);
    submit(SHORT_JOB, id);
    submit(SHORT_JOB, id);
    assert_int_equal(submit_keyed(SHORT_JOB, NULL, id), JOB_QUEUE_FULL);
}

static void a_repeated_key_starts_no_second_job(void **state)
{
    (void)state;
    char first[JOB_ID_LENGTH + 1], second[JOB_ID_LENGTH + 1];
    assert_int_equal(submit_keyed(SHORT_JOB, "key", first), JOB_INSERTED);
    assert_int_equal(submit_keyed(SHORT_JOB, "key", second), JOB_REPEATED);
    assert_string_equal(first, second);
    assert_int_equal(submit_keyed(LONG_JOB, "key", second), JOB_KEY_REUSED);
}

/* ---- The end of a process -------------------------------------------------------------------------- */

static void a_stopped_service_continues_its_job_to_the_same_bytes(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], undisturbed[JOB_ID_LENGTH + 1];
    submit(LONG_JOB, id);
    start_runner();
    wait_until(is_in_third_epoch, id);
    stop_runner();
    assert_int_equal(state_of(id), JOB_QUEUED);
    assert_true(scratch_exists(checkpoint_of(id)));
    stop_services();

    start_services(100);
    submit(LONG_JOB, undisturbed);
    start_runner();
    wait_until(is_over, undisturbed);
    assert_int_equal(state_of(id), JOB_SUCCEEDED);
    assert_same_weights(1, 2);
}

static bool is_in_fifth_step(const char *id)
{
    struct job_view view = view_of(id);
    job_view_clear(&view);
    return view.is_live && view.progress.step >= 5;
}

static void a_stop_within_the_first_epoch_keeps_its_steps(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    tiny_dataset_write("data/tiny", 4000, 10);
    submit(ENDLESS_JOB, id);
    start_runner();
    wait_until(is_in_fifth_step, id);
    stop_runner();
    assert_true(scratch_exists(checkpoint_of(id)));
    struct job_series series;
    assert_int_equal(jobs_series(services()->jobs, id, &series, NULL), OK);
    assert_int_equal(series.epoch_count, 0);
    assert_true(series.steps.count >= 5);
    job_series_clear(&series);
}

static void a_job_found_running_is_queued_again(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    enum job_state from;
    submit(SHORT_JOB, id);
    assert_int_equal(store_job_change(services()->store, id, JOB_RUNNING, NULL, &from, NULL), JOB_CHANGED);
    stop_services();
    start_services(100);
    assert_int_equal(state_of(id), JOB_QUEUED);
    start_runner();
    wait_until(is_over, id);
    assert_int_equal(state_of(id), JOB_SUCCEEDED);
}

static void a_broken_checkpoint_costs_time_only(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], undisturbed[JOB_ID_LENGTH + 1];
    submit(SHORT_JOB, id);
    scratch_write(checkpoint_of(id), "nonsense", 8);
    submit(SHORT_JOB, undisturbed);
    start_runner();
    wait_until(is_over, undisturbed);
    assert_int_equal(state_of(id), JOB_SUCCEEDED);
    assert_same_weights(1, 2);
}

static void checkpoints_that_no_job_needs_are_swept_at_start(void **state)
{
    (void)state;
    char waiting[JOB_ID_LENGTH + 1], over[JOB_ID_LENGTH + 1];
    submit(SHORT_JOB, waiting);
    submit(SHORT_JOB, over);
    assert_int_equal(change(over, JOB_CANCELLED), JOB_CHANGED);
    scratch_write(checkpoint_of(waiting), "x", 1);
    scratch_write(checkpoint_of(over), "x", 1);
    scratch_write(checkpoint_of("job_0123456789abcdef"), "x", 1);
    scratch_write("store/checkpoints/job_0123456789abcdef.safetensors.AbCdEf.tmp", "x", 1);
    stop_services();
    start_services(100);
    assert_true(scratch_exists(checkpoint_of(waiting)));
    assert_false(scratch_exists(checkpoint_of(over)));
    assert_false(scratch_exists(checkpoint_of("job_0123456789abcdef")));
    assert_false(scratch_exists("store/checkpoints/job_0123456789abcdef.safetensors.AbCdEf.tmp"));
}

/* ---- Failures -------------------------------------------------------------------------------------- */

static void a_vanished_dataset_fails_the_job_by_name(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], next[JOB_ID_LENGTH + 1];
    tiny_dataset_write("data/fleeting", 20, 10);
    submit("{\"dataset\":\"fleeting\"}", id);
    tiny_dataset_remove("data/fleeting");
    submit(SHORT_JOB, next);
    start_runner();
    wait_until(is_over, next);
    assert_failed(id, "dataset_missing", "fleeting");
    assert_int_equal(state_of(next), JOB_SUCCEEDED);
}

static void a_dataset_that_changed_under_a_job_fails_it(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    submit(LONG_JOB, id);
    start_runner();
    wait_until(is_in_third_epoch, id);
    stop_services();
    tiny_dataset_write("data/tiny", 90, 40);
    start_services(100);
    start_runner();
    wait_until(is_over, id);
    assert_failed(id, "dataset_changed", "images of tiny have changed");
}

/* Forty layers without a bend, each step ten times the weights: the outputs overflow within some steps. */
static void a_diverging_job_fails_with_advice(void **state)
{
    (void)state;
    char text[4096] = "{\"dataset\":\"tiny\",\"model\":{\"layers\":[{\"type\":\"flatten\"}",
         id[JOB_ID_LENGTH + 1];
    for (int i = 0; i < 29; i++)
        strcat(text, ",{\"type\":\"dense\",\"units\":32,\"activation\":\"linear\"}");
    strcat(text, ",{\"type\":\"dense\",\"units\":10}]},\"training\":{\"learning_rate\":10,\"epochs\":50}}");
    submit(text, id);
    start_runner();
    wait_until(is_over, id);
    assert_failed(id, "diverged", "learning rate");
}

static void a_full_disk_fails_the_job_and_not_the_service(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], next[JOB_ID_LENGTH + 1];
    struct rlimit unlimited, limited;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    limited = unlimited;
    limited.rlim_cur = 1 << 20;
    submit("{\"dataset\":\"tiny\",\"model\":{\"layers\":[{\"type\":\"flatten\"},"
           "{\"type\":\"dense\",\"units\":512},{\"type\":\"dense\",\"units\":10}]}}",
           id); /* its checkpoint has some 5 MB */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
    start_runner();
    wait_until(is_over, id);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    assert_failed(id, "disk_full", "Make space");
    submit(SHORT_JOB, next);
    wait_until(is_over, next);
    assert_int_equal(state_of(next), JOB_SUCCEEDED);
}

/* What takes the space may be the checkpoint of the very job. */
static void a_failure_that_does_not_fit_on_the_disk_gives_up_its_checkpoint(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], next[JOB_ID_LENGTH + 1];
    struct rlimit unlimited, limited;
    submit(ENDLESS_JOB, id);
    start_runner();
    wait_until(is_in_third_epoch, id);
    assert_false(has_no_checkpoint(id));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    limited = unlimited;
    limited.rlim_cur = 1024; /* nothing fits: not even a page of the database */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
    wait_until(has_no_checkpoint, id);
    assert_int_equal(state_of(id), JOB_RUNNING);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    wait_until(is_over, id);
    assert_failed(id, "io", "database");
    submit(SHORT_JOB, next);
    wait_until(is_over, next);
    assert_int_equal(state_of(next), JOB_SUCCEEDED);
}

/* ---- The first job --------------------------------------------------------------------------------- */

static int64_t job_count(void)
{
    int64_t count;
    assert_int_equal(store_job_count(services()->store, &count, NULL), OK);
    return count;
}

static void an_empty_store_gets_the_reference_job_once(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(jobs_bootstrap(services()->jobs, &err), OK); /* no dataset mnist: nothing to do */
    assert_int_equal(job_count(), 0);
    tiny_dataset_write("data/mnist", 20, 10);
    assert_int_equal(jobs_bootstrap(services()->jobs, &err), OK);
    assert_int_equal(job_count(), 1);
    assert_int_equal(jobs_bootstrap(services()->jobs, &err), OK);
    assert_int_equal(job_count(), 1);

    struct job_record job;
    assert_int_equal(store_job_oldest(services()->store, JOB_QUEUED, &job, NULL), OK);
    assert_non_null(strstr(job.config, "\"dataset\":\"mnist\""));
    assert_non_null(strstr(job.config, "\"epochs\":10"));
    job_record_clear(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_becomes_a_version_in_production, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_network_learns_stripes, services_setup, services_teardown),
        cmocka_unit_test_setup_teardown(every_epoch_and_step_has_its_metrics, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_patient_job_registers_its_best_epoch, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(jobs_run_in_order_of_arrival, services_setup, services_teardown),
        cmocka_unit_test_setup_teardown(the_model_in_training_can_be_asked, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(progress_is_that_of_the_epoch_under_way, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_waiting_job_is_cancelled_at_once, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_job_stops_and_makes_no_version, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_paused_job_frees_the_runner_and_resumes_to_the_same_bytes,
                                        services_setup, services_teardown),
        cmocka_unit_test_setup_teardown(a_paused_job_that_is_cancelled_leaves_no_checkpoint, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(the_queue_has_a_limit, services_setup, services_teardown),
        cmocka_unit_test_setup_teardown(a_repeated_key_starts_no_second_job, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_stopped_service_continues_its_job_to_the_same_bytes, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_stop_within_the_first_epoch_keeps_its_steps, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_job_found_running_is_queued_again, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_broken_checkpoint_costs_time_only, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(checkpoints_that_no_job_needs_are_swept_at_start, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_vanished_dataset_fails_the_job_by_name, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_dataset_that_changed_under_a_job_fails_it, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_diverging_job_fails_with_advice, services_setup, services_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_fails_the_job_and_not_the_service, services_setup,
                                        services_teardown),
        cmocka_unit_test_setup_teardown(a_failure_that_does_not_fit_on_the_disk_gives_up_its_checkpoint,
                                        services_setup, services_teardown),
        cmocka_unit_test_setup_teardown(an_empty_store_gets_the_reference_job_once, services_setup,
                                        services_teardown),
    };
    return cmocka_run_group_tests_name("jobs", tests, services_start_engine, NULL);
}

/* The life of a training job, with the real runner, store and engine on a dataset of a few images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/app.h"
#include "server/datasets.h"
#include "server/job_runner.h"
#include "server/jobs.h"
#include "server/log.h"
#include "server/predict.h"
#include "server/registry.h"
#include "server/store.h"
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

#define SMALL_MODEL                                                                                          \
    "\"model\":{\"layers\":[{\"type\":\"conv2d\",\"filters\":4,\"kernel_size\":3},"                          \
    "{\"type\":\"max_pool2d\",\"pool_size\":4},{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":10}]}"

/* Of some tenths of a second: there is time to interrupt it. */
#define LONG_JOB    "{\"dataset\":\"tiny\"," SMALL_MODEL ",\"training\":{\"epochs\":60,\"batch_size\":8}}"
#define SHORT_JOB   "{\"dataset\":\"tiny\"," SMALL_MODEL ",\"training\":{\"epochs\":3,\"batch_size\":8}}"
#define ENDLESS_JOB "{\"dataset\":\"tiny\"," SMALL_MODEL ",\"training\":{\"epochs\":1000,\"batch_size\":1}}"

/* ---- Services -------------------------------------------------------------------------------------- */

static struct app app;
static struct job_runner *runner;

static void start_services(size_t queue_limit)
{
    const struct predict_config predict_config = {.workers = 1, .batch_max = 8, .queue_max = 8};
    const struct jobs_config jobs_config = {.queue_limit = queue_limit, .limits = {.threads = 2}};
    struct error err;
    if (store_open(scratch_path("store"), &app.store, &err) ||
        datasets_create(scratch_path("data"), &app.datasets, &err) ||
        registry_create(app.store, &app.registry, &err) ||
        predict_service_create(&predict_config, &app.predictions, &err) ||
        registry_serve(app.registry, app.predictions, &err) ||
        jobs_create(app.store, &(struct job_sources){app.datasets, app.registry}, &jobs_config, &app.jobs,
                    &err))
        fail_msg("%s", err.message);
}

static void start_runner(void)
{
    struct error err;
    if (job_runner_create(&app, 2, &runner, &err))
        fail_msg("%s", err.message);
}

static void stop_services(void)
{
    job_runner_free(runner);
    jobs_free(app.jobs);
    predict_service_free(app.predictions);
    registry_free(app.registry);
    datasets_free(app.datasets);
    store_free(app.store);
    runner = NULL;
    app = (struct app){0};
}

static int setup(void **state)
{
    (void)state;
    scratch_make();
    tiny_dataset_write("data/tiny", 100, 40);
    start_services(100);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stop_services();
    scratch_remove();
    return 0;
}

static int start_engine(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    log_set_level(LOG_ERROR);
    return engine_init(NULL) == OK ? 0 : -1;
}

/* ---- What tests do with jobs ----------------------------------------------------------------------- */

static enum job_insert_result submit_keyed(const char *text, const char *key, char id[JOB_ID_LENGTH + 1])
{
    struct job_request request;
    struct problems problems = {0};
    struct error err;
    json_t *json = json_loads(text, 0, NULL);
    if (jobs_check(app.jobs, json, &request, &problems))
        fail_msg("%s: %s", problems.items[0].pointer, problems.items[0].message);
    json_decref(json);
    return jobs_submit(app.jobs, &request, key, key ? text : NULL, id, &err);
}

static void submit(const char *text, char id[JOB_ID_LENGTH + 1])
{
    assert_int_equal(submit_keyed(text, NULL, id), JOB_INSERTED);
}

static struct job_view view_of(const char *id)
{
    struct job_view view;
    assert_int_equal(jobs_read(app.jobs, id, &view, NULL), OK);
    return view;
}

static enum job_state state_of(const char *id)
{
    struct job_view view = view_of(id);
    enum job_state state = view.record.state;
    job_view_clear(&view);
    return state;
}

/* Looks every 2 ms until `is_so`; a test that waits for a minute has failed. */
static void wait_until(bool (*is_so)(const char *id), const char *id)
{
    const struct timespec moment = {.tv_nsec = 2000000};
    for (int i = 0; i < 30000; i++) {
        if (is_so(id))
            return;
        nanosleep(&moment, NULL);
    }
    fail_msg("job %s is still %s", id, job_state_name(state_of(id)));
}

static bool is_over(const char *id)
{
    return job_state_is_final(state_of(id));
}

static bool is_in_third_epoch(const char *id)
{
    struct job_view view = view_of(id);
    job_view_clear(&view);
    return view.is_live && view.progress.epoch >= 3;
}

static enum job_change change(const char *id, enum job_state to)
{
    enum job_state from;
    return jobs_change(app.jobs, id, to, &from, NULL);
}

static const char *checkpoint_of(const char *id)
{
    static char name[64];
    snprintf(name, sizeof name, "store/checkpoints/%s.safetensors", id);
    return name;
}

static bool has_no_checkpoint(const char *id)
{
    return !scratch_exists(checkpoint_of(id));
}

/* The error code or another text at the top of a job's result or error. */
static char *text_in(const char *json_text, const char *field)
{
    json_t *json = json_text ? json_loads(json_text, 0, NULL) : NULL;
    char *text = json ? strdup(json_string_value(json_object_get(json, field))) : NULL;
    json_decref(json);
    assert_non_null(text);
    return text;
}

static void assert_failed(const char *id, const char *code, const char *in_detail)
{
    struct job_view view = view_of(id);
    assert_int_equal(view.record.state, JOB_FAILED);
    char *found = text_in(view.record.error, "code"), *detail = text_in(view.record.error, "detail");
    assert_string_equal(found, code);
    if (!strstr(detail, in_detail))
        fail_msg("\"%s\" does not say \"%s\"", detail, in_detail);
    free(found);
    free(detail);
    job_view_clear(&view);
    assert_true(has_no_checkpoint(id));
}

static struct version_record version_of(const char *model, int version)
{
    struct version_record record;
    struct error err;
    if (store_version_read(app.store, model, version, &record, &err))
        fail_msg("%s", err.message);
    return record;
}

static void assert_same_weights(int first, int second)
{
    struct version_record one = version_of("digits", first), other = version_of("digits", second);
    assert_string_equal(one.weights_digest, other.weights_digest);
    assert_true(one.test_accuracy == other.test_accuracy);
    version_record_clear(&one);
    version_record_clear(&other);
}

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
    json_decref(result);

    assert_string_equal(version.job_id, id);
    assert_string_equal(version.config, view.record.config);
    assert_string_equal(version.core_type, engine_core_type());
    struct dataset_info info;
    assert_int_equal(datasets_info(app.datasets, "tiny", &info, NULL), OK);
    assert_string_equal(version.train_digest, info.splits[SPLIT_TRAIN].digest);
    assert_string_equal(version.test_digest, info.splits[SPLIT_TEST].digest);
    assert_true(version.training_seconds > 0);
    version_record_clear(&version);
    job_view_clear(&view);

    struct served_model *served = predict_model_default(app.predictions, "digits");
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
    assert_int_equal(jobs_series(app.jobs, id, &series, NULL), OK);
    assert_int_equal(series.epoch_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(series.epochs[i].epoch, i + 1);
    assert_true(series.epochs[2].train_loss < series.epochs[0].train_loss);
    assert_int_equal(series.steps.stride, 1);
    assert_int_equal(series.steps.count, 3 * 12); /* 90 images in batches of 8 */
    job_series_clear(&series);
    assert_int_equal(jobs_series(app.jobs, "job_0123456789abcdef", &series, NULL), ERR_NOT_FOUND);
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
    assert_int_equal(jobs_series(app.jobs, id, &series, NULL), OK);
    assert_in_range(series.epoch_count, 2, 199);
    struct epoch_metrics last = series.epochs[series.epoch_count - 1];
    struct epoch_metrics best = series.epochs[series.epoch_count - 2];
    assert_true(best.validation_loss <= last.validation_loss);
    struct version_record version = version_of("digits", 1);
    assert_true(version.validation_loss == best.validation_loss);
    assert_true(version.validation_accuracy == best.validation_accuracy);
    version_record_clear(&version);
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
    struct served_model *served = predict_model_live(app.predictions, id);
    assert_non_null(served);
    assert_true(served->epoch >= 2);
    served_model_unref(served);
    served = predict_model_default(app.predictions, "digits"); /* nothing is in production yet */
    assert_string_equal(served->job, id);
    served_model_unref(served);

    assert_int_equal(change(id, JOB_CANCELLED), JOB_CHANGED);
    wait_until(has_no_checkpoint, id);
    assert_null(predict_model_live(app.predictions, id));
    assert_null(predict_model_default(app.predictions, "digits"));
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
    assert_int_equal(jobs_series(app.jobs, id, &series, NULL), OK);
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
    assert_int_equal(jobs_series(app.jobs, id, &interrupted, NULL), OK);
    assert_int_equal(jobs_series(app.jobs, other, &undisturbed, NULL), OK);
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
    job_runner_free(runner);
    runner = NULL;
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
    job_runner_free(runner);
    runner = NULL;
    assert_true(scratch_exists(checkpoint_of(id)));
    struct job_series series;
    assert_int_equal(jobs_series(app.jobs, id, &series, NULL), OK);
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
    assert_int_equal(store_job_change(app.store, id, JOB_RUNNING, NULL, &from, NULL), JOB_CHANGED);
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
    assert_failed(id, "invalid", "another dataset");
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
    assert_failed(id, "io", "disk");
    submit(SHORT_JOB, next);
    wait_until(is_over, next);
    assert_int_equal(state_of(next), JOB_SUCCEEDED);
}

/* ---- The first job --------------------------------------------------------------------------------- */

static int64_t job_count(void)
{
    int64_t count;
    assert_int_equal(store_job_count(app.store, &count, NULL), OK);
    return count;
}

static void an_empty_store_gets_the_reference_job_once(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(jobs_bootstrap(app.jobs, &err), OK); /* no dataset mnist: nothing to do */
    assert_int_equal(job_count(), 0);
    tiny_dataset_write("data/mnist", 20, 10);
    assert_int_equal(jobs_bootstrap(app.jobs, &err), OK);
    assert_int_equal(job_count(), 1);
    assert_int_equal(jobs_bootstrap(app.jobs, &err), OK);
    assert_int_equal(job_count(), 1);

    struct job_record job;
    assert_int_equal(store_job_oldest(app.store, JOB_QUEUED, &job, NULL), OK);
    assert_non_null(strstr(job.config, "\"dataset\":\"mnist\""));
    assert_non_null(strstr(job.config, "\"epochs\":10"));
    job_record_clear(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_becomes_a_version_in_production, setup, teardown),
        cmocka_unit_test_setup_teardown(a_network_learns_stripes, setup, teardown),
        cmocka_unit_test_setup_teardown(every_epoch_and_step_has_its_metrics, setup, teardown),
        cmocka_unit_test_setup_teardown(a_patient_job_registers_its_best_epoch, setup, teardown),
        cmocka_unit_test_setup_teardown(jobs_run_in_order_of_arrival, setup, teardown),
        cmocka_unit_test_setup_teardown(the_model_in_training_can_be_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(progress_is_that_of_the_epoch_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(a_waiting_job_is_cancelled_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_job_stops_and_makes_no_version, setup, teardown),
        cmocka_unit_test_setup_teardown(a_paused_job_frees_the_runner_and_resumes_to_the_same_bytes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_paused_job_that_is_cancelled_leaves_no_checkpoint, setup, teardown),
        cmocka_unit_test_setup_teardown(the_queue_has_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_repeated_key_starts_no_second_job, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stopped_service_continues_its_job_to_the_same_bytes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_stop_within_the_first_epoch_keeps_its_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(a_job_found_running_is_queued_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_checkpoint_costs_time_only, setup, teardown),
        cmocka_unit_test_setup_teardown(checkpoints_that_no_job_needs_are_swept_at_start, setup, teardown),
        cmocka_unit_test_setup_teardown(a_vanished_dataset_fails_the_job_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dataset_that_changed_under_a_job_fails_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_diverging_job_fails_with_advice, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_fails_the_job_and_not_the_service, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_store_gets_the_reference_job_once, setup, teardown),
    };
    return cmocka_run_group_tests_name("jobs", tests, start_engine, NULL);
}

#include "tests/server/job_services.h"

#include "server/datasets.h"
#include "server/evaluations.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/registry.h"
#include "tests/server/scratch.h"
#include "tests/server/tiny_dataset.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

/* ---- Services -------------------------------------------------------------------------------------- */

static struct app app;
static struct job_runner *runner;
static int concurrent = 1;

struct app *services(void)
{
    return &app;
}

void run_at_once(int jobs)
{
    stop_services();
    concurrent = jobs;
    start_services(100);
}

void start_services(size_t queue_limit)
{
    const struct predict_config predict_config = {.workers = 1, .batch_max = 8, .queue_max = 8};
    const struct jobs_config jobs_config = {
        .queue_limit = queue_limit, .concurrent = concurrent, .limits = {.threads = 2}};
    struct error err;
    if (metrics_create(&app.metrics, &err) || store_open(scratch_path("store"), &app.store, &err) ||
        datasets_create(scratch_path("data"), &app.datasets, &err) ||
        registry_create(app.store, &app.registry, &err) ||
        predict_service_create(&predict_config, &app.predictions, &err) ||
        registry_serve(app.registry, app.predictions, &err) ||
        evaluations_create(app.store, app.registry, app.datasets, 2, &app.evaluations, &err) ||
        jobs_create(app.store, &(struct job_sources){.datasets = app.datasets, .registry = app.registry},
                    &jobs_config, &app.jobs, &err))
        fail_msg("%s", err.message);
    datasets_use_store(app.datasets, app.store);
}

void start_runner(void)
{
    struct error err;
    if (job_runner_create(&app, 2, concurrent, &runner, &err))
        fail_msg("%s", err.message);
}

void stop_runner(void)
{
    job_runner_free(runner);
    runner = NULL;
}

void stop_services(void)
{
    stop_runner();
    jobs_free(app.jobs);
    evaluations_free(app.evaluations);
    predict_service_free(app.predictions);
    registry_free(app.registry);
    datasets_free(app.datasets);
    store_free(app.store);
    metrics_free(app.metrics);
    app = (struct app){0};
}

int services_setup(void **state)
{
    (void)state;
    concurrent = 1;
    scratch_make();
    tiny_dataset_write("data/tiny", 100, 40);
    start_services(100);
    return 0;
}

int services_teardown(void **state)
{
    (void)state;
    stop_services();
    scratch_remove();
    return 0;
}

int services_start_engine(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    log_set_level(LOG_ERROR);
    return engine_init(NULL) == OK ? 0 : -1;
}

/* ---- What tests do with jobs ----------------------------------------------------------------------- */

enum job_insert_result submit_keyed(const char *text, const char *key, char id[JOB_ID_LENGTH + 1])
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

void submit(const char *text, char id[JOB_ID_LENGTH + 1])
{
    assert_int_equal(submit_keyed(text, NULL, id), JOB_INSERTED);
}

struct job_view view_of(const char *id)
{
    struct job_view view;
    assert_int_equal(jobs_read(app.jobs, id, &view, NULL), OK);
    return view;
}

enum job_state state_of(const char *id)
{
    struct job_view view = view_of(id);
    enum job_state state = view.record.state;
    job_view_clear(&view);
    return state;
}

/* Looks every 2 ms until `is_so`; a test that waits for a minute has failed. */
void wait_until(bool (*is_so)(const char *id), const char *id)
{
    const struct timespec moment = {.tv_nsec = 2000000};
    for (int i = 0; i < 30000; i++) {
        if (is_so(id))
            return;
        nanosleep(&moment, NULL);
    }
    fail_msg("job %s is still %s", id, job_state_name(state_of(id)));
}

bool is_over(const char *id)
{
    return job_state_is_final(state_of(id));
}

bool is_in_third_epoch(const char *id)
{
    struct job_view view = view_of(id);
    job_view_clear(&view);
    return view.is_live && view.progress.epoch >= 3;
}

enum job_change change(const char *id, enum job_state to)
{
    enum job_state from;
    return jobs_change(app.jobs, id, to, &from, NULL);
}

const char *checkpoint_of(const char *id)
{
    static char name[64];
    snprintf(name, sizeof name, "store/checkpoints/%s.safetensors", id);
    return name;
}

bool has_no_checkpoint(const char *id)
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

void assert_failed(const char *id, const char *code, const char *in_detail)
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

struct version_record version_of(const char *model, int version)
{
    struct version_record record;
    struct error err;
    if (store_version_read(app.store, model, version, &record, &err))
        fail_msg("%s", err.message);
    return record;
}

void assert_same_weights(int first, int second)
{
    struct version_record one = version_of("digits", first), other = version_of("digits", second);
    assert_string_equal(one.weights_digest, other.weights_digest);
    assert_true(one.test_accuracy == other.test_accuracy);
    version_record_clear(&one);
    version_record_clear(&other);
}

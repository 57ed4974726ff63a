/* Which finished jobs and sweeps are forgotten, and that the store stays as large as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/app.h"
#include "server/jobs.h"
#include "server/retention.h"
#include "server/store_db.h"
#include "server/store_retention.h"
#include "server/store_sweeps.h"
#include "server/sweeps.h"
#include "tests/server/job_services.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE 6000 /* looks of 10 ms */

static char ids[400][JOB_ID_LENGTH + 1];
static struct sweeps *sweeps;
static struct retention *retention;

/* It ends before the services that it uses, also when a test fails. */
static int teardown(void **state)
{
    retention_free(retention);
    sweeps_free(sweeps);
    retention = NULL;
    sweeps = NULL;
    return services_teardown(state);
}

/* ---- Helpers --------------------------------------------------------------------------------------- */

static void insert_job(const char *config, char id[JOB_ID_LENGTH + 1])
{
    struct job_insert insert = {.config = config, .queue_limit = 1000};
    struct error err;
    if (store_job_insert(services()->store, &insert, id, &err) != JOB_INSERTED)
        fail_msg("%s", err.message);
}

static void cancel(const char *id)
{
    struct error err;
    enum job_state from;
    assert_int_equal(jobs_change(services()->jobs, id, JOB_CANCELLED, &from, &err), JOB_CHANGED);
}

/* So many jobs that ended one after the other, in ids. Within a millisecond the order of ids would decide. */
static void make_finished(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        insert_job("{}", ids[i]);
        cancel(ids[i]);
        nanosleep(&(struct timespec){.tv_nsec = 1100000}, NULL);
    }
}

static bool is_there(const char *id)
{
    struct job_record job;
    if (store_job_read(services()->store, id, &job, NULL))
        return false;
    job_record_clear(&job);
    return true;
}

/* The first of what has to go; how many there are. */
static size_t list_beyond(int64_t keep, struct finished *ret_first)
{
    struct finished *items;
    struct error err;
    size_t count;
    if (store_finished_beyond(services()->store, keep, 32, &items, &count, &err))
        fail_msg("%s", err.message);
    if (count > 0)
        *ret_first = items[0];
    free(items);
    return count;
}

static void wait_for_jobs(int64_t wanted)
{
    struct error err;
    int64_t count = -1;
    for (int i = 0; i < PATIENCE && count != wanted; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        assert_int_equal(store_job_count(services()->store, &count, &err), OK);
    }
    assert_int_equal(count, wanted);
}

static void keep_jobs(int64_t keep)
{
    struct app *app = services();
    struct error err;
    if (sweeps_create(app->store, app->jobs, app->registry, app->datasets, 2, &sweeps, &err) ||
        retention_create(app->store, app->jobs, sweeps, keep, &retention, &err))
        fail_msg("%s", err.message);
}

/* A sweep of two trials, both with jobs. */
static void make_sweep(char id[SWEEP_ID_LENGTH + 1], char jobs[2][JOB_ID_LENGTH + 1])
{
    const struct sweep_record record = {.name = "pair", .request = "{}", .estimate = "{}"};
    struct trial_plan trials[2] = {{.combination = 1, .settings = "{}", .config = "{}"},
                                   {.combination = 2, .settings = "{}", .config = "{}"}};
    struct error err;
    if (store_sweep_insert(services()->store, &record, trials, 2, id, &err) ||
        store_trial_start(services()->store, id, 1, "{}", jobs[0], &err) ||
        store_trial_start(services()->store, id, 2, "{}", jobs[1], &err))
        fail_msg("%s", err.message);
}

static void end_sweep(const char *id)
{
    enum sweep_state from;
    struct error err;
    assert_int_equal(store_sweep_change(services()->store, id, SWEEP_CANCELLED, &from, &err), JOB_CHANGED);
}

/* The same, and both trials and the sweep are over. */
static void make_finished_sweep(char id[SWEEP_ID_LENGTH + 1], char jobs[2][JOB_ID_LENGTH + 1])
{
    make_sweep(id, jobs);
    cancel(jobs[0]);
    cancel(jobs[1]);
    end_sweep(id);
}

/* ---- What goes ------------------------------------------------------------------------------------- */

static void the_first_to_have_ended_go_first(void **state)
{
    (void)state;
    struct finished first;
    char waiting[JOB_ID_LENGTH + 1];
    insert_job("{}", waiting);
    make_finished(5);
    assert_int_equal(list_beyond(5, &first), 0);
    assert_int_equal(list_beyond(3, &first), 2);
    assert_string_equal(first.id, ids[0]);
    assert_int_equal(list_beyond(0, &first), 4); /* the newest stays */
    cancel(waiting);                             /* it came first and ended last */
    assert_int_equal(list_beyond(1, &first), 5);
    assert_string_equal(first.id, ids[0]);
}

static void trials_go_with_their_sweep_once_that_is_over(void **state)
{
    (void)state;
    struct finished first;
    char sweep[SWEEP_ID_LENGTH + 1], trials[2][JOB_ID_LENGTH + 1];
    make_sweep(sweep, trials);
    cancel(trials[0]);
    cancel(trials[1]);
    assert_int_equal(list_beyond(1, &first), 0); /* it runs */
    make_finished(2);
    assert_int_equal(list_beyond(3, &first), 1);
    assert_string_equal(first.id, ids[0]);
    end_sweep(sweep);
    nanosleep(&(struct timespec){.tv_nsec = 1100000}, NULL);
    make_finished(1);
    assert_int_equal(list_beyond(2, &first), 3); /* two jobs, then the sweep; a fourth is the newest */
    keep_jobs(2);
    wait_for_jobs(1);
    assert_false(is_there(trials[0]));
    struct sweep_record record;
    assert_int_equal(store_sweep_read(services()->store, sweep, &record, NULL), ERR_NOT_FOUND);
}

static void put_into_production(const char *job)
{
    struct version_record version = {.config = "{}", .version = 1};
    struct error err;
    sqlite3 *db;
    snprintf(version.model, sizeof version.model, "digits");
    snprintf(version.job_id, sizeof version.job_id, "%s", job);
    enum status status = store_begin(services()->store, &db, &err);
    if (status == OK)
        status = store_version_insert(db, &version, true, &err);
    assert_int_equal(store_end(services()->store, status, &err), OK);
}

static void the_job_of_a_version_with_an_alias_stays(void **state)
{
    (void)state;
    struct finished first;
    char sweep[SWEEP_ID_LENGTH + 1], trials[2][JOB_ID_LENGTH + 1];
    make_finished(3);
    put_into_production(ids[0]);
    assert_int_equal(list_beyond(2, &first), 1);
    assert_string_equal(first.id, ids[1]);
    make_finished_sweep(sweep, trials);
    make_finished(1);
    assert_int_equal(list_beyond(1, &first), 3);
}

static void the_sweep_of_a_version_with_an_alias_stays(void **state)
{
    (void)state;
    struct finished first;
    char sweep[SWEEP_ID_LENGTH + 1], trials[2][JOB_ID_LENGTH + 1];
    make_finished_sweep(sweep, trials);
    make_finished(2);
    assert_int_equal(list_beyond(1, &first), 2);
    assert_true(first.is_sweep);
    put_into_production(trials[1]);
    assert_int_equal(list_beyond(1, &first), 1);
    assert_string_equal(first.id, ids[0]);
}

static void many_go_in_several_steps_at_the_start(void **state)
{
    (void)state;
    char waiting[JOB_ID_LENGTH + 1];
    insert_job("{}", waiting);
    make_finished(100);
    keep_jobs(5);
    wait_for_jobs(6);
    assert_true(is_there(waiting));
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(is_there(ids[i]), i >= 95);
}

/* ---- The size of the store ------------------------------------------------------------------------- */

static int64_t pages(void)
{
    int64_t count;
    struct error err;
    sqlite3 *db = store_read_begin(services()->store);
    assert_int_equal(db_query_integer(db, "PRAGMA page_count", DB_NO_VALUES, 0, &count, &err), OK);
    store_read_end(services()->store);
    return count;
}

static void fill_log(void)
{
    sqlite3 *db;
    struct error err;
    enum status status = store_begin(services()->store, &db, &err);
    for (int i = 0; i < STORE_EVENTS_KEPT + STORE_EVENTS_KEPT / 100 && status == OK; i++)
        status = store_event_insert(db, EVENT_LOG, "job_0123456789abcdef", NULL,
                                    "{\"level\":\"info\",\"message\":\"as long as events are\"}", &err);
    assert_int_equal(store_end(services()->store, status, &err), OK);
}

/* A job with the curves of a long training. */
static void live_a_life(void)
{
    static float losses[4096];
    const struct step_losses steps = {.stride = 1, .count = 4096, .losses = losses};
    const struct epoch_metrics epoch = {.epoch = 1};
    char id[JOB_ID_LENGTH + 1];
    struct error err;
    insert_job("{}", id);
    assert_int_equal(store_epoch_put(services()->store, id, &epoch, &steps, &err), OK);
    cancel(id);
}

static void the_database_does_not_grow_with_the_jobs_that_have_been(void **state)
{
    (void)state;
    fill_log();
    keep_jobs(20);
    for (int i = 0; i < 60; i++)
        live_a_life();
    wait_for_jobs(20);
    int64_t before = pages();
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 40; i++)
            live_a_life();
        wait_for_jobs(20);
    }
    assert_in_range(pages(), 1, before + before / 50); /* 240 jobs would be 1000 pages more */
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, services_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_to_have_ended_go_first),
        TEST(trials_go_with_their_sweep_once_that_is_over),
        TEST(the_job_of_a_version_with_an_alias_stays),
        TEST(the_sweep_of_a_version_with_an_alias_stays),
        TEST(many_go_in_several_steps_at_the_start),
        TEST(the_database_does_not_grow_with_the_jobs_that_have_been),
    };
    return cmocka_run_group_tests(tests, services_start_engine, NULL);
}

/* The log of events, and what is written into it by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/events.h"
#include "server/store.h"
#include "server/store_db.h"
#include "server/store_jobs.h"
#include "tests/server/store_setup.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void count_call(void *context)
{
    ++*(int *)context;
}

static size_t list_events(int64_t after, const char *job, size_t limit, struct event_record **ret_events)
{
    struct event_filter filter = {.after = after, .up_to = INT64_MAX, .job = job, .limit = limit};
    size_t count;
    bool has_more;
    struct error err;
    if (store_event_list(store, &filter, ret_events, &count, &has_more, &err))
        fail_msg("%s", err.message);
    return count;
}

static void free_events(struct event_record *events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        event_record_clear(&events[i]);
    free(events);
}

static void what_happens_to_a_job_is_in_the_log_in_order(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], other[JOB_ID_LENGTH + 1];
    struct epoch_metrics epoch = {1, 0.5, 0.75, NAN, NAN, 2.5};
    struct step_losses steps = {.stride = 1};
    struct error err;
    enum job_state from;
    insert_job("{}", id);
    insert_job("{}", other);
    change_job(id, JOB_RUNNING);
    assert_int_equal(store_epoch_put(store, id, &epoch, &steps, &err), OK);
    assert_int_equal(store_job_change(store, id, JOB_FAILED, "{\"code\":\"io\"}", &from, &err), JOB_CHANGED);
    reopen_store();

    static const char of_epoch[] =
        "{\"epoch\":1,\"train_loss\":0.5,\"train_accuracy\":0.75,\"validation_loss\":null,"
        "\"validation_accuracy\":null,\"seconds\":2.5}";
    static const char *const expected[] = {
        "{\"from\":null,\"to\":\"queued\"}", "{\"from\":\"queued\",\"to\":\"running\"}", of_epoch,
        "{\"from\":\"running\",\"to\":\"failed\",\"error\":{\"code\":\"io\"}}"};
    struct event_record *events;
    size_t count = list_events(0, id, 10, &events);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(events[i].data, expected[i]);
        assert_string_equal(events[i].job, id);
        assert_int_equal(events[i].type, i == 2 ? EVENT_METRICS : EVENT_STATE);
        assert_true(i == 0 || events[i].id > events[i - 1].id);
    }
    int64_t second = events[1].id, last = events[3].id, newest;
    free_events(events, count);
    count = list_events(second, NULL, 1, &events);
    assert_int_equal(count, 1);
    assert_int_equal(events[0].type, EVENT_METRICS);
    free_events(events, count);
    assert_int_equal(store_event_last(store, &newest, &err), OK);
    assert_int_equal(newest, last);
}

static void a_refused_change_leaves_no_event(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    struct error err;
    enum job_state from;
    insert_job("{}", id);
    assert_int_equal(store_job_change(store, id, JOB_SUCCEEDED, NULL, &from, &err), JOB_REFUSED);
    assert_int_equal(store_job_change(store, id, JOB_QUEUED, NULL, &from, &err), JOB_UNCHANGED);
    struct event_record *events;
    size_t count = list_events(0, NULL, 10, &events);
    free_events(events, count);
    assert_int_equal(count, 1);
}

static void who_listens_hears_of_events_once_they_are_committed(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    struct step_losses steps = {.stride = 1};
    struct error err;
    int calls = 0;
    insert_job("{}", id);
    store_on_events(store, count_call, &calls);
    change_job(id, JOB_RUNNING);
    assert_int_equal(calls, 1);
    assert_int_equal(store_steps_put(store, id, &steps, &err), OK);
    assert_int_equal(calls, 1);
    assert_int_equal(events_append(store, EVENT_LOG, id, NULL, json_object(), &err), OK);
    assert_int_equal(calls, 2);
    store_on_events(store, NULL, NULL);
    change_job(id, JOB_CANCELLED);
    assert_int_equal(calls, 2);
}

static void the_oldest_events_go_when_there_are_too_many(void **state)
{
    (void)state;
    sqlite3 *db;
    struct error err;
    enum status status = store_begin(store, &db, &err);
    for (int i = 0; i < STORE_EVENTS_KEPT + STORE_EVENTS_KEPT / 100 && status == OK; i++)
        status = store_event_insert(db, EVENT_LOG, NULL, NULL, "{}", &err);
    assert_int_equal(store_end(store, status, &err), OK);
    struct event_record *events;
    size_t count = list_events(0, NULL, 1, &events);
    assert_int_equal(count, 1);
    assert_int_equal(events[0].id, STORE_EVENTS_KEPT / 100 + 1);
    free_events(events, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_happens_to_a_job_is_in_the_log_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_change_leaves_no_event, setup, teardown),
        cmocka_unit_test_setup_teardown(who_listens_hears_of_events_once_they_are_committed, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_events_go_when_there_are_too_many, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

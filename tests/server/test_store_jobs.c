/* Jobs, their series, and the versions that they become, as the store keeps them. */
#include "tests/server/store_setup.h"

/* ---- Jobs ------------------------------------------------------------------------------------------ */

static void a_job_is_read_back_as_it_was_written(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    insert_job("{\"epochs\":3}", id);
    assert_true(job_id_is_valid(id));
    reopen_store();

    struct job_record job;
    struct error err;
    assert_int_equal(store_job_read(store, id, &job, &err), OK);
    assert_string_equal(job.id, id);
    assert_string_equal(job.config, "{\"epochs\":3}");
    assert_int_equal(job.state, JOB_QUEUED);
    assert_true(job.created_at > 1600000000000);
    assert_int_equal(job.started_at, 0);
    assert_null(job.result);
    assert_null(job.error);
    job_record_clear(&job);
}

static void an_unknown_job_is_not_found(void **state)
{
    (void)state;
    struct job_record job;
    struct error err;
    assert_int_equal(store_job_read(store, "job_0123456789abcdef", &job, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "job_0123456789abcdef"));
    assert_int_equal(change_job("job_0123456789abcdef", JOB_CANCELLED), JOB_UNKNOWN);
}

static void states_change_only_as_the_table_says(void **state)
{
    (void)state;
    static const enum job_state path_to[JOB_STATES][3] = {
        [JOB_QUEUED] = {JOB_QUEUED},
        [JOB_RUNNING] = {JOB_RUNNING},
        [JOB_PAUSED] = {JOB_PAUSED},
        [JOB_SUCCEEDED] = {JOB_RUNNING, JOB_SUCCEEDED},
        [JOB_FAILED] = {JOB_RUNNING, JOB_FAILED},
        [JOB_CANCELLED] = {JOB_CANCELLED},
    };
    for (int from = 0; from < JOB_STATES; from++) {
        for (int to = 0; to < JOB_STATES; to++) {
            char id[JOB_ID_LENGTH + 1];
            insert_job("{}", id);
            for (int i = 0; i < 3 && (i == 0 || path_to[from][i]); i++)
                change_job(id, path_to[from][i]);
            assert_int_equal(state_of(id), from);

            bool allowed = job_state_may_become((enum job_state)from, (enum job_state)to);
            enum job_change expected = from == to ? JOB_UNCHANGED : allowed ? JOB_CHANGED : JOB_REFUSED;
            assert_int_equal(change_job(id, (enum job_state)to), expected);
            assert_int_equal(state_of(id), expected == JOB_CHANGED ? to : from);
        }
    }
}

static void nothing_leaves_a_final_state(void **state)
{
    (void)state;
    assert_true(job_state_is_final(JOB_SUCCEEDED));
    assert_true(job_state_is_final(JOB_FAILED));
    assert_true(job_state_is_final(JOB_CANCELLED));
    assert_false(job_state_is_final(JOB_QUEUED));
    assert_false(job_state_is_final(JOB_RUNNING));
    assert_false(job_state_is_final(JOB_PAUSED));
}

static void times_follow_the_states(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    insert_job("{}", id);
    struct job_record job;
    struct error err;
    enum job_state from;
    change_job(id, JOB_RUNNING);
    assert_int_equal(store_job_read(store, id, &job, &err), OK);
    int64_t started = job.started_at;
    assert_true(started >= job.created_at);
    assert_int_equal(job.finished_at, 0);
    job_record_clear(&job);

    change_job(id, JOB_QUEUED);
    change_job(id, JOB_RUNNING);
    assert_int_equal(store_job_change(store, id, JOB_FAILED, "{\"code\":\"diverged\"}", &from, &err),
                     JOB_CHANGED);
    assert_int_equal(from, JOB_RUNNING);
    assert_int_equal(store_job_read(store, id, &job, &err), OK);
    assert_true(job.started_at == started);
    assert_true(job.finished_at >= started);
    assert_string_equal(job.error, "{\"code\":\"diverged\"}");
    job_record_clear(&job);
}

static void the_queue_is_served_in_order_of_arrival_and_has_a_limit(void **state)
{
    (void)state;
    char first[JOB_ID_LENGTH + 1], second[JOB_ID_LENGTH + 1], third[JOB_ID_LENGTH + 1];
    insert_job("1", first);
    insert_job("2", second);
    struct job_insert insert = {.config = "3", .queue_limit = 2};
    struct error err;
    assert_int_equal(store_job_insert(store, &insert, third, &err), JOB_QUEUE_FULL);

    struct job_record job;
    assert_int_equal(store_job_oldest(store, JOB_QUEUED, &job, &err), OK);
    assert_string_equal(job.id, first);
    job_record_clear(&job);
    change_job(first, JOB_RUNNING);
    assert_int_equal(store_job_oldest(store, JOB_QUEUED, &job, &err), OK);
    assert_string_equal(job.id, second);
    job_record_clear(&job);
    change_job(second, JOB_CANCELLED);
    assert_int_equal(store_job_oldest(store, JOB_QUEUED, &job, &err), ERR_NOT_FOUND);
    assert_int_equal(store_job_insert(store, &insert, third, &err), JOB_INSERTED);
}

static void a_repeated_key_gives_the_first_job(void **state)
{
    (void)state;
    struct job_insert insert = {
        .config = "{}", .idempotency_key = "once", .request_digest = "abc", .queue_limit = 1};
    char first[JOB_ID_LENGTH + 1], second[JOB_ID_LENGTH + 1];
    struct error err;
    assert_int_equal(store_job_insert(store, &insert, first, &err), JOB_INSERTED);
    assert_int_equal(store_job_insert(store, &insert, second, &err), JOB_REPEATED);
    assert_string_equal(first, second);
    insert.request_digest = "def";
    assert_int_equal(store_job_insert(store, &insert, second, &err), JOB_KEY_REUSED);
    int64_t count;
    assert_int_equal(store_job_count(store, &count, &err), OK);
    assert_int_equal(count, 1);
}

static void free_jobs(struct job_record *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        job_record_clear(&jobs[i]);
    free(jobs);
}

static void lists_are_pages_newest_first(void **state)
{
    (void)state;
    char ids[5][JOB_ID_LENGTH + 1];
    for (int i = 0; i < 5; i++)
        insert_job("{}", ids[i]);
    change_job(ids[2], JOB_CANCELLED);

    struct job_record *jobs;
    size_t count;
    bool has_more;
    struct error err;
    struct job_filter filter = {.limit = 2};
    assert_int_equal(store_job_list(store, &filter, &jobs, &count, &has_more, &err), OK);
    assert_int_equal(count, 2);
    assert_true(has_more);
    assert_string_equal(jobs[0].id, ids[4]);
    assert_string_equal(jobs[1].id, ids[3]);
    free_jobs(jobs, count);

    enum job_state queued = JOB_QUEUED;
    filter = (struct job_filter){.state = &queued, .after = ids[3], .limit = 2};
    assert_int_equal(store_job_list(store, &filter, &jobs, &count, &has_more, &err), OK);
    assert_int_equal(count, 2);
    assert_false(has_more);
    assert_string_equal(jobs[0].id, ids[1]);
    assert_string_equal(jobs[1].id, ids[0]);
    free_jobs(jobs, count);

    filter.after = "job_0000000000000000";
    assert_int_equal(store_job_list(store, &filter, &jobs, &count, &has_more, &err), ERR_NOT_FOUND);
}

/* ---- Series ---------------------------------------------------------------------------------------- */

static void epochs_and_losses_are_read_back_and_replaced(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    insert_job("{}", id);
    float losses[] = {2.5f, 1.25f, 0.5f};
    struct step_losses steps = {.stride = 4, .count = 3, .losses = losses};
    struct epoch_metrics metrics = {1, 0.5, 0.75, NAN, NAN, 1.5};
    struct error err;
    assert_int_equal(store_epoch_put(store, id, &metrics, &steps, &err), OK);
    metrics.epoch = 2;
    assert_int_equal(store_epoch_put(store, id, &metrics, &steps, &err), OK);
    metrics.train_loss = 0.25;
    steps.count = 2;
    assert_int_equal(store_epoch_put(store, id, &metrics, &steps, &err), OK);
    reopen_store();

    struct epoch_metrics *epochs;
    size_t count;
    assert_int_equal(store_epochs_read(store, id, &epochs, &count, &err), OK);
    assert_int_equal(count, 2);
    assert_int_equal(epochs[0].epoch, 1);
    assert_true(epochs[0].train_loss == 0.5 && epochs[1].train_loss == 0.25);
    assert_true(epochs[0].train_accuracy == 0.75 && epochs[0].seconds == 1.5);
    assert_true(isnan(epochs[0].validation_loss) && isnan(epochs[0].validation_accuracy));
    free(epochs);

    struct step_losses read;
    assert_int_equal(store_steps_read(store, id, &read, &err), OK);
    assert_int_equal(read.stride, 4);
    assert_int_equal(read.count, 2);
    assert_memory_equal(read.losses, losses, 2 * sizeof *losses);
    free(read.losses);
}

static void a_job_without_series_has_empty_ones(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    insert_job("{}", id);
    struct epoch_metrics *epochs;
    struct step_losses steps;
    size_t count;
    struct error err;
    assert_int_equal(store_epochs_read(store, id, &epochs, &count, &err), OK);
    assert_int_equal(count, 0);
    free(epochs);
    assert_int_equal(store_steps_read(store, id, &steps, &err), OK);
    assert_int_equal(steps.count, 0);
}

/* ---- Versions -------------------------------------------------------------------------------------- */

static struct version_record example_version(const char *model, int version, char *config)
{
    struct version_record record = {.version = version,
                                    .job_id = "job_0123456789abcdef",
                                    .config = config,
                                    .train_digest = "d",
                                    .test_digest = "t",
                                    .core_type = "Haswell",
                                    .code_version = "1.2.3",
                                    .parameters = 889834,
                                    .weights_digest = "w",
                                    .file_digest = "f",
                                    .file_bytes = 3559336,
                                    .test_loss = 0.03,
                                    .test_accuracy = 0.99,
                                    .validation_loss = NAN,
                                    .validation_accuracy = NAN,
                                    .training_seconds = 70.5};
    strcpy(record.model, model);
    return record;
}

static void count_call(void *context)
{
    ++*(int *)context;
}

static void succeed_with(const char *model, int version, bool promote)
{
    char id[JOB_ID_LENGTH + 1], config[] = "{\"dataset\":\"mnist\"}";
    insert_job("{}", id);
    change_job(id, JOB_RUNNING);
    int calls = 0;
    struct version_record record = example_version(model, version, config);
    struct error err;
    assert_int_equal(
        store_job_succeed(store, id, "{\"test_accuracy\":0.99}", &record, promote, count_call, &calls, &err),
        JOB_CHANGED);
    assert_int_equal(calls, 1);
    assert_int_equal(state_of(id), JOB_SUCCEEDED);
}

static void a_success_registers_its_version_and_promotes_it(void **state)
{
    (void)state;
    succeed_with("digits", 1, true);
    succeed_with("digits", 2, false);
    reopen_store();

    struct model_record model;
    struct version_record version;
    struct error err;
    assert_int_equal(store_model_read(store, "digits", &model, &err), OK);
    assert_int_equal(model.production, 1);
    assert_int_equal(model.last_version, 2);
    int next;
    assert_int_equal(store_version_next(store, "digits", &next, &err), OK);
    assert_int_equal(next, 3);

    assert_int_equal(store_version_read(store, "digits", 2, &version, &err), OK);
    char config[] = "{\"dataset\":\"mnist\"}";
    struct version_record expected = example_version("digits", 2, config);
    assert_string_equal(version.model, expected.model);
    assert_string_equal(version.config, expected.config);
    assert_string_equal(version.job_id, expected.job_id);
    assert_string_equal(version.core_type, expected.core_type);
    assert_string_equal(version.code_version, expected.code_version);
    assert_string_equal(version.train_digest, "d");
    assert_string_equal(version.test_digest, "t");
    assert_string_equal(version.weights_digest, "w");
    assert_string_equal(version.file_digest, "f");
    assert_int_equal(version.parameters, expected.parameters);
    assert_int_equal(version.file_bytes, expected.file_bytes);
    assert_true(version.test_loss == expected.test_loss && version.test_accuracy == expected.test_accuracy);
    assert_true(isnan(version.validation_loss) && isnan(version.validation_accuracy));
    assert_true(version.training_seconds == expected.training_seconds);
    assert_true(version.created_at > 1600000000000);
    version_record_clear(&version);
    assert_int_equal(store_version_read(store, "digits", 3, &version, &err), ERR_NOT_FOUND);
    assert_int_equal(store_version_read(store, "other", 1, &version, &err), ERR_NOT_FOUND);
}

static void a_cancelled_job_registers_nothing(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], config[] = "{}";
    insert_job("{}", id);
    change_job(id, JOB_RUNNING);
    change_job(id, JOB_CANCELLED);
    int calls = 0;
    struct version_record record = example_version("digits", 1, config);
    struct model_record model;
    struct error err;
    assert_int_equal(store_job_succeed(store, id, "{}", &record, true, count_call, &calls, &err),
                     JOB_REFUSED);
    assert_int_equal(calls, 0);
    assert_int_equal(store_model_read(store, "digits", &model, &err), ERR_NOT_FOUND);
}

static void a_version_that_cannot_be_kept_leaves_the_job_running(void **state)
{
    (void)state;
    succeed_with("digits", 1, true);
    char id[JOB_ID_LENGTH + 1], config[] = "{}";
    insert_job("{}", id);
    change_job(id, JOB_RUNNING);
    int calls = 0;
    struct version_record record = example_version("digits", 1, config); /* the number is taken */
    struct error err;
    assert_int_equal(store_job_succeed(store, id, "{}", &record, true, count_call, &calls, &err),
                     JOB_CHANGE_FAILED);
    assert_int_equal(calls, 0);
    assert_non_null(strstr(err.message, "versions"));
    assert_int_equal(state_of(id), JOB_RUNNING);
}

static void free_versions(struct version_record *versions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        version_record_clear(&versions[i]);
    free(versions);
}

static void models_and_versions_are_listed_in_pages(void **state)
{
    (void)state;
    succeed_with("b", 1, false);
    succeed_with("a", 1, true);
    succeed_with("a", 2, true);
    succeed_with("a", 3, false);

    struct model_record *models;
    struct version_record *versions;
    size_t count;
    bool has_more;
    struct error err;
    assert_int_equal(store_model_list(store, NULL, 1, &models, &count, &has_more, &err), OK);
    assert_int_equal(count, 1);
    assert_true(has_more);
    assert_string_equal(models[0].name, "a");
    assert_int_equal(models[0].production, 2);
    free(models);
    assert_int_equal(store_model_list(store, "a", 5, &models, &count, &has_more, &err), OK);
    assert_int_equal(count, 1);
    assert_false(has_more);
    assert_string_equal(models[0].name, "b");
    assert_int_equal(models[0].production, 0);
    free(models);

    assert_int_equal(store_version_list(store, "a", 0, 2, &versions, &count, &has_more, &err), OK);
    assert_int_equal(count, 2);
    assert_true(has_more);
    assert_int_equal(versions[0].version, 3);
    assert_int_equal(versions[1].version, 2);
    assert_int_equal(versions[1].aliases.count, 1);
    assert_string_equal(versions[1].aliases.items[0].name, "production");
    assert_int_equal(versions[0].aliases.count, 0);
    free_versions(versions, count);
    assert_int_equal(store_version_list(store, "a", 2, 2, &versions, &count, &has_more, &err), OK);
    assert_int_equal(count, 1);
    assert_false(has_more);
    assert_int_equal(versions[0].version, 1);
    free_versions(versions, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_is_read_back_as_it_was_written, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_job_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(states_change_only_as_the_table_says, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_leaves_a_final_state, setup, teardown),
        cmocka_unit_test_setup_teardown(times_follow_the_states, setup, teardown),
        cmocka_unit_test_setup_teardown(the_queue_is_served_in_order_of_arrival_and_has_a_limit, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_repeated_key_gives_the_first_job, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_are_pages_newest_first, setup, teardown),
        cmocka_unit_test_setup_teardown(epochs_and_losses_are_read_back_and_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_job_without_series_has_empty_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(a_success_registers_its_version_and_promotes_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_job_registers_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_version_that_cannot_be_kept_leaves_the_job_running, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(models_and_versions_are_listed_in_pages, setup, teardown),
    };
    return cmocka_run_group_tests_name("store_jobs", tests, NULL, NULL);
}

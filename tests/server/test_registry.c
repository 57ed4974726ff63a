/* Versions, their files, and what is in production. */
#include "tests/server/registry_setup.h"

static void versions_count_up_for_each_model(void **state)
{
    (void)state;
    assert_int_equal(publish("a", 0.5, PROMOTION_NEVER), 1);
    assert_int_equal(publish("b", 0.5, PROMOTION_NEVER), 1);
    assert_int_equal(publish("a", 0.5, PROMOTION_NEVER), 2);
    assert_true(scratch_exists("store/models/a/1.safetensors"));
    assert_true(scratch_exists("store/models/a/2.safetensors"));
    assert_true(scratch_exists("store/models/b/1.safetensors"));
}

static void a_version_is_loaded_as_it_was_published(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], digest[65], file_digest[DIGEST_TEXT_SIZE];
    struct version_record version;
    struct model *model;
    int64_t bytes;
    run_job(id);
    assert_int_equal(publish_for(id, "a", 0.5, PROMOTION_NEVER, &version), JOB_CHANGED);
    assert_int_equal(registry_load(registry, "a", 1, &model, NULL), OK);
    model_digest(model, digest);
    assert_string_equal(digest, version.weights_digest);
    assert_int_equal(version.parameters, 7850);
    assert_int_equal(model_plan_of(model)->parameters, 7850);
    model_unref(model);

    const char *path = scratch_path("store/models/a/1.safetensors");
    assert_int_equal(digest_file(path, file_digest, &bytes, NULL), OK);
    assert_string_equal(file_digest, version.file_digest);
    assert_int_equal(bytes, version.file_bytes);
    assert_int_equal(registry_load(registry, "a", 2, &model, NULL), ERR_NOT_FOUND);
}

static void promotion_follows_the_policy(void **state)
{
    (void)state;
    publish("a", 0.9, PROMOTION_NEVER);
    assert_int_equal(production("a"), 0);
    publish("a", 0.8, PROMOTION_IF_BETTER); /* nothing is there yet */
    assert_int_equal(production("a"), 2);
    publish("a", 0.7, PROMOTION_IF_BETTER);
    assert_int_equal(production("a"), 2);
    publish("a", 0.8, PROMOTION_IF_BETTER); /* as good is not better */
    assert_int_equal(production("a"), 2);
    publish("a", 0.85, PROMOTION_IF_BETTER);
    assert_int_equal(production("a"), 5);
    publish("a", 0.1, PROMOTION_ALWAYS);
    assert_int_equal(production("a"), 6);
    publish("a", 0.99, PROMOTION_NEVER);
    assert_int_equal(production("a"), 6);
}

static void accuracy_on_another_test_set_is_not_better(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1], config[] = JOB_CONFIG;
    publish("a", 0.5, PROMOTION_ALWAYS);
    run_job(id);
    struct model *model = make_model(1);
    struct version_record version = {
        .model = "a", .config = config, .test_digest = "another", .test_accuracy = 0.99};
    snprintf(version.job_id, sizeof version.job_id, "%s", id);
    assert_int_equal(registry_publish(registry, model, &version, PROMOTION_IF_BETTER, NULL), JOB_CHANGED);
    model_unref(model);
    assert_int_equal(production("a"), 1);
}

static void production_is_served_again_after_a_restart(void **state)
{
    (void)state;
    publish("a", 0.5, PROMOTION_ALWAYS);
    publish("a", 0.6, PROMOTION_ALWAYS);
    publish("b", 0.5, PROMOTION_NEVER);
    stop();
    start();
    assert_int_equal(production("a"), 2);
    assert_int_equal(production("b"), 0);
}

static void a_lost_file_costs_that_model_only(void **state)
{
    (void)state;
    publish("a", 0.5, PROMOTION_ALWAYS);
    publish("b", 0.5, PROMOTION_ALWAYS);
    stop();
    assert_int_equal(unlink(scratch_path("store/models/a/1.safetensors")), 0);
    start();
    assert_null(predict_model_default(predictions, "a"));
    assert_int_equal(production("b"), 1);
}

static void a_stopped_job_leaves_no_version_and_no_file(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    struct version_record version;
    enum job_state from;
    run_job(id);
    assert_int_equal(store_job_change(store, id, JOB_CANCELLED, NULL, &from, NULL), JOB_CHANGED);
    assert_int_equal(publish_for(id, "a", 0.5, PROMOTION_ALWAYS, &version), JOB_REFUSED);
    assert_false(scratch_exists("store/models/a/1.safetensors"));
    assert_null(predict_model_default(predictions, "a"));
    assert_int_equal(publish("a", 0.5, PROMOTION_NEVER), 1);
}

static void a_file_that_cannot_be_written_fails_the_publication(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    struct version_record version;
    run_job(id);
    scratch_write("store/models/a", "not a folder", 12);
    assert_int_equal(publish_for(id, "a", 0.5, PROMOTION_ALWAYS, &version), JOB_CHANGE_FAILED);
    assert_int_equal(unlink(scratch_path("store/models/a")), 0);
    assert_int_equal(publish_for(id, "a", 0.5, PROMOTION_ALWAYS, &version), JOB_CHANGED);
}

/* The database's log cannot grow, so that the very commit fails. */
static void publish_on_a_full_disk(const char *name)
{
    char id[JOB_ID_LENGTH + 1];
    struct version_record version;
    struct rlimit unlimited, limited;
    struct stat log;
    run_job(id);
    assert_int_equal(stat(scratch_path("store/digitd.db-wal"), &log), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    limited = unlimited;
    limited.rlim_cur = (rlim_t)log.st_size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
    enum job_change change = publish_for(id, name, 0.9, PROMOTION_ALWAYS, &version);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    assert_int_equal(change, JOB_CHANGE_FAILED);
    assert_true(version.file_bytes > 0); /* it got as far as that */
}

static void a_failed_commit_leaves_in_production_what_was(void **state)
{
    (void)state;
    publish("a", 0.5, PROMOTION_ALWAYS);
    publish_on_a_full_disk("a");
    assert_int_equal(production("a"), 1);
    assert_false(scratch_exists("store/models/a/2.safetensors"));
    publish_on_a_full_disk("b");
    assert_null(predict_model_default(predictions, "b"));
    assert_int_equal(publish("a", 0.6, PROMOTION_ALWAYS), 2);
    assert_int_equal(production("a"), 2);
}

/* ---- Import ---------------------------------------------------------------------------------------- */

/* A file's bytes; free() them. */
static char *read_file(const char *path, size_t *ret_size)
{
    char *bytes = malloc(1 << 20);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *ret_size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void an_imported_version_has_the_weights_of_the_file(void **state)
{
    (void)state;
    size_t size;
    int version = 0;
    struct version_record one, other;
    publish_versions(1);
    char *bytes = read_file(scratch_path("store/models/a/1.safetensors"), &size);
    assert_int_equal(registry_import(registry, "b", bytes, size, NULL, &version, NULL), OK);
    free(bytes);
    assert_int_equal(version, 1);
    assert_int_equal(store_version_read(store, "a", 1, &one, NULL), OK);
    assert_int_equal(store_version_read(store, "b", 1, &other, NULL), OK);
    assert_string_equal(one.weights_digest, other.weights_digest);
    assert_string_equal(other.job_id, "");
    assert_string_equal(other.config, JOB_CONFIG);
    assert_true(isnan(other.test_accuracy)); /* the file's word is no measurement */
    version_record_clear(&one);
    version_record_clear(&other);
    assert_int_equal(production("b"), 0);
}

/* "config" in the metadata, changed in place to a text of the same length. */
static void lineage_that_is_no_job_is_left_out(void **state)
{
    (void)state;
    size_t size;
    int version = 0;
    struct version_record imported;
    publish_versions(1);
    char *bytes = read_file(scratch_path("store/models/a/1.safetensors"), &size);
    char *dataset = memmem(bytes, size, "\\\"dataset\\\"", 11);
    assert_non_null(dataset);
    dataset[2] = 'D';
    assert_int_equal(registry_import(registry, "b", bytes, size, NULL, &version, NULL), OK);
    free(bytes);
    assert_int_equal(store_version_read(store, "b", 1, &imported, NULL), OK);
    assert_null(imported.config);
    version_record_clear(&imported);
}

static void a_broken_file_is_not_imported(void **state)
{
    (void)state;
    size_t size;
    int version = 0;
    struct error err;
    publish_versions(1);
    char *bytes = read_file(scratch_path("store/models/a/1.safetensors"), &size);
    assert_int_equal(registry_import(registry, "a", bytes, size - 4, NULL, &version, &err), ERR_FORMAT);
    assert_null(strstr(err.message, scratch_path("store")));
    const float nan_value = NAN;
    memcpy(bytes + size - 4, &nan_value, 4);
    assert_int_equal(registry_import(registry, "a", bytes, size, NULL, &version, &err), ERR_FORMAT);
    assert_non_null(strstr(err.message, "not finite"));
    assert_int_equal(registry_import(registry, "a", "x", 1, NULL, &version, &err), ERR_FORMAT);
    free(bytes);
    assert_int_equal(version, 0);
    assert_int_equal(publish("a", 0.5, PROMOTION_NEVER), 2);
}

/* ---- Files ----------------------------------------------------------------------------------------- */

static void orphans_are_swept_at_start(void **state)
{
    (void)state;
    static const char *const orphans[] = {
        "store/models/a/2.safetensors", "store/models/a/1.safetensors.AbCdEf.tmp",
        "store/models/a/01.safetensors", "store/models/a/notes.txt", "store/models/upload-AbCdEf"};
    publish("a", 0.5, PROMOTION_ALWAYS);
    for (size_t i = 0; i < sizeof orphans / sizeof *orphans; i++)
        scratch_write(orphans[i], "x", 1);
    mkdir(scratch_path("store/models/b"), 0777);
    scratch_write("store/models/b/1.safetensors", "x", 1);
    stop();
    start();
    for (size_t i = 0; i < sizeof orphans / sizeof *orphans; i++)
        assert_false(scratch_exists(orphans[i]));
    assert_false(scratch_exists("store/models/b/1.safetensors"));
    assert_true(scratch_exists("store/models/a/1.safetensors"));
    assert_int_equal(production("a"), 1);
}

static void onnx_is_made_once_and_anew_after_a_start(void **state)
{
    (void)state;
    char path[FILES_PATH_SIZE] = "", again[FILES_PATH_SIZE];
    struct stat first, second;
    publish("a", 0.5, PROMOTION_NEVER);
    assert_int_equal(registry_onnx_path(registry, "a", 2, path, NULL), ERR_NOT_FOUND);
    assert_string_equal(path, "");
    assert_int_equal(registry_onnx_path(registry, "a", 1, path, NULL), OK);
    assert_int_equal(stat(path, &first), 0);
    assert_int_equal(registry_onnx_path(registry, "a", 1, again, NULL), OK);
    assert_string_equal(again, path);
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(second.st_ino, first.st_ino);

    stop();
    start();
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(registry_onnx_path(registry, "a", 1, path, NULL), OK);
    assert_int_equal(access(path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(versions_count_up_for_each_model, setup, teardown),
        cmocka_unit_test_setup_teardown(a_version_is_loaded_as_it_was_published, setup, teardown),
        cmocka_unit_test_setup_teardown(promotion_follows_the_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(accuracy_on_another_test_set_is_not_better, setup, teardown),
        cmocka_unit_test_setup_teardown(production_is_served_again_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_file_costs_that_model_only, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stopped_job_leaves_no_version_and_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_written_fails_the_publication, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_commit_leaves_in_production_what_was, setup, teardown),
        cmocka_unit_test_setup_teardown(an_imported_version_has_the_weights_of_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(lineage_that_is_no_job_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_file_is_not_imported, setup, teardown),
        cmocka_unit_test_setup_teardown(orphans_are_swept_at_start, setup, teardown),
        cmocka_unit_test_setup_teardown(onnx_is_made_once_and_anew_after_a_start, setup, teardown),
    };
    return cmocka_run_group_tests_name("registry", tests, start_engine, NULL);
}

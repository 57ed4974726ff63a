/* Which version a name stands for: moved, rolled back, told, and guarded against deletion. */
#include "tests/server/registry_setup.h"

/* ---- Aliases --------------------------------------------------------------------------------------- */

static enum status move_to(const char *alias, int version)
{
    struct alias_move move = {.model = "a", .version = version, .reason = ALIAS_BY_CLIENT};
    snprintf(move.alias, sizeof move.alias, "%s", alias);
    return registry_alias_move(registry, &move, NULL);
}

static enum status roll_back(const char *alias)
{
    struct alias_move move = {.model = "a"};
    snprintf(move.alias, sizeof move.alias, "%s", alias);
    return registry_alias_rollback(registry, &move, NULL);
}

/* The version of an alias by the store, which is also what predictions use. */
static int version_at(const char *alias)
{
    struct model_record model;
    assert_int_equal(store_model_read(store, "a", &model, NULL), OK);
    int version = alias_list_find(&model.aliases, alias);
    struct served_model *served = predict_model_alias(predictions, "a", alias);
    assert_int_equal(served ? served->version : 0, version);
    served_model_unref(served);
    return version;
}

static void an_alias_moves_and_predictions_follow(void **state)
{
    (void)state;
    publish_versions(2);
    assert_int_equal(move_to("production", 1), OK);
    assert_int_equal(production("a"), 1);
    assert_int_equal(move_to("staging", 2), OK);
    assert_int_equal(version_at("staging"), 2);
    assert_int_equal(production("a"), 1);
    assert_int_equal(move_to("production", 2), OK);
    assert_int_equal(production("a"), 2);
    struct served_model *one = predict_model_alias(predictions, "a", "staging");
    struct served_model *other = predict_model_alias(predictions, "a", "production");
    assert_ptr_equal(one, other); /* in memory once */
    served_model_unref(one);
    served_model_unref(other);
    stop();
    start();
    assert_int_equal(version_at("staging"), 2);
    assert_int_equal(move_to("staging", 0), OK);
    assert_int_equal(version_at("staging"), 0);
    assert_int_equal(production("a"), 2);
}

static void an_alias_of_nothing_is_refused(void **state)
{
    (void)state;
    publish_versions(1);
    assert_int_equal(move_to("production", 2), ERR_NOT_FOUND);
    assert_int_equal(move_to("production", 0), ERR_NOT_FOUND);
    assert_int_equal(roll_back("production"), ERR_NOT_FOUND);
    assert_int_equal(production("a"), 0);
    char name[16];
    for (int i = 0; i < STORE_ALIASES_MAX; i++) {
        snprintf(name, sizeof name, "alias-%d", i);
        assert_int_equal(move_to(name, 1), OK);
    }
    assert_int_equal(move_to("one-more", 1), ERR_ARGUMENT);
    assert_int_equal(move_to("alias-0", 0), OK);
    assert_int_equal(move_to("one-more", 1), OK);
}

static void each_rollback_goes_one_further_back(void **state)
{
    (void)state;
    publish_versions(4);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(move_to("production", i), OK);
    assert_int_equal(roll_back("production"), OK);
    assert_int_equal(production("a"), 2);
    assert_int_equal(move_to("production", 4), OK);
    assert_int_equal(roll_back("production"), OK);
    assert_int_equal(production("a"), 2);
    assert_int_equal(roll_back("production"), OK);
    assert_int_equal(production("a"), 1);
    assert_int_equal(roll_back("production"), ERR_ARGUMENT);
    assert_int_equal(production("a"), 1);
}

static void a_rollback_brings_back_what_was_removed_and_passes_what_is_deleted(void **state)
{
    (void)state;
    publish_versions(3);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(move_to("production", i), OK);
    assert_int_equal(registry_delete(registry, "a", 2, NULL), OK);
    assert_int_equal(roll_back("production"), OK);
    assert_int_equal(production("a"), 1);
    assert_int_equal(move_to("production", 0), OK);
    assert_int_equal(production("a"), 0);
    assert_int_equal(roll_back("production"), OK);
    assert_int_equal(production("a"), 1);
}

static void the_history_of_an_alias_tells_every_move(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    struct version_record version;
    struct alias_move *moves;
    size_t count;
    bool has_more;
    run_job(id);
    assert_int_equal(publish_for(id, "a", 0.5, PROMOTION_ALWAYS, &version), JOB_CHANGED);
    assert_int_equal(publish("a", 0.6, PROMOTION_NEVER), 2);
    assert_int_equal(move_to("production", 2), OK);
    assert_int_equal(move_to("production", 2), OK); /* is there already */
    assert_int_equal(roll_back("production"), OK);

    assert_int_equal(store_alias_history(store, "a", "production", 0, 2, &moves, &count, &has_more, NULL),
                     OK);
    assert_int_equal(count, 2);
    assert_true(has_more);
    assert_int_equal(moves[0].version, 1);
    assert_int_equal(moves[0].previous, 2);
    assert_int_equal(moves[0].reason, ALIAS_BY_ROLLBACK);
    assert_int_equal(moves[1].version, 2);
    assert_int_equal(moves[1].reason, ALIAS_BY_CLIENT);
    int64_t last = moves[1].id;
    free(moves);
    assert_int_equal(store_alias_history(store, "a", "production", last, 2, &moves, &count, &has_more, NULL),
                     OK);
    assert_int_equal(count, 1);
    assert_false(has_more);
    assert_int_equal(moves[0].version, 1);
    assert_int_equal(moves[0].previous, 0);
    assert_int_equal(moves[0].reason, ALIAS_BY_JOB);
    assert_string_equal(moves[0].job, id);
    free(moves);
}

static void each_move_is_an_event(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "{\"model\":\"a\",\"alias\":\"production\",\"version\":1,\"previous\":null}",
        "{\"model\":\"a\",\"alias\":\"production\",\"version\":2,\"previous\":1}",
        "{\"model\":\"a\",\"alias\":\"production\",\"version\":1,\"previous\":2}",
        "{\"model\":\"a\",\"alias\":\"production\",\"version\":null,\"previous\":1}"};
    struct event_record *events;
    size_t count, found = 0;
    bool has_more;
    publish_versions(2);
    assert_int_equal(move_to("production", 1), OK);
    assert_int_equal(move_to("production", 2), OK);
    assert_int_equal(move_to("production", 2), OK); /* is there already */
    assert_int_equal(move_to("production", 3), ERR_NOT_FOUND);
    assert_int_equal(roll_back("production"), OK);
    assert_int_equal(move_to("production", 0), OK);
    const struct event_filter filter = {.up_to = INT64_MAX, .limit = 100};
    assert_int_equal(store_event_list(store, &filter, &events, &count, &has_more, NULL), OK);
    for (size_t i = 0; i < count; i++) {
        if (events[i].type == EVENT_ALIAS) {
            assert_true(found < sizeof expected / sizeof *expected);
            assert_string_equal(events[i].data, expected[found++]);
        }
        event_record_clear(&events[i]);
    }
    free(events);
    assert_int_equal(found, sizeof expected / sizeof *expected);
}

static void a_version_is_deleted_unless_an_alias_has_it(void **state)
{
    (void)state;
    struct model *model;
    char path[FILES_PATH_SIZE];
    publish_versions(2);
    assert_int_equal(move_to("staging", 1), OK);
    assert_int_equal(registry_onnx_path(registry, "a", 2, path, NULL), OK);
    assert_int_equal(registry_delete(registry, "a", 1, NULL), ERR_ARGUMENT);
    assert_int_equal(registry_delete(registry, "a", 3, NULL), ERR_NOT_FOUND);
    assert_int_equal(registry_delete(registry, "a", 2, NULL), OK);
    assert_int_equal(registry_load(registry, "a", 2, &model, NULL), ERR_NOT_FOUND);
    assert_false(scratch_exists("store/models/a/2.safetensors"));
    assert_false(scratch_exists("store/models/a/2.onnx"));
    assert_true(scratch_exists("store/models/a/1.safetensors"));
    assert_int_equal(publish("a", 0.5, PROMOTION_NEVER), 3); /* a number is not given twice */
    assert_int_equal(move_to("staging", 0), OK);
    assert_int_equal(registry_delete(registry, "a", 1, NULL), OK);
}

static void a_move_that_cannot_be_kept_leaves_what_was(void **state)
{
    (void)state;
    struct rlimit unlimited, limited;
    struct stat log;
    publish_versions(2);
    assert_int_equal(move_to("production", 1), OK);
    assert_int_equal(stat(scratch_path("store/digitd.db-wal"), &log), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    limited = unlimited;
    limited.rlim_cur = (rlim_t)log.st_size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
    enum status status = move_to("production", 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    assert_int_equal(status, ERR_IO);
    assert_int_equal(production("a"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_alias_moves_and_predictions_follow, setup, teardown),
        cmocka_unit_test_setup_teardown(an_alias_of_nothing_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(each_rollback_goes_one_further_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rollback_brings_back_what_was_removed_and_passes_what_is_deleted,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_history_of_an_alias_tells_every_move, setup, teardown),
        cmocka_unit_test_setup_teardown(each_move_is_an_event, setup, teardown),
        cmocka_unit_test_setup_teardown(a_version_is_deleted_unless_an_alias_has_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_move_that_cannot_be_kept_leaves_what_was, setup, teardown),
    };
    return cmocka_run_group_tests_name("registry_aliases", tests, start_engine, NULL);
}

/* Own data in the store: what is added can be read, taken back and removed, and what a job trains on stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/store_jobs.h"
#include "server/store_samples.h"
#include "server/store_sweeps.h"
#include "tests/server/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store *store;

static int setup(void **state)
{
    (void)state;
    scratch_make();
    return store_open(scratch_path("store"), &store, NULL) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    store_free(store);
    scratch_remove();
    return 0;
}

/* `count` images of digit `label`, all pixels of that level. */
static int64_t add(const char *name, uint8_t label, size_t count)
{
    uint8_t images[4][IMAGE_PIXELS], labels[4];
    int64_t first, total;
    struct error err;
    memset(images, label, sizeof images);
    memset(labels, label, sizeof labels);
    const struct sample_batch batch = {(const uint8_t(*)[IMAGE_PIXELS])images, labels, count};
    if (store_samples_add(store, name, &batch, &first, &total, &err))
        fail_msg("%s", err.message);
    return first;
}

static struct own_dataset own(const char *name)
{
    struct own_dataset found;
    assert_int_equal(store_own_read(store, name, &found, NULL), OK);
    return found;
}

/* The labels of a revision, one digit each. */
static const char *labels_of(const char *name, int64_t revision)
{
    static char text[32];
    struct dataset *dataset;
    struct error err;
    if (store_samples_load(store, name, revision, &dataset, &err))
        fail_msg("%s", err.message);
    size_t count = dataset_count(dataset);
    assert_true(count < sizeof text);
    for (size_t i = 0; i < count; i++) {
        text[i] = (char)('0' + dataset_label(dataset, i));
        assert_int_equal(dataset_image(dataset, i)[IMAGE_PIXELS - 1], dataset_label(dataset, i));
    }
    text[count] = '\0';
    dataset_unref(dataset);
    return text;
}

static void samples_come_back_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    int64_t first = add("mine", 7, 1);
    assert_int_equal(add("other", 5, 1), first + 1);
    assert_int_equal(add("mine", 3, 2), first + 2);
    assert_string_equal(labels_of("mine", own("mine").revision), "733");

    const struct sample_filter page = {.label = -1, .limit = 2}, rest = {-1, first + 2, 2},
                               sevens = {7, 0, 2};
    struct sample_record *samples;
    size_t count;
    bool has_more;
    assert_int_equal(store_sample_list(store, "mine", &page, &samples, &count, &has_more, NULL), OK);
    assert_int_equal(count, 2);
    assert_true(has_more);
    assert_int_equal(samples[1].id, first + 2);
    free(samples);
    assert_int_equal(store_sample_list(store, "mine", &rest, &samples, &count, &has_more, NULL), OK);
    assert_int_equal(count, 1);
    assert_false(has_more);
    assert_int_equal(samples[0].id, first);
    free(samples);
    assert_int_equal(store_sample_list(store, "mine", &sevens, &samples, &count, &has_more, NULL), OK);
    assert_int_equal(count, 1);
    free(samples);
}

static void a_sample_is_taken_back_once(void **state)
{
    (void)state;
    uint8_t image[IMAGE_PIXELS];
    int64_t first = add("mine", 1, 3);
    assert_int_equal(store_sample_image(store, "mine", first + 1, image, NULL), OK);
    assert_int_equal(store_sample_delete(store, "other", first + 1, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_sample_delete(store, "mine", first + 1, NULL), OK);
    assert_int_equal(store_sample_delete(store, "mine", first + 1, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_sample_image(store, "mine", first + 1, image, NULL), ERR_NOT_FOUND);
    assert_string_equal(labels_of("mine", own("mine").revision), "11");
}

static void submit(const char *config, char id[JOB_ID_LENGTH + 1])
{
    const struct job_insert insert = {.config = config, .queue_limit = 10};
    assert_int_equal(store_job_insert(store, &insert, id, NULL), JOB_INSERTED);
}

static void what_a_job_trains_on_stays_until_the_job_ends(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    bool in_use;
    struct dataset *dataset;
    int64_t first = add("mine", 2, 2), pinned = own("mine").revision;
    submit("{\"datasets\":[{\"name\":\"mnist\"},{\"name\":\"mine\"}]}", id);
    add("mine", 4, 1);
    assert_int_equal(store_sample_delete(store, "mine", first, NULL), OK);
    assert_string_equal(labels_of("mine", pinned), "22");
    assert_string_equal(labels_of("mine", own("mine").revision), "24");
    assert_int_equal(store_own_delete(store, "mine", &in_use, NULL), OK);
    assert_true(in_use);

    enum job_state from;
    assert_int_equal(store_job_change(store, id, JOB_CANCELLED, NULL, &from, NULL), JOB_CHANGED);
    assert_int_equal(store_sample_delete(store, "mine", first + 1, NULL), OK);
    assert_int_equal(store_samples_load(store, "mine", pinned, &dataset, NULL), ERR_CHANGED);
    assert_string_equal(labels_of("mine", own("mine").revision), "4");
    assert_int_equal(store_own_delete(store, "mine", &in_use, NULL), OK);
    assert_false(in_use);
}

/* The configuration of a job that trains on a revision. */
static const char *config_of(const char *name, int64_t revision)
{
    static char config[128];
    snprintf(config, sizeof config,
             "{\"datasets\":[{\"name\":\"mnist\"},{\"name\":\"%s\",\"revision\":%lld}]}", name,
             (long long)revision);
    return config;
}

/* Neither a job nor a sweep can be stored that trains on the revision. */
static void assert_gone(const char *name, int64_t revision)
{
    char id[32];
    int64_t jobs;
    struct error err;
    char *config = strdup(config_of(name, revision));
    const struct job_insert job = {.config = config, .queue_limit = 10};
    const struct trial_plan trials[] = {{.combination = 1, .settings = config, .error = config},
                                        {.combination = 2, .settings = config, .config = config}};
    const struct sweep_record sweep = {.name = "s", .request = config, .estimate = config};
    assert_int_equal(store_job_insert(store, &job, id, &err), JOB_INSERT_FAILED);
    assert_int_equal(err.code, ERR_CHANGED);
    assert_int_equal(store_sweep_insert(store, &sweep, trials, 2, id, &err), ERR_CHANGED);
    assert_int_equal(store_job_count(store, &jobs, NULL), OK);
    assert_int_equal(jobs, 0);
    free(config);
}

static void nothing_is_queued_for_images_that_are_gone(void **state)
{
    (void)state;
    bool in_use;
    char id[JOB_ID_LENGTH + 1];
    int64_t first = add("mine", 2, 2), seen = own("mine").revision;
    assert_int_equal(store_sample_delete(store, "mine", first, NULL), OK);
    assert_gone("mine", seen);
    assert_gone("mine", own("mine").revision + 1);
    seen = own("mine").revision;
    assert_int_equal(store_own_delete(store, "mine", &in_use, NULL), OK);
    assert_gone("mine", seen);
    add("mine", 2, 1);
    assert_gone("mine", seen);
    submit(config_of("mine", own("mine").revision), id);
}

/* As between the check of a request and its queueing. */
static void what_is_held_can_be_queued_whatever_is_removed(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    enum job_state from;
    int64_t first = add("mine", 2, 3);
    store_own_hold(store);
    store_own_hold(store);
    int64_t seen = own("mine").revision;
    store_own_release(store);
    assert_int_equal(store_sample_delete(store, "mine", first, NULL), OK);
    submit(config_of("mine", seen), id);
    store_own_release(store);
    assert_int_equal(store_sample_delete(store, "mine", first + 1, NULL), OK);
    assert_string_equal(labels_of("mine", seen), "222");
    assert_int_equal(store_job_change(store, id, JOB_CANCELLED, NULL, &from, NULL), JOB_CHANGED);
    add("mine", 3, 1);
    assert_int_equal(store_sample_delete(store, "mine", first + 2, NULL), OK);
    struct dataset *dataset;
    assert_int_equal(store_samples_load(store, "mine", seen, &dataset, NULL), ERR_CHANGED);
}

static void a_name_used_again_does_not_bring_the_old_images_back(void **state)
{
    (void)state;
    bool in_use;
    struct dataset *dataset;
    add("mine", 8, 1);
    int64_t before = own("mine").revision;
    assert_int_equal(store_own_delete(store, "mine", &in_use, NULL), OK);
    assert_int_equal(store_own_delete(store, "mine", &in_use, NULL), ERR_NOT_FOUND);
    add("mine", 9, 1);
    assert_true(own("mine").revision > before);
    assert_int_equal(store_samples_load(store, "mine", before, &dataset, NULL), ERR_CHANGED);
    assert_string_equal(labels_of("mine", own("mine").revision), "9");
}

static void no_more_datasets_are_made_than_may_be(void **state)
{
    (void)state;
    char name[16];
    uint8_t image[1][IMAGE_PIXELS] = {{0}};
    int64_t first, total;
    struct error err;
    for (int i = 0; i < OWN_DATASETS_MAX; i++) {
        snprintf(name, sizeof name, "own-%d", i);
        add(name, 0, 1);
    }
    const struct sample_batch batch = {(const uint8_t(*)[IMAGE_PIXELS])image, (const uint8_t[]){0}, 1};
    assert_int_equal(store_samples_add(store, "more", &batch, &first, &total, &err), ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "100"));
    assert_int_equal(store_samples_add(store, "own-7", &batch, &first, &total, &err), OK);
    assert_int_equal(total, 2);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(samples_come_back_in_the_order_in_which_they_came),
        STORE_TEST(a_sample_is_taken_back_once),
        STORE_TEST(what_a_job_trains_on_stays_until_the_job_ends),
        STORE_TEST(nothing_is_queued_for_images_that_are_gone),
        STORE_TEST(what_is_held_can_be_queued_whatever_is_removed),
        STORE_TEST(a_name_used_again_does_not_bring_the_old_images_back),
        STORE_TEST(no_more_datasets_are_made_than_may_be),
    };
    return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}

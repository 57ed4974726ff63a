/* The trials of a sweep train on the same images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/store_samples.h"
#include "server/sweep_plan.h"
#include "tests/server/job_services.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#define PLANS 20 /* beside a change at any moment */

static atomic_bool planned;

static void add_samples(size_t count)
{
    static uint8_t images[100][IMAGE_PIXELS], labels[100];
    const struct sample_batch batch = {(const uint8_t(*)[IMAGE_PIXELS])images, labels, count};
    int64_t first, total;
    struct error err;
    assert_int_equal(store_samples_add(services()->store, "mine", &batch, &first, &total, &err), OK);
}

/* Adds an image and removes it, again and again. */
static void *keep_changing(void *argument)
{
    static const uint8_t image[1][IMAGE_PIXELS], label[1];
    const struct sample_batch batch = {image, label, 1};
    struct store *store = argument;
    int64_t id, total;
    struct error err;
    while (!atomic_load(&planned) && store_samples_add(store, "mine", &batch, &id, &total, &err) == OK &&
           store_sample_delete(store, "mine", id, &err) == OK)
        ;
    return NULL;
}

/* Of the trial's configuration. */
static int64_t revision_of(const struct sweep_trial *trial)
{
    json_int_t revision = 0;
    json_t *config = json_loads(trial->plan.config, 0, NULL);
    json_unpack(config, "{s:[{s:I}]}", "datasets", "revision", &revision);
    json_decref(config);
    return revision;
}

/* Whether all trials of a plan are to train on the same images. */
static bool plans_alike(const struct sweep_request *request)
{
    struct problems problems = {0};
    struct sweep_plan plan;
    bool alike = true;
    store_own_hold(services()->store);
    enum status status = sweep_plan_create(request, services()->jobs, 1, &plan, &problems);
    store_own_release(services()->store);
    if (status)
        return false;
    for (size_t i = 0; i < plan.count; i++)
        alike = alike && revision_of(&plan.trials[i]) == revision_of(&plan.trials[0]) &&
                plan.trials[i].work.train_images == plan.trials[0].work.train_images;
    sweep_plan_clear(&plan);
    return alike;
}

static void all_trials_have_the_same_revision_of_data_that_changes(void **state)
{
    (void)state;
    struct sweep_request request;
    struct problems problems = {0};
    pthread_t thread;
    json_t *json =
        json_loads("{\"parameters\":{\"/training/learning_rate\":[0.001,0.002,0.003,0.004,0.005]},"
                   "\"seeds\":10,\"base\":{\"dataset\":\"mine\",\"test_dataset\":\"tiny\"," SMALL_MODEL
                   ",\"training\":{\"batch_size\":8}}}",
                   0, NULL);
    if (sweep_request_from_json(json, &request, &problems))
        fail_msg("%s: %s", problems.items[0].pointer, problems.items[0].message);
    json_decref(json);
    add_samples(100);
    atomic_store(&planned, false);
    assert_int_equal(pthread_create(&thread, NULL, keep_changing, services()->store), 0);
    int alike = 0;
    while (alike < PLANS && plans_alike(&request))
        alike++;
    atomic_store(&planned, true);
    pthread_join(thread, NULL);
    assert_int_equal(alike, PLANS);
    sweep_request_clear(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_trials_have_the_same_revision_of_data_that_changes,
                                        services_setup, services_teardown),
    };
    return cmocka_run_group_tests(tests, services_start_engine, NULL);
}

/* A registry on a store in a scratch folder, and versions that are published in it. For each program of tests anew. */
#ifndef DIGITD_TESTS_REGISTRY_SETUP_H
#define DIGITD_TESTS_REGISTRY_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/predict.h"
#include "server/registry.h"
#include "tests/server/scratch.h"
#include "tests/server/tiny_model.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the page and other readers of a version's lineage look at. */
#define JOB_CONFIG                                                                                           \
    "{\"name\":\"a\",\"dataset\":\"mnist\",\"model\":{\"layers\":[]},\"training\":{},\"promotion\":"         \
    "\"never\"}"

static struct store *store;
static struct registry *registry;
static struct predict_service *predictions;

static inline void start(void)
{
    const struct predict_config config = {.workers = 1, .batch_max = 8, .queue_max = 8};
    struct error err;
    if (store_open(scratch_path("store"), &store, &err) || registry_create(store, &registry, &err) ||
        predict_service_create(&config, &predictions, &err) || registry_serve(registry, predictions, &err))
        fail_msg("%s", err.message);
}

static inline void stop(void)
{
    predict_service_free(predictions);
    registry_free(registry);
    store_free(store);
}

static inline int setup(void **state)
{
    (void)state;
    scratch_make();
    start();
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    stop();
    scratch_remove();
    return 0;
}

static inline int start_engine(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    return engine_init(NULL) == OK ? 0 : -1;
}

static inline void run_job(char id[JOB_ID_LENGTH + 1])
{
    const struct job_insert insert = {.config = "{}", .queue_limit = 100};
    enum job_state from;
    assert_int_equal(store_job_insert(store, &insert, id, NULL), JOB_INSERTED);
    assert_int_equal(store_job_change(store, id, JOB_RUNNING, NULL, &from, NULL), JOB_CHANGED);
}

static inline enum job_change publish_for(const char *job, const char *name, double accuracy,
                                          enum promotion promotion, struct version_record *ret_version)
{
    char config[] = JOB_CONFIG;
    struct model *model = make_model((uint64_t)(accuracy * 1000));
    struct error err = {0};
    *ret_version = (struct version_record){.config = config,
                                           .train_digest = "train",
                                           .test_digest = "test",
                                           .test_loss = 0.1,
                                           .test_accuracy = accuracy,
                                           .validation_loss = NAN,
                                           .validation_accuracy = NAN,
                                           .training_seconds = 1};
    snprintf(ret_version->model, sizeof ret_version->model, "%s", name);
    snprintf(ret_version->job_id, sizeof ret_version->job_id, "%s", job);
    enum job_change change = registry_publish(registry, model, ret_version, promotion, &err);
    model_unref(model);
    if (change == JOB_CHANGE_FAILED)
        print_message("%s\n", err.message);
    return change;
}

static inline int publish(const char *name, double accuracy, enum promotion promotion)
{
    char id[JOB_ID_LENGTH + 1];
    struct version_record version;
    run_job(id);
    assert_int_equal(publish_for(id, name, accuracy, promotion, &version), JOB_CHANGED);
    return version.version;
}

/* The version in production by the store, which is also what predictions use. */
static inline int production(const char *name)
{
    struct model_record model = {.production = 0};
    assert_int_equal(store_model_read(store, name, &model, NULL), OK);
    struct served_model *served = predict_model_default(predictions, name);
    assert_int_equal(served ? served->version : 0, model.production);
    served_model_unref(served);
    return model.production;
}

static inline void publish_versions(int count)
{
    for (int i = 1; i <= count; i++)
        assert_int_equal(publish("a", 0.5 + 0.01 * i, PROMOTION_NEVER), i);
}

#endif

#include "server/rival.h"

#include "server/log.h"

#include <math.h>
#include <stdio.h>

static enum status measure(struct store *store, struct registry *registry, const char *model, int version,
                           const char *dataset, struct dataset *test, const struct evaluation_pace *pace,
                           struct error *err)
{
    struct model *network;
    struct evaluation_record record;
    bool complete = false;
    enum status status = registry_load(registry, model, version, &network, err);
    if (status)
        return status;
    status = evaluation_measure(network, test, pace, &record, &complete, err);
    model_unref(network);
    if (status || !complete)
        return status;
    snprintf(record.dataset, sizeof record.dataset, "%s", dataset);
    record.split = SPLIT_TEST;
    status = store_evaluation_put(store, model, version, &record, err);
    if (status == OK)
        log_info("%s version %d, which is in production, has accuracy %.4f on the test set of %s", model,
                 version, record.accuracy, dataset);
    evaluation_record_clear(&record);
    return status;
}

enum status rival_find(struct store *store, const char *model, const char *digest, int *ret_version,
                       struct error *err)
{
    struct model_record record = {.production = 0};
    double accuracy = 0;
    enum status status = store_model_read(store, model, &record, err);
    if (status == OK && record.production)
        status = store_version_accuracy(store, model, record.production, digest, &accuracy, err);
    if (status && status != ERR_NOT_FOUND)
        return status;
    *ret_version = isnan(accuracy) ? record.production : 0;
    return OK;
}

void rival_measure(struct store *store, struct registry *registry, const char *model, const char *dataset,
                   struct dataset *test, const struct evaluation_pace *pace)
{
    struct error err;
    int version = 0;
    enum status status = rival_find(store, model, dataset_digest(test), &version, &err);
    if (status == OK && version)
        status = measure(store, registry, model, version, dataset, test, pace, &err);
    if (status)
        log_warning("what is in production of %s cannot be compared with a new version: %s", model,
                    err.message);
}

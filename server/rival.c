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

void rival_measure(struct store *store, struct registry *registry, const char *model, const char *dataset,
                   struct dataset *test, const struct evaluation_pace *pace)
{
    struct model_record record = {.production = 0};
    struct error err;
    double accuracy;
    enum status status = store_model_read(store, model, &record, &err);
    if (status == ERR_NOT_FOUND || (status == OK && record.production == 0))
        return;
    if (status == OK)
        status =
            store_version_accuracy(store, model, record.production, dataset_digest(test), &accuracy, &err);
    if (status == OK && isnan(accuracy))
        status = measure(store, registry, model, record.production, dataset, test, pace, &err);
    if (status)
        log_warning("%s version %d, which is in production, cannot be compared with a new version: %s", model,
                    record.production, err.message);
}

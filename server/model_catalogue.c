#include "server/model_catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/predict.h"
#include "server/store_models.h"

#define MODELS_MAX   1000
#define VERSIONS_MAX 1000 /* of a model, the newest */

struct catalogue {
    struct catalogue_entry *entries;
    size_t count;
};

static enum status add(struct catalogue *catalogue, const char *name, int version, struct error *err)
{
    struct catalogue_entry *grown =
        realloc(catalogue->entries, (catalogue->count + 1) * sizeof *catalogue->entries);
    if (!grown)
        return error_set(err, ERR_MEMORY, "no memory to list models");
    catalogue->entries = grown;
    struct catalogue_entry *entry = &grown[catalogue->count++];
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->version = version;
    return OK;
}

/* The store has the newest first. */
static enum status add_versions(struct app *app, struct catalogue *catalogue, const char *name,
                                struct error *err)
{
    struct version_record *versions;
    size_t count;
    bool has_more;
    enum status status =
        store_version_list(app->store, name, 0, VERSIONS_MAX, &versions, &count, &has_more, err);
    if (status != OK)
        return status;
    for (size_t i = count; i-- > 0;) {
        if (status == OK)
            status = add(catalogue, name, versions[i].version, err);
        version_record_clear(&versions[i]);
    }
    free(versions);
    return status;
}

static enum status add_all(struct app *app, struct catalogue *catalogue, struct error *err)
{
    struct model_record *models;
    size_t count;
    bool has_more;
    enum status status = store_model_list(app->store, NULL, MODELS_MAX, &models, &count, &has_more, err);
    if (status != OK)
        return status;
    for (size_t i = 0; i < count && status == OK; i++)
        status = add_versions(app, catalogue, models[i].name, err);
    free(models);
    return status;
}

/* A name that has no version yet may still be that of a model in training. */
static enum status add_model(struct app *app, struct catalogue *catalogue, const char *name,
                             struct error *err)
{
    struct model_record model;
    enum status status = store_model_read(app->store, name, &model, err);
    if (status == OK)
        return add_versions(app, catalogue, name, err);
    struct served_model *live = predict_model_default(app->predictions, name);
    if (status == ERR_NOT_FOUND && live)
        status = add(catalogue, name, 0, err);
    served_model_unref(live);
    return status;
}

static enum status add_version(struct app *app, struct catalogue *catalogue, const char *name, int version,
                               struct error *err)
{
    struct version_record record;
    enum status status = store_version_read(app->store, name, version, &record, err);
    if (status != OK)
        return status;
    version_record_clear(&record);
    return add(catalogue, name, version, err);
}

enum status model_catalogue_list(struct app *app, const char *name, int version,
                                 struct catalogue_entry **ret_entries, size_t *ret_count, struct error *err)
{
    struct catalogue catalogue = {0};
    enum status status = !name      ? add_all(app, &catalogue, err)
                         : !version ? add_model(app, &catalogue, name, err)
                                    : add_version(app, &catalogue, name, version, err);
    if (status != OK) {
        free(catalogue.entries);
        return status;
    }
    *ret_entries = catalogue.entries;
    *ret_count = catalogue.count;
    return OK;
}

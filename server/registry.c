#include "server/registry_private.h"

#include "server/log.h"
#include "server/predict.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const promotion_names[] = {"never", "if_better", "always", NULL};

enum status registry_path(const struct registry *registry, const char *name, int version,
                          char ret_path[FILES_PATH_SIZE], struct error *err)
{
    return files_path(ret_path, err, "%s/models/%s/%d.safetensors", store_folder(registry->store), name,
                      version);
}

/* ---- Start and end --------------------------------------------------------------------------------- */

struct sweep {
    struct registry *registry;
    const char *model;
};

static bool is_known_file(void *context, const char *name)
{
    const struct sweep *sweep = context;
    struct version_record version;
    char expected[32];
    int number = (int)strtol(name, NULL, 10);
    snprintf(expected, sizeof expected, "%d.safetensors", number);
    if (strcmp(name, expected) != 0)
        return false;
    enum status status = store_version_read(sweep->registry->store, sweep->model, number, &version, NULL);
    if (status == OK)
        version_record_clear(&version);
    return status != ERR_NOT_FOUND; /* when in doubt, keep */
}

/* Beside the models' folders there are only uploads that were cut short. */
static bool keep_nothing(void *context, const char *name)
{
    (void)context, (void)name;
    return false;
}

static enum status sweep_model(void *context, const char *name, struct error *err)
{
    struct sweep sweep = {context, name};
    char folder[FILES_PATH_SIZE];
    enum status status = files_path(folder, err, "%s/models/%s", store_folder(sweep.registry->store), name);
    return status ? status : files_sweep(folder, is_known_file, &sweep, err);
}

enum status registry_create(struct store *store, struct registry **ret_registry, struct error *err)
{
    struct registry *registry = calloc(1, sizeof *registry);
    if (!registry)
        return error_set(err, ERR_MEMORY, "no memory for the model registry");
    registry->store = store;
    pthread_mutex_init(&registry->publish_mutex, NULL);

    char folder[FILES_PATH_SIZE];
    enum status status = files_path(folder, err, "%s/models", store_folder(store));
    if (status == OK)
        status = files_make_folder(folder, err);
    if (status == OK)
        status = files_sweep(folder, keep_nothing, NULL, err);
    if (status == OK)
        status = files_each_folder(folder, sweep_model, registry, err);
    if (status) {
        registry_free(registry);
        return status;
    }
    *ret_registry = registry;
    return OK;
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    pthread_mutex_destroy(&registry->publish_mutex);
    free(registry);
}

/* ---- Looking up ------------------------------------------------------------------------------------ */

enum status registry_load(struct registry *registry, const char *name, int version, struct model **ret_model,
                          struct error *err)
{
    struct version_record record;
    char path[FILES_PATH_SIZE];
    enum status status = store_version_read(registry->store, name, version, &record, err);
    if (status)
        return status;
    version_record_clear(&record);
    status = registry_path(registry, name, version, path, err);
    return status ? status : model_load(path, ret_model, err);
}

enum status registry_onnx_path(struct registry *registry, const char *name, int version,
                               char ret_path[FILES_PATH_SIZE], struct error *err)
{
    struct model *model;
    char path[FILES_PATH_SIZE];
    enum status status =
        files_path(path, err, "%s/models/%s/%d.onnx", store_folder(registry->store), name, version);
    if (status)
        return status;
    if (access(path, R_OK)) {
        status = registry_load(registry, name, version, &model, err);
        if (status)
            return status;
        status = model_export_onnx(model, path, err);
        model_unref(model);
    }
    if (status == OK)
        memcpy(ret_path, path, sizeof path);
    return status;
}

/* A version whose file cannot be read costs that alias only. */
static void serve_aliases(struct registry *registry, const struct model_record *record)
{
    struct error err;
    for (size_t i = 0; i < record->aliases.count; i++) {
        const char *alias = record->aliases.items[i].name;
        int version = record->aliases.items[i].version;
        if (registry_serve_alias(registry, record->name, alias, version, &err))
            log_error("model %s version %d cannot be served as %s: %s", record->name, version, alias,
                      err.message);
    }
}

enum status registry_serve(struct registry *registry, struct predict_service *predictions, struct error *err)
{
    registry->predictions = predictions;
    char after[NAME_MAX_LENGTH + 1] = "";
    bool has_more = true;
    enum status status = OK;
    while (has_more && status == OK) {
        struct model_record *models;
        size_t count;
        status = store_model_list(registry->store, after, 100, &models, &count, &has_more, err);
        if (status)
            return status;
        for (size_t i = 0; i < count; i++) {
            memcpy(after, models[i].name, sizeof after);
            serve_aliases(registry, &models[i]);
        }
        free(models);
    }
    return status;
}

/* ---- Publishing ------------------------------------------------------------------------------------ */

/* Validation sets differ from job to job; the test set is the one measure that two versions share. What is not known
 * beats nothing and is not beaten. */
enum status registry_decide_promotion(struct registry *registry, const struct version_record *version,
                                      enum promotion promotion, bool *ret_promote, struct error *err)
{
    struct model_record model = {.production = 0};
    double rival;
    enum status status = store_model_read(registry->store, version->model, &model, err);
    if (status && status != ERR_NOT_FOUND)
        return status;
    if (promotion != PROMOTION_IF_BETTER || model.production == 0) {
        *ret_promote = promotion != PROMOTION_NEVER;
        return OK;
    }
    status = store_version_accuracy(registry->store, version->model, model.production, version->test_digest,
                                    &rival, err);
    if (status == OK)
        *ret_promote = version->test_accuracy > rival;
    return status;
}

/* Sets a string unless there is none to set. */
static bool set_text(json_t *metadata, const char *key, const char *text)
{
    return !text || *text == '\0' || json_object_set_new(metadata, key, json_string(text)) == 0;
}

/* What a copy of the file alone can tell of itself; safetensors allows strings only. */
static json_t *make_metadata(const struct version_record *version)
{
    char number[16], accuracy[32] = "";
    snprintf(number, sizeof number, "%d", version->version);
    if (isfinite(version->test_accuracy))
        snprintf(accuracy, sizeof accuracy, "%.6g", version->test_accuracy);
    json_t *metadata = json_object();
    if (metadata && set_text(metadata, "name", version->model) && set_text(metadata, "version", number) &&
        set_text(metadata, "job", version->job_id) && set_text(metadata, "config", version->config) &&
        set_text(metadata, "train_digest", version->train_digest) &&
        set_text(metadata, "weights_digest", version->weights_digest) &&
        set_text(metadata, "test_accuracy", accuracy) &&
        set_text(metadata, "code_version", version->code_version))
        return metadata;
    json_decref(metadata);
    return NULL;
}

static enum status write_file(struct registry *registry, struct model *model, struct version_record *version,
                              const char *path, struct error *err)
{
    char folder[FILES_PATH_SIZE];
    enum status status =
        files_path(folder, err, "%s/models/%s", store_folder(registry->store), version->model);
    if (status || (status = files_make_folder(folder, err)))
        return status;
    json_t *metadata = make_metadata(version);
    if (!metadata)
        return error_set(err, ERR_MEMORY, "no memory for a model's metadata");
    status = model_save(model, metadata, path, err);
    json_decref(metadata);
    return status ? status : digest_file(path, version->file_digest, &version->file_bytes, err);
}

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

char *registry_make_result(const struct version_record *version, bool promoted)
{
    json_t *best_epoch = version->best_epoch ? json_integer(version->best_epoch) : json_null();
    json_t *model = version->version
                        ? json_pack("{s:s, s:i}", "name", version->model, "version", version->version)
                        : json_null();
    json_t *result = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:i, s:o, s:b, s:b}", "model", model, "test_accuracy",
        real_or_null(version->test_accuracy), "test_loss", real_or_null(version->test_loss),
        "validation_accuracy", real_or_null(version->validation_accuracy), "validation_loss",
        real_or_null(version->validation_loss), "training_seconds", real_or_null(version->training_seconds),
        "parameters", (json_int_t)version->parameters, "epochs", version->epochs, "best_epoch", best_epoch,
        "stopped_early", version->stopped_early, "promoted", promoted);
    char *text = result ? json_dumps(result, JSON_COMPACT) : NULL;
    json_decref(result);
    return text;
}

/* A version on its way into production. */
struct hand_over {
    struct registry *registry;
    struct model *model;
    const struct version_record *version;
    bool promote, served;
};

/* Predictions change over before anyone can read that the job is done: who has read it gets the new version. */
static void serve_before_commit(void *context)
{
    struct hand_over *hand_over = context;
    const struct version_record *version = hand_over->version;
    struct error err;
    if (!hand_over->promote || !hand_over->registry->predictions)
        return;
    hand_over->served = predict_publish(hand_over->registry->predictions, version->model, ALIAS_PRODUCTION,
                                        version->version, hand_over->model, &err) == OK;
    if (!hand_over->served)
        log_error("model %s version %d is not served until a restart: %s", version->model, version->version,
                  err.message);
}

static enum job_change commit(struct hand_over *hand_over, struct error *err)
{
    const struct version_record *version = hand_over->version;
    struct registry *registry = hand_over->registry;
    char *result = registry_make_result(version, hand_over->promote);
    if (!result) {
        error_set(err, ERR_MEMORY, "no memory for a job's result");
        return JOB_CHANGE_FAILED;
    }
    enum job_change change = store_job_succeed(registry->store, version->job_id, result, version,
                                               hand_over->promote, serve_before_commit, hand_over, err);
    free(result);
    if (change != JOB_CHANGED && hand_over->served)
        registry_serve_what_was(registry, version->model, ALIAS_PRODUCTION);
    return change;
}

enum status registry_write(struct registry *registry, struct model *model, struct version_record *version,
                           char ret_path[FILES_PATH_SIZE], struct error *err)
{
    snprintf(version->core_type, sizeof version->core_type, "%s", engine_core_type());
    snprintf(version->code_version, sizeof version->code_version, "%s", DIGITD_VERSION);
    version->parameters = (int64_t)model_plan_of(model)->parameters;
    model_digest(model, version->weights_digest);
    enum status status = store_version_next(registry->store, version->model, &version->version, err);
    if (status == OK)
        status = registry_path(registry, version->model, version->version, ret_path, err);
    return status ? status : write_file(registry, model, version, ret_path, err);
}

/* With the mutex held. */
static enum job_change publish(struct registry *registry, struct model *model, struct version_record *version,
                               enum promotion promotion, struct error *err)
{
    char path[FILES_PATH_SIZE];
    struct hand_over hand_over = {.registry = registry, .model = model, .version = version};
    if (registry_decide_promotion(registry, version, promotion, &hand_over.promote, err) ||
        registry_write(registry, model, version, path, err))
        return JOB_CHANGE_FAILED;
    enum job_change change = commit(&hand_over, err);
    if (change != JOB_CHANGED)
        unlink(path);
    return change;
}

enum job_change registry_publish(struct registry *registry, struct model *model,
                                 struct version_record *version, enum promotion promotion, struct error *err)
{
    pthread_mutex_lock(&registry->publish_mutex);
    enum job_change change = publish(registry, model, version, promotion, err);
    pthread_mutex_unlock(&registry->publish_mutex);
    return change;
}

#include "server/log.h"
#include "server/predict.h"
#include "server/registry_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- Serving --------------------------------------------------------------------------------------- */

/* A version that predictions have in memory needs no file. */
static enum status load_version(struct registry *registry, const char *name, int version,
                                struct model **ret_model, struct error *err)
{
    struct served_model *served = predict_model_cached(registry->predictions, name, version);
    if (!served)
        return registry_load(registry, name, version, ret_model, err);
    *ret_model = model_ref(served->model);
    served_model_unref(served);
    return OK;
}

enum status registry_serve_alias(struct registry *registry, const char *name, const char *alias, int version,
                                 struct error *err)
{
    struct model *model = NULL;
    if (!registry->predictions)
        return OK;
    enum status status = version ? load_version(registry, name, version, &model, err) : OK;
    if (status)
        return status;
    status = predict_publish(registry->predictions, name, alias, version, model, err);
    model_unref(model);
    return status;
}

void registry_serve_what_was(struct registry *registry, const char *name, const char *alias)
{
    struct model_record model = {.production = 0};
    struct error err;
    enum status status = store_model_read(registry->store, name, &model, &err);
    if (status == OK || status == ERR_NOT_FOUND)
        status = registry_serve_alias(registry, name, alias, alias_list_find(&model.aliases, alias), &err);
    if (status)
        log_error("model %s: predictions cannot go back to what %s was: %s", name, alias, err.message);
}

/* ---- Moves ----------------------------------------------------------------------------------------- */

struct following {
    struct registry *registry;
    bool served;
};

/* Predictions change over before anyone can read that the alias has moved: who has read it gets the new version. */
static enum status follow(void *context, const struct alias_move *move, struct error *err)
{
    struct following *following = context;
    enum status status =
        registry_serve_alias(following->registry, move->model, move->alias, move->version, err);
    following->served = status == OK;
    return status;
}

static enum status move_alias(struct registry *registry, struct alias_move *move,
                              enum status (*change)(struct store *, struct alias_move *,
                                                    alias_before_commit *, void *, struct error *),
                              struct error *err)
{
    struct following following = {registry, false};
    pthread_mutex_lock(&registry->publish_mutex);
    enum status status = change(registry->store, move, follow, &following, err);
    if (status && following.served)
        registry_serve_what_was(registry, move->model, move->alias);
    pthread_mutex_unlock(&registry->publish_mutex);
    if (status == OK && move->previous != move->version)
        log_info("model %s: %s moved from version %d to %d (%s)", move->model, move->alias, move->previous,
                 move->version, alias_reason_name(move->reason));
    return status;
}

enum status registry_alias_move(struct registry *registry, struct alias_move *move, struct error *err)
{
    return move_alias(registry, move, store_alias_move, err);
}

enum status registry_alias_rollback(struct registry *registry, struct alias_move *move, struct error *err)
{
    return move_alias(registry, move, store_alias_rollback, err);
}

/* ---- Deletion -------------------------------------------------------------------------------------- */

/* What cannot be removed now is swept at the next start. */
static void remove_file(const char *path)
{
    if (unlink(path) && errno != ENOENT)
        log_warning("%s could not be removed: %s", path, strerror(errno));
}

enum status registry_delete(struct registry *registry, const char *name, int version, struct error *err)
{
    char weights[FILES_PATH_SIZE], onnx[FILES_PATH_SIZE];
    enum status status = registry_path(registry, name, version, weights, err);
    if (status == OK)
        status = files_path(onnx, err, "%s/models/%s/%d.onnx", store_folder(registry->store), name, version);
    if (status)
        return status;
    pthread_mutex_lock(&registry->publish_mutex);
    status = store_version_delete(registry->store, name, version, err);
    if (status == OK) {
        remove_file(weights);
        remove_file(onnx);
        if (registry->predictions)
            predict_withdraw_version(registry->predictions, name, version);
    }
    pthread_mutex_unlock(&registry->publish_mutex);
    return status;
}

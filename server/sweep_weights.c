/* The weights of trials: files, and versions made of them. */
#include "server/sweeps_private.h"

#include "server/datasets.h"
#include "server/evaluations.h"
#include "server/files.h"
#include "server/log.h"
#include "server/rival.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum status folder_of(const struct sweeps *sweeps, const char *id, char ret_path[FILES_PATH_SIZE],
                             struct error *err)
{
    return files_path(ret_path, err, "%s/sweeps/%s", store_folder(sweeps->store), id);
}

static enum status weights_path(const struct sweeps *sweeps, const char *id, int trial,
                                char ret_path[FILES_PATH_SIZE], struct error *err)
{
    return files_path(ret_path, err, "%s/sweeps/%s/%d.safetensors", store_folder(sweeps->store), id, trial);
}

/* ---- Keeping --------------------------------------------------------------------------------------- */

static enum status write_weights(const struct sweeps *sweeps, const char *id, int trial,
                                 const struct model *model, struct error *err)
{
    char folder[FILES_PATH_SIZE], path[FILES_PATH_SIZE];
    enum status status = folder_of(sweeps, id, folder, err);
    if (status == OK)
        status = files_make_folder(folder, err);
    if (status == OK)
        status = weights_path(sweeps, id, trial, path, err);
    return status ? status : model_save(model, NULL, path, err);
}

enum job_change sweeps_publish(struct sweeps *sweeps, const struct job_record *job, struct model *model,
                               struct version_record *version, int64_t validation_images, struct error *err)
{
    int trial;
    snprintf(version->core_type, sizeof version->core_type, "%s", engine_core_type());
    version->parameters = (int64_t)model_plan_of(model)->parameters;
    model_digest(model, version->weights_digest);
    if (store_trial_of_job(sweeps->store, job->sweep, job->id, &trial, err) ||
        write_weights(sweeps, job->sweep, trial, model, err))
        return JOB_CHANGE_FAILED;
    char *result = registry_make_result(version, false);
    char *outcome = trial_outcome_to_text(version, validation_images);
    enum job_change change = JOB_CHANGE_FAILED;
    if (result && outcome)
        change = store_trial_succeed(sweeps->store, job->sweep, trial, job->id, result, outcome, err);
    else
        error_set(err, ERR_MEMORY, "no memory for a trial's result");
    free(result);
    free(outcome);
    if (change == JOB_CHANGED)
        log_info("sweep %s: trial %d: validation accuracy %.4f, test accuracy %.4f", job->sweep, trial,
                 version->validation_accuracy, version->test_accuracy);
    return change;
}

void sweeps_keep_best(struct sweeps *sweeps, const struct sweep_view *view, int keep)
{
    char path[FILES_PATH_SIZE];
    for (size_t i = (size_t)keep; i < view->count; i++) {
        const struct sweep_row *row = &view->results.rows[i];
        if (!row->has_figures || weights_path(sweeps, view->record.id, row->trial->trial, path, NULL))
            continue;
        if (unlink(path) && errno != ENOENT)
            log_warning("%s could not be removed: %s", path, strerror(errno));
    }
}

static bool keep_nothing(void *context, const char *name)
{
    (void)context, (void)name;
    return false;
}

void sweeps_remove_files(struct sweeps *sweeps, const char *id)
{
    char folder[FILES_PATH_SIZE];
    struct error err;
    if (folder_of(sweeps, id, folder, &err) || files_sweep(folder, keep_nothing, NULL, &err))
        log_warning("the weights of %s could not be removed: %s", id, err.message);
    else if (rmdir(folder) && errno != ENOENT)
        log_warning("%s could not be removed: %s", folder, strerror(errno));
}

static enum status sweep_folder(void *context, const char *name, struct error *err)
{
    struct sweeps *sweeps = context;
    struct sweep_record record;
    enum status status = store_sweep_read(sweeps->store, name, &record, err);
    if (status == OK)
        sweep_record_clear(&record);
    if (status == ERR_NOT_FOUND)
        sweeps_remove_files(sweeps, name);
    return status == ERR_NOT_FOUND ? OK : status;
}

enum status sweeps_sweep_files(struct sweeps *sweeps, struct error *err)
{
    char folder[FILES_PATH_SIZE];
    enum status status = files_path(folder, err, "%s/sweeps", store_folder(sweeps->store));
    if (status == OK)
        status = files_make_folder(folder, err);
    return status ? status : files_each_folder(folder, sweep_folder, sweeps, err);
}

/* ---- Promotion ------------------------------------------------------------------------------------- */

static const struct sweep_row *find_row(const struct sweep_view *view, int trial)
{
    if (trial == 0)
        return view->results.best;
    for (size_t i = 0; i < view->count; i++) {
        if (view->results.rows[i].trial->trial == trial)
            return &view->results.rows[i];
    }
    return NULL;
}

/* Why a trial cannot be promoted. */
static enum status check_row(const struct sweep_view *view, const struct sweep_row *row, int trial,
                             struct error *err)
{
    if (!row && trial == 0)
        return error_set(err, ERR_ARGUMENT, "no trial of %s has succeeded", view->record.id);
    if (!row)
        return error_set(err, ERR_NOT_FOUND, "%s has no trial %d", view->record.id, trial);
    if (!row->has_figures)
        return error_set(err, ERR_ARGUMENT, "trial %d of %s is %s, and has trained nothing", trial,
                         view->record.id, trial_state_name(row->state));
    return OK;
}

/* The job's request as it was, and under the name that the version gets. */
static enum status fill_version(struct sweeps *sweeps, const struct sweep_view *view,
                                const struct sweep_row *row, const char *name, struct version_record *version,
                                struct error *err)
{
    char *config;
    enum status status = store_trial_config(sweeps->store, view->record.id, row->trial->trial, &config, err);
    if (status)
        return status;
    json_t *json = json_loads(config, 0, NULL);
    free(config);
    json_t *training = json_object_get(json, "training");
    if (row->version.epochs && !row->version.stopped_early) /* fewer than asked for on an early rung */
        json_object_set_new(training, "epochs", json_integer(row->version.epochs));
    const char *own = json_string_value(json_object_get(json, "name"));
    *version = row->version;
    snprintf(version->model, sizeof version->model, "%s", name ? name : own ? own : "");
    version->config = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return version->config ? OK : error_set(err, ERR_MEMORY, "no memory for a version's record");
}

static enum status load_weights(struct sweeps *sweeps, const struct sweep_view *view, int trial,
                                struct model **ret_model, struct error *err)
{
    char path[FILES_PATH_SIZE];
    enum status status = weights_path(sweeps, view->record.id, trial, path, err);
    if (status == OK)
        status = model_load(path, ret_model, err);
    if (status == ERR_NOT_FOUND)
        return error_set(
            err, ERR_ARGUMENT,
            "the weights of trial %d were not kept, only those of the best trials (keep): its job's "
            "config, sent as a new job, gives the same weights again",
            trial);
    return status;
}

enum status sweeps_promote_locked(struct sweeps *sweeps, const struct sweep_view *view,
                                  struct sweep_promotion *promotion, struct version_record *ret_version,
                                  struct error *err)
{
    const struct sweep_row *row = find_row(view, promotion->trial);
    struct version_record version;
    struct model *model;
    int known;
    enum status status = check_row(view, row, promotion->trial, err);
    if (status)
        return status;
    promotion->trial = row->trial->trial;
    status = fill_version(sweeps, view, row, promotion->model, &version, err);
    if (status)
        return status;
    status = store_version_of_job(sweeps->store, version.model, version.job_id, &known, err);
    if (status == OK && known) {
        char name[NAME_MAX_LENGTH + 1];
        memcpy(name, version.model, sizeof name);
        version_record_clear(&version);
        return store_version_read(sweeps->store, name, known, ret_version, err);
    }
    if (status == OK)
        status = load_weights(sweeps, view, promotion->trial, &model, err);
    if (status == OK) {
        status = registry_add(sweeps->registry, model, &version, err);
        model_unref(model);
    }
    if (status)
        version_record_clear(&version);
    else
        *ret_version = version;
    return status;
}

static bool goes_on(void *context, size_t images)
{
    (void)context, (void)images;
    return true;
}

void sweeps_measure_rival(struct sweeps *sweeps, const struct version_record *version)
{
    char dataset[NAME_MAX_LENGTH + 1];
    struct dataset *test;
    struct error err;
    struct evaluation_pace pace = {.go_on = goes_on};
    evaluation_default_dataset(version, dataset);
    enum status status = datasets_open(sweeps->datasets, dataset, SPLIT_TEST, &test, &err);
    if (status) {
        log_warning("the test set of %s cannot be read again: %s", dataset, err.message);
        return;
    }
    status = thread_team_create(sweeps->threads, true, &pace.team, &err);
    if (status)
        log_warning("what is in production is not measured: %s", err.message);
    else if (strcmp(dataset_digest(test), version->test_digest) == 0)
        rival_measure(sweeps->store, sweeps->registry, version->model, dataset, test, &pace);
    thread_team_free(pace.team);
    dataset_unref(test);
}

enum status sweeps_move_alias(struct sweeps *sweeps, const struct version_record *version, const char *alias,
                              struct error *err)
{
    struct alias_move move = {.version = version->version, .reason = ALIAS_BY_SWEEP};
    snprintf(move.model, sizeof move.model, "%s", version->model);
    snprintf(move.alias, sizeof move.alias, "%s", alias);
    snprintf(move.job, sizeof move.job, "%s", version->job_id);
    return registry_alias_move(sweeps->registry, &move, err);
}

enum status sweeps_promote(struct sweeps *sweeps, const char *id, struct sweep_promotion *promotion,
                           struct version_record *ret_version, struct error *err)
{
    struct sweep_view view;
    struct version_record version, whole;
    enum status status = sweeps_read(sweeps, id, &view, err);
    if (status)
        return status;
    pthread_mutex_lock(&sweeps->mutex);
    status = sweeps_promote_locked(sweeps, &view, promotion, &version, err);
    pthread_mutex_unlock(&sweeps->mutex);
    sweep_view_clear(&view);
    if (status)
        return status;
    if (promotion->alias)
        status = sweeps_move_alias(sweeps, &version, promotion->alias, err);
    if (status == OK) /* with its aliases */
        status = store_version_read(sweeps->store, version.model, version.version, &whole, err);
    version_record_clear(&version);
    if (status == OK)
        *ret_version = whole;
    return status;
}

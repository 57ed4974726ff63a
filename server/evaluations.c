#include "server/evaluations.h"

#include "server/clock.h"
#include "server/datasets.h"
#include "server/log.h"
#include "server/registry.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct evaluations {
    struct store *store;
    struct registry *registry;
    struct datasets *datasets;
    int threads;

    pthread_mutex_t mutex;        /* guards the two below */
    pthread_cond_t changed;       /* one of them did */
    struct evaluation_call *call; /* the one under way */
    bool stop;

    pthread_t thread;
    bool started;
};

/* ---- Reading --------------------------------------------------------------------------------------- */

void evaluation_default_dataset(const struct version_record *version, char ret_dataset[NAME_MAX_LENGTH + 1])
{
    json_t *config = version->config ? json_loads(version->config, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(config, "test_dataset"));
    name = name ? name : json_string_value(json_object_get(config, "dataset"));
    snprintf(ret_dataset, NAME_MAX_LENGTH + 1, "%s", name && name_is_valid(name) ? name : "mnist");
    json_decref(config);
}

enum status evaluations_read(struct evaluations *evaluations, const struct evaluation_subject *subject,
                             struct evaluation_record *ret_record, bool *ret_there, struct error *err)
{
    struct evaluation_record record;
    struct split_info info;
    enum status stored = store_evaluation_read(evaluations->store, subject->model, subject->version,
                                               subject->dataset, subject->split, &record, err);
    if (stored && stored != ERR_NOT_FOUND)
        return stored;
    enum status status =
        datasets_split_info(evaluations->datasets, subject->dataset, subject->split, &info, err);
    bool gone = status == ERR_NOT_FOUND, there = stored == OK;
    if (there && !gone && (status || strcmp(info.digest, record.digest) != 0)) {
        evaluation_record_clear(&record);
        there = false;
    }
    if (status && !(gone && there))
        return status;
    if (there)
        *ret_record = record;
    *ret_there = there;
    return OK;
}

/* ---- Computing ------------------------------------------------------------------------------------- */

static bool goes_on(void *context, size_t images)
{
    (void)images;
    struct evaluations *evaluations = context;
    pthread_mutex_lock(&evaluations->mutex);
    bool stop = evaluations->stop;
    pthread_mutex_unlock(&evaluations->mutex);
    return !stop;
}

static enum status measure(struct evaluations *evaluations, struct evaluation_call *call, struct model *model)
{
    const struct evaluation_subject *subject = &call->subject;
    struct evaluation_pace pace = {.go_on = goes_on, .context = evaluations};
    struct dataset *data;
    bool complete = false;
    enum status status =
        datasets_open(evaluations->datasets, subject->dataset, subject->split, &data, &call->err);
    if (status)
        return status;
    status = thread_team_create(evaluations->threads, true, &pace.team, &call->err);
    if (status == OK)
        status = evaluation_measure(model, data, &pace, &call->record, &complete, &call->err);
    thread_team_free(pace.team);
    dataset_unref(data);
    call->stopped = status == OK && !complete;
    return status;
}

static enum status keep(struct evaluations *evaluations, struct evaluation_call *call)
{
    const struct evaluation_subject *subject = &call->subject;
    memcpy(call->record.dataset, subject->dataset, sizeof call->record.dataset);
    call->record.split = subject->split;
    enum status status =
        store_evaluation_put(evaluations->store, subject->model, subject->version, &call->record, &call->err);
    if (status == ERR_NOT_FOUND) { /* deleted meanwhile */
        evaluation_record_clear(&call->record);
        return status;
    }
    if (status)
        log_warning("an evaluation of %s version %d is not kept: %s", subject->model, subject->version,
                    call->err.message);
    return OK;
}

static void evaluate(struct evaluations *evaluations, struct evaluation_call *call)
{
    const struct evaluation_subject *subject = &call->subject;
    struct model *model;
    double start = clock_seconds();
    call->stopped = false;
    log_info("%s version %d is evaluated on %s, %s", subject->model, subject->version, subject->dataset,
             dataset_split_names[subject->split]);
    call->status = registry_load(evaluations->registry, subject->model, subject->version, &model, &call->err);
    if (call->status)
        return;
    call->status = measure(evaluations, call, model);
    model_unref(model);
    if (call->status == OK && !call->stopped)
        call->status = keep(evaluations, call);
    if (call->status == OK && !call->stopped)
        log_info("%s version %d on %s, %s: accuracy %.4f, %.1f s", subject->model, subject->version,
                 subject->dataset, dataset_split_names[subject->split], call->record.accuracy,
                 clock_seconds() - start);
}

/* The next call; NULL when the service ends. */
static struct evaluation_call *wait_for_call(struct evaluations *evaluations)
{
    pthread_mutex_lock(&evaluations->mutex);
    while (!evaluations->call && !evaluations->stop)
        pthread_cond_wait(&evaluations->changed, &evaluations->mutex);
    struct evaluation_call *call = evaluations->call;
    pthread_mutex_unlock(&evaluations->mutex);
    return call;
}

static void *thread_main(void *argument)
{
    struct evaluations *evaluations = argument;
    struct evaluation_call *call;
    thread_lower_priority();
    while ((call = wait_for_call(evaluations))) {
        evaluate(evaluations, call);
        pthread_mutex_lock(&evaluations->mutex);
        evaluations->call = NULL;
        pthread_mutex_unlock(&evaluations->mutex);
        call->done(call);
    }
    return NULL;
}

bool evaluations_submit(struct evaluations *evaluations, struct evaluation_call *call)
{
    pthread_mutex_lock(&evaluations->mutex);
    bool room = !evaluations->call && !evaluations->stop;
    if (room) {
        evaluations->call = call;
        pthread_cond_signal(&evaluations->changed);
    }
    pthread_mutex_unlock(&evaluations->mutex);
    return room;
}

/* ---- Start and end --------------------------------------------------------------------------------- */

enum status evaluations_create(struct store *store, struct registry *registry, struct datasets *datasets,
                               int threads, struct evaluations **ret_evaluations, struct error *err)
{
    struct evaluations *evaluations = calloc(1, sizeof *evaluations);
    if (!evaluations)
        return error_set(err, ERR_MEMORY, "no memory for the evaluations");
    evaluations->store = store;
    evaluations->registry = registry;
    evaluations->datasets = datasets;
    evaluations->threads = threads;
    pthread_mutex_init(&evaluations->mutex, NULL);
    pthread_cond_init(&evaluations->changed, NULL);
    evaluations->started = pthread_create(&evaluations->thread, NULL, thread_main, evaluations) == 0;
    if (!evaluations->started) {
        evaluations_free(evaluations);
        return error_set(err, ERR_MEMORY, "the thread of the evaluations cannot be started");
    }
    *ret_evaluations = evaluations;
    return OK;
}

void evaluations_stop(struct evaluations *evaluations)
{
    pthread_mutex_lock(&evaluations->mutex);
    evaluations->stop = true;
    pthread_cond_signal(&evaluations->changed);
    pthread_mutex_unlock(&evaluations->mutex);
}

void evaluations_free(struct evaluations *evaluations)
{
    if (!evaluations)
        return;
    evaluations_stop(evaluations);
    if (evaluations->started)
        pthread_join(evaluations->thread, NULL);
    pthread_cond_destroy(&evaluations->changed);
    pthread_mutex_destroy(&evaluations->mutex);
    free(evaluations);
}

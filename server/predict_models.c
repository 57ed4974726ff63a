#include "server/predict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/predict_private.h"

/* ---- Models as they are served -------------------------------------------------------------------------- */

static enum status served_create(struct predict_service *service, const char *name, int version,
                                 const char *job, int epoch, struct model *model,
                                 struct served_model **ret_served, struct error *err)
{
    struct served_model *served = calloc(1, sizeof *served);
    if (!served)
        return error_set(err, ERR_MEMORY, "no memory to serve a model");
    served->model = model_ref(model);
    snprintf(served->name, sizeof served->name, "%s", name);
    served->version = version;
    snprintf(served->job, sizeof served->job, "%s", job);
    served->epoch = epoch;
    served->references = 1;
    served->service = service;
    *ret_served = served;
    return OK;
}

struct served_model *served_model_ref_locked(struct served_model *served)
{
    if (served)
        served->references++;
    return served;
}

void served_model_unref(struct served_model *served)
{
    if (!served)
        return;
    pthread_mutex_lock(&served->service->mutex);
    bool last = --served->references == 0;
    pthread_mutex_unlock(&served->service->mutex);
    if (!last)
        return;
    model_unref(served->model);
    free(served);
}

/* Puts `served` (a reference, or NULL) into a slot and gives back what was there, for the caller to release
 * when the mutex is free again. */
static struct served_model *offer_locked(struct served_model **slot, struct served_model *served)
{
    struct served_model *before = *slot;
    if (before)
        before->offers--;
    if (served)
        served->offers++;
    *slot = served;
    return before;
}

/* Moves slots 0..index-1 one down and puts `served` first; gives back what was at `index`. */
static struct served_model *offer_first_locked(struct served_model **slots, size_t index,
                                               struct served_model *served)
{
    struct served_model *dropped = offer_locked(&slots[index], NULL);
    memmove(slots + 1, slots, index * sizeof *slots);
    slots[0] = NULL;
    offer_locked(&slots[0], served);
    return dropped;
}

/* ---- Tables ----------------------------------------------------------------------------------------------- */

static size_t find_alias_locked(const struct predict_service *service, const char *name, const char *alias)
{
    size_t i = 0;
    while (i < service->alias_count && (strcmp(service->aliases[i].alias, alias) != 0 ||
                                        strcmp(service->aliases[i].served->name, name) != 0))
        i++;
    return i;
}

static size_t find_live_locked(const struct predict_service *service, const char *job)
{
    size_t i = 0;
    while (i < LIVE_MAX && !(service->live[i] && strcmp(service->live[i]->job, job) == 0))
        i++;
    return i;
}

static size_t find_recent_locked(const struct predict_service *service, const char *name, int version)
{
    size_t i = 0;
    while (i < RECENT_MAX && !(service->recent[i] && service->recent[i]->version == version &&
                               strcmp(service->recent[i]->name, name) == 0))
        i++;
    return i;
}

/* A version that is in memory already, whichever way it is asked for. NULL: it is not. */
static struct served_model *find_version_locked(const struct predict_service *service, const char *name,
                                                int version)
{
    size_t recent = find_recent_locked(service, name, version);
    if (recent < RECENT_MAX)
        return service->recent[recent];
    for (size_t i = 0; i < service->alias_count; i++) {
        struct served_model *served = service->aliases[i].served; /* NULL in a slot that was just made */
        if (served && served->version == version && strcmp(served->name, name) == 0)
            return served;
    }
    return NULL;
}

static bool add_alias_locked(struct predict_service *service, const char *alias)
{
    size_t size = (service->alias_count + 1) * sizeof *service->aliases;
    struct alias_slot *grown = realloc(service->aliases, size);
    if (!grown)
        return false;
    service->aliases = grown;
    struct alias_slot *slot = &grown[service->alias_count++];
    *slot = (struct alias_slot){.served = NULL};
    snprintf(slot->alias, sizeof slot->alias, "%s", alias);
    return true;
}

static struct served_model *withdraw_alias_locked(struct predict_service *service, size_t index)
{
    struct served_model *before = offer_locked(&service->aliases[index].served, NULL);
    service->aliases[index] = service->aliases[--service->alias_count];
    return before;
}

/* Aliases of one version share it, so that their predictions share batches. */
static struct served_model *share_locked(struct predict_service *service, struct served_model *served,
                                         const struct model *model)
{
    struct served_model *there = find_version_locked(service, served->name, served->version);
    return served_model_ref_locked(there && there->model == model ? there : served);
}

enum status predict_publish(struct predict_service *service, const char *name, const char *alias, int version,
                            struct model *model, struct error *err)
{
    struct served_model *served = NULL, *before = NULL;
    if (model) {
        enum status status = served_create(service, name, version, "", 0, model, &served, err);
        if (status != OK)
            return status;
    }
    pthread_mutex_lock(&service->mutex);
    size_t index = find_alias_locked(service, name, alias);
    bool found = index < service->alias_count;
    bool room = found || !served || add_alias_locked(service, alias);
    if (found && !served)
        before = withdraw_alias_locked(service, index);
    else if (served && room)
        before = offer_locked(&service->aliases[index].served, share_locked(service, served, model));
    pthread_mutex_unlock(&service->mutex);
    served_model_unref(before);
    served_model_unref(served);
    return room ? OK : error_set(err, ERR_MEMORY, "no memory to serve another model");
}

void predict_withdraw_version(struct predict_service *service, const char *name, int version)
{
    struct served_model *dropped = NULL;
    pthread_mutex_lock(&service->mutex);
    size_t index = find_recent_locked(service, name, version);
    if (index < RECENT_MAX)
        dropped = offer_locked(&service->recent[index], NULL);
    pthread_mutex_unlock(&service->mutex);
    served_model_unref(dropped);
}

enum status predict_publish_live(struct predict_service *service, const char *name, const char *job_id,
                                 int epoch, struct model *model, struct error *err)
{
    struct served_model *served;
    enum status status = served_create(service, name, 0, job_id, epoch, model, &served, err);
    if (status != OK)
        return status;
    pthread_mutex_lock(&service->mutex);
    size_t index = find_live_locked(service, job_id);
    struct served_model *dropped =
        offer_first_locked(service->live, index < LIVE_MAX ? index : LIVE_MAX - 1, served);
    pthread_mutex_unlock(&service->mutex);
    served_model_unref(dropped);
    return OK;
}

void predict_withdraw_live(struct predict_service *service, const char *job_id)
{
    struct served_model *dropped = NULL;
    pthread_mutex_lock(&service->mutex);
    size_t index = find_live_locked(service, job_id);
    if (index < LIVE_MAX) {
        dropped = offer_locked(&service->live[index], NULL);
        memmove(service->live + index, service->live + index + 1,
                (LIVE_MAX - 1 - index) * sizeof *service->live);
        service->live[LIVE_MAX - 1] = NULL;
    }
    pthread_mutex_unlock(&service->mutex);
    served_model_unref(dropped);
}

struct served_model *predict_model_default(struct predict_service *service, const char *name)
{
    struct served_model *served = NULL;
    pthread_mutex_lock(&service->mutex);
    size_t index = find_alias_locked(service, name, PREDICT_DEFAULT_ALIAS);
    if (index < service->alias_count)
        served = service->aliases[index].served;
    for (size_t i = 0; i < LIVE_MAX && !served; i++)
        if (service->live[i] && strcmp(service->live[i]->name, name) == 0)
            served = service->live[i];
    served_model_ref_locked(served);
    pthread_mutex_unlock(&service->mutex);
    return served;
}

struct served_model *predict_model_alias(struct predict_service *service, const char *name, const char *alias)
{
    pthread_mutex_lock(&service->mutex);
    size_t index = find_alias_locked(service, name, alias);
    struct served_model *served =
        index < service->alias_count ? served_model_ref_locked(service->aliases[index].served) : NULL;
    pthread_mutex_unlock(&service->mutex);
    return served;
}

struct served_model *predict_model_live(struct predict_service *service, const char *job_id)
{
    pthread_mutex_lock(&service->mutex);
    size_t index = find_live_locked(service, job_id);
    struct served_model *served = index < LIVE_MAX ? served_model_ref_locked(service->live[index]) : NULL;
    pthread_mutex_unlock(&service->mutex);
    return served;
}

struct served_model *predict_model_cached(struct predict_service *service, const char *name, int version)
{
    pthread_mutex_lock(&service->mutex);
    struct served_model *served = served_model_ref_locked(find_version_locked(service, name, version));
    size_t recent = find_recent_locked(service, name, version);
    if (recent < RECENT_MAX) /* the table's own reference moves to the front with it */
        offer_first_locked(service->recent, recent, served);
    pthread_mutex_unlock(&service->mutex);
    return served;
}

enum status predict_model_keep(struct predict_service *service, const char *name, int version,
                               struct model *model, struct served_model **ret_served, struct error *err)
{
    struct served_model *served;
    enum status status = served_create(service, name, version, "", 0, model, &served, err);
    if (status != OK)
        return status;
    pthread_mutex_lock(&service->mutex);
    served_model_ref_locked(served); /* the caller's; the table gets the first */
    size_t index = find_recent_locked(service, name, version);
    struct served_model *dropped =
        offer_first_locked(service->recent, index < RECENT_MAX ? index : RECENT_MAX - 1, served);
    pthread_mutex_unlock(&service->mutex);
    served_model_unref(dropped);
    *ret_served = served;
    return OK;
}

void predict_models_free(struct predict_service *service)
{
    for (size_t i = 0; i < service->alias_count; i++)
        served_model_unref(service->aliases[i].served);
    for (size_t i = 0; i < LIVE_MAX; i++)
        served_model_unref(service->live[i]);
    for (size_t i = 0; i < RECENT_MAX; i++)
        served_model_unref(service->recent[i]);
    free(service->aliases);
}

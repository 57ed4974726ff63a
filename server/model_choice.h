/* Which model a prediction asks for, and the model that this is: one answer for every protocol.
 *
 * Threads: model_choice_find may be called where nothing may block; model_choice_load reads files. */
#ifndef DIGITD_MODEL_CHOICE_H
#define DIGITD_MODEL_CHOICE_H

#include "engine/engine.h"

struct app;
struct request;
struct served_model;

/* At most one of version, alias and job is given; with none, what is in production, else the newest in training. */
struct model_choice {
    const char *name;
    bool named;        /* by the client, not by default */
    int64_t version;   /* 0: not given */
    const char *alias; /* NULL: not given */
    const char *job;   /* NULL: not given */
};

/* Without touching a file. NULL when it is not in memory: a version may then still be loaded. The caller owns one
 * reference. */
struct served_model *model_choice_find(struct app *app, const struct model_choice *choice);

/* Whether a model that was not found in memory may be in a file. */
bool model_choice_may_be_stored(const struct model_choice *choice);

/* Looks in memory and in files. On failure it writes the reply and returns NULL. The caller owns one reference. */
struct served_model *model_choice_load(struct app *app, struct request *request,
                                       const struct model_choice *choice);

#endif

/* Every version that can be asked for, as protocols list them. Reads the database: not on a thread that must not block. */
#ifndef DIGITD_MODEL_CATALOGUE_H
#define DIGITD_MODEL_CATALOGUE_H

#include "engine/engine.h"
#include "server/names.h"

struct app;

struct catalogue_entry {
    char name[NAME_MAX_LENGTH + 1];
    int version; /* 0: a model in training, while its name has no version */
};

/* The versions of `name`, or of all models if it is NULL, by name and from the oldest version; or `version` alone, unless it is 0.
 * The caller frees the array. ERR_NOT_FOUND: there is no such model or version. */
MUST_CHECK enum status model_catalogue_list(struct app *app, const char *name, int version,
                                            struct catalogue_entry **ret_entries, size_t *ret_count,
                                            struct error *err);

#endif

/* What the registry's files share. */
#ifndef DIGITD_REGISTRY_PRIVATE_H
#define DIGITD_REGISTRY_PRIVATE_H

#include "server/registry.h"

#include <pthread.h>

struct registry {
    struct store *store;
    struct predict_service *predictions; /* NULL until registry_serve */

    /* One publication or move at a time: guards the next version's number and file, and the order in which predictions
     * change over. */
    pthread_mutex_t publish_mutex;
};

/* Predictions by an alias get this version. */
MUST_CHECK enum status registry_serve_alias(struct registry *registry, const char *name, const char *alias,
                                            int version, struct error *err);

/* A commit failed after predictions had changed over: they go back. */
void registry_serve_what_was(struct registry *registry, const char *name, const char *alias);

/* Numbers `version`, fills what publishing fills, and writes its file, which is at `ret_path`. With the mutex held. */
MUST_CHECK enum status registry_write(struct registry *registry, struct model *model,
                                      struct version_record *version, char ret_path[FILES_PATH_SIZE],
                                      struct error *err);

#endif

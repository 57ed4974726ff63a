/* What a new version has to beat. `if_better` compares like with like: accuracy on the same images. What is in production may
 * have been measured on others, or not at all: trained on another dataset, or imported. */
#ifndef DIGITD_RIVAL_H
#define DIGITD_RIVAL_H

#include "engine/engine.h"
#include "server/evaluation.h"
#include "server/registry.h"

/* What is in production of `model`, if its accuracy on the images with this digest is not known; else 0. */
MUST_CHECK enum status rival_find(struct store *store, const char *model, const char *digest,
                                  int *ret_version, struct error *err);

/* Sees to it that the accuracy on `test` (the test set of dataset `dataset`) of what is in production of `model` is known:
 * evaluates it, if need be, and stores that. When it cannot be evaluated the log says why; it then stays in production.
 * Any thread; takes some seconds. */
void rival_measure(struct store *store, struct registry *registry, const char *model, const char *dataset,
                   struct dataset *test, const struct evaluation_pace *pace);

#endif

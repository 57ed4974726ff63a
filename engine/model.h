/* What the engine's own files may see of a model. */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include "engine/network.h"

#include <stdatomic.h>

struct model {
    atomic_size_t references;
    struct network network; /* its inference form */
    float *parameters, *prepared;
    double temperature; /* of the softmax, in predictions */
};

/* A model whose parameters are still to be written, before anybody else sees it: then model_seal makes it whole. */
MUST_CHECK enum status model_allocate(const struct model_plan *plan, struct model **ret_model,
                                      struct error *err);
void model_seal(struct model *model);

#endif

#include "engine/model.h"

#include "engine/alloc.h"

#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <stdlib.h>

enum status model_allocate(const struct model_plan *plan, struct model **ret_model, struct error *err)
{
    struct model *model = aligned_new(1, sizeof *model);
    if (!model)
        return error_set(err, ERR_MEMORY, "no memory for a model");
    atomic_init(&model->references, 1);
    model->temperature = 1;
    network_create(plan, false, &model->network);
    model->parameters = aligned_new(model->network.parameters, sizeof(float));
    model->prepared = aligned_new(model->network.prepared, sizeof(float));
    if (!model->parameters || !model->prepared) {
        model_unref(model);
        return error_set(err, ERR_MEMORY, "no memory for a model of %zu parameters", plan->parameters);
    }
    *ret_model = model;
    return OK;
}

void model_seal(struct model *model)
{
    network_prepare(&model->network, kernels_best(), model->parameters, model->prepared, 0, 1);
}

enum status model_create(const struct model_plan *plan, uint64_t seed, struct model **ret_model,
                         struct error *err)
{
    struct model *model;
    enum status status = model_allocate(plan, &model, err);
    if (status != OK)
        return status;
    network_initialise(&model->network, seed, model->parameters);
    model_seal(model);
    *ret_model = model;
    return OK;
}

struct model *model_ref(struct model *model)
{
    atomic_fetch_add(&model->references, 1);
    return model;
}

void model_unref(struct model *model)
{
    if (!model || atomic_fetch_sub(&model->references, 1) != 1)
        return;
    free(model->parameters);
    free(model->prepared);
    free(model);
}

double model_temperature(const struct model *model)
{
    return model->temperature;
}

const struct model_plan *model_plan_of(const struct model *model)
{
    return &model->network.plan;
}

void model_digest(const struct model *model, char ret_digest[65])
{
    struct sha256_ctx context;
    struct tensor tensor;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    for (size_t i = 0; network_tensor(&model->network, i, &tensor); i++)
        sha256_update(&context, tensor.count * sizeof(float),
                      (const uint8_t *)(model->parameters + tensor.offset));
    sha256_digest(&context, sizeof digest, digest);
    base16_encode_update(ret_digest, sizeof digest, digest);
    ret_digest[64] = '\0';
}

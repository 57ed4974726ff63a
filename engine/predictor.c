#include "engine/dense.h"
#include "engine/inference.h"

#include <stdlib.h>

struct predictor {
    struct model *model;
    struct inference *inference;
};

enum status predictor_create(struct model *model, size_t max_batch, struct predictor **ret_predictor,
                             struct error *err)
{
    if (max_batch < 1 || max_batch > 1024)
        return error_set(err, ERR_ARGUMENT, "a predictor takes 1 to 1024 images at once, not %zu", max_batch);
    struct predictor *predictor = calloc(1, sizeof *predictor);
    if (!predictor)
        return error_set(err, ERR_MEMORY, "no memory for a predictor");
    enum status status = inference_create(model, max_batch, &predictor->inference, err);
    if (status != OK) {
        free(predictor);
        return status;
    }
    predictor->model = model_ref(model);
    *ret_predictor = predictor;
    return OK;
}

void predictor_free(struct predictor *predictor)
{
    if (!predictor)
        return;
    inference_free(predictor->inference);
    model_unref(predictor->model);
    free(predictor);
}

void predictor_run(struct predictor *predictor, const float *images, size_t count, float *probabilities)
{
    size_t pitch;
    for (size_t i = 0; i < count; i++)
        network_load_pixels(&predictor->model->network, images + i * IMAGE_PIXELS,
                            inference_input(predictor->inference, i));
    const float *logits = inference_run(predictor->inference, count, &pitch);
    softmax(count, logits, pitch, predictor->model->temperature, probabilities);
}

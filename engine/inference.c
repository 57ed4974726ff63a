#include "engine/inference.h"

#include "engine/alloc.h"
#include "engine/dense.h"
#include "engine/stage.h"

#include <stdlib.h>

/* Images that go through the trunk together: what passes between two stages stays in cache. */
#define MICRO_BATCH 4

struct inference {
    const struct model *model;
    const struct kernels *kernels;
    float *inputs;    /* [max_batch][input_size] */
    float *images[2]; /* [MICRO_BATCH][largest image between two stages], in turns */
    float *rows[2];   /* [max_batch][longest row of the head, features included], in turns */
    float *workspace;
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

enum status inference_create(const struct model *model, size_t max_batch, struct inference **ret_inference,
                             struct error *err)
{
    const struct network *network = &model->network;
    size_t image = 1,
           row = network->trunk ? network->stages[network->trunk - 1].out_size : network->input_size;
    for (size_t i = 0; i < network->count; i++) {
        size_t *largest = i < network->trunk ? &image : &row;
        *largest = larger(*largest, network->stages[i].out_size);
    }
    struct inference *inference = calloc(1, sizeof *inference);
    if (!inference)
        return error_set(err, ERR_MEMORY, "no memory for a prediction workspace");
    inference->model = model;
    inference->kernels = kernels_best();
    inference->inputs = aligned_new(max_batch, network->input_size * sizeof(float));
    for (int i = 0; i < 2; i++) {
        inference->images[i] = aligned_new(MICRO_BATCH, image * sizeof(float));
        inference->rows[i] = aligned_new(max_batch, row * sizeof(float));
    }
    inference->workspace = aligned_new(stage_workspace(network, MICRO_BATCH), sizeof(float));
    if (!inference->inputs || !inference->images[0] || !inference->images[1] || !inference->rows[0] ||
        !inference->rows[1] || !inference->workspace) {
        inference_free(inference);
        return error_set(err, ERR_MEMORY, "no memory for a prediction workspace of %zu images", max_batch);
    }
    *ret_inference = inference;
    return OK;
}

void inference_free(struct inference *inference)
{
    if (!inference)
        return;
    free(inference->inputs);
    for (int i = 0; i < 2; i++) {
        free(inference->images[i]);
        free(inference->rows[i]);
    }
    free(inference->workspace);
    free(inference);
}

float *inference_input(struct inference *inference, size_t index)
{
    return inference->inputs + index * inference->model->network.input_size;
}

/* Images first..first+count-1 through the trunk; the last stage writes their features. */
static void run_trunk(struct inference *inference, size_t first, size_t count)
{
    const struct model *model = inference->model;
    const struct network *network = &model->network;
    struct stage_context context = {.network = network,
                                    .kernels = inference->kernels,
                                    .parameters = model->parameters,
                                    .prepared = model->prepared,
                                    .workspace = inference->workspace};
    const float *x = inference_input(inference, first);
    for (size_t i = 0; i < network->trunk; i++) {
        const struct stage *stage = &network->stages[i];
        float *y =
            i + 1 == network->trunk ? inference->rows[0] + first * stage->out_size : inference->images[i % 2];
        stage_forward(&context, stage, count, x, y, NULL);
        x = y;
    }
}

const float *inference_run(struct inference *inference, size_t count, size_t *ret_pitch)
{
    const struct model *model = inference->model;
    const struct network *network = &model->network;
    for (size_t first = 0; network->trunk > 0 && first < count; first += MICRO_BATCH)
        run_trunk(inference, first, count - first < MICRO_BATCH ? count - first : MICRO_BATCH);
    const float *x = network->trunk > 0 ? inference->rows[0] : inference->inputs;
    int turn = 1;
    for (size_t i = network->trunk; i < network->count; i++) {
        const struct stage *stage = &network->stages[i];
        if (stage->kind != LAYER_DENSE)
            continue; /* dropout does nothing here */
        float *y = inference->rows[turn];
        dense_forward(inference->kernels, stage, model->parameters, count, x, 0, stage->units, y);
        x = y;
        turn = !turn;
    }
    *ret_pitch = network->stages[network->count - 1].out_size;
    return x;
}

#include "engine/stage.h"

#include "engine/rng.h"

#include <string.h>

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* A pool follows whose input has to be written in full. */
static bool pools_apart(const struct stage *stage)
{
    return stage->pool_size > 0 && !stage->pool_fused;
}

/* Floats of a convolution's output before such a pool, all images. */
static size_t full_output(const struct stage *stage, size_t images)
{
    return pools_apart(stage) ? images * conv_output_size(&stage->conv) : 0;
}

size_t stage_workspace(const struct network *network, size_t images)
{
    size_t floats = 0;
    for (size_t i = 0; i < network->trunk; i++) {
        const struct stage *stage = &network->stages[i];
        if (stage->kind == LAYER_CONV2D)
            floats = larger(floats, full_output(stage, images) +
                                        stage->algorithm->workspace(&stage->conv, images, network->training));
    }
    return floats;
}

static struct conv_context conv_context_of(const struct stage_context *context, const struct stage *stage,
                                           size_t images)
{
    return (struct conv_context){.kernels = context->kernels,
                                 .shape = &stage->conv,
                                 .prepared = context->prepared + stage->prepared,
                                 .workspace = context->workspace + full_output(stage, images)};
}

/* ---- Convolution, with or without a pool ---- */

static void conv_forward(const struct stage_context *context, const struct stage *stage, size_t images,
                         const float *x, float *y, int32_t *place)
{
    struct conv_context conv = conv_context_of(context, stage, images);
    const float *bias = context->parameters + stage->biases;
    const struct conv_pool pool = {.place = place};
    float *full = pools_apart(stage) ? context->workspace : y;
    stage->algorithm->forward(&conv, images, x, bias, stage->activation, stage->pool_fused ? &pool : NULL,
                              full);
    if (!pools_apart(stage))
        return;
    for (size_t i = 0; i < images; i++)
        context->kernels->max_pool(stage->conv.out_height, stage->conv.out_width, stage->out_pitch,
                                   stage->pool_size, full + i * conv_output_size(&stage->conv),
                                   y + i * stage->out_size, place ? place + i * stage->out_size : NULL);
}

/* Activations are monotonous: the derivative at a maximum is that at the pooled value. */
static void conv_backward(const struct stage_context *context, const struct stage *stage, size_t images,
                          const float *x, const float *y, const int32_t *place, bool accumulate,
                          float *gradients, float *dy, float *dx)
{
    struct conv_context conv = conv_context_of(context, stage, images);
    const struct kernels *kernels = context->kernels;
    kernels->activation_gradient(stage->activation, y, images * stage->out_size, dy);
    float *dbias = gradients + stage->biases;
    if (!accumulate)
        memset(dbias, 0, stage->out_pitch * sizeof *dbias);
    kernels->sum_rows(dy, images * stage->out_size / stage->out_pitch, stage->out_pitch, dbias);
    const struct conv_pool pool = {.place = (int32_t *)(uintptr_t)place};
    const float *full = dy;
    if (pools_apart(stage)) {
        size_t size = conv_output_size(&stage->conv);
        for (size_t i = 0; i < images; i++)
            kernels->max_pool_gradient(stage->conv.out_height, stage->conv.out_width, stage->out_pitch,
                                       stage->pool_size, dy + i * stage->out_size,
                                       place + i * stage->out_size, context->workspace + i * size);
        full = context->workspace;
    }
    stage->algorithm->backward(&conv, images, x, full, stage->pool_fused ? &pool : NULL, accumulate,
                               gradients + stage->weights, dx);
}

/* ---- Pool alone ---- */

static void pool_forward(const struct stage_context *context, const struct stage *stage, size_t images,
                         const float *x, float *y, int32_t *place)
{
    for (size_t i = 0; i < images; i++)
        context->kernels->max_pool(stage->input.height, stage->input.width, stage->in_pitch, stage->pool_size,
                                   x + i * stage->in_size, y + i * stage->out_size,
                                   place ? place + i * stage->out_size : NULL);
}

static void pool_backward(const struct stage_context *context, const struct stage *stage, size_t images,
                          const int32_t *place, const float *dy, float *dx)
{
    for (size_t i = 0; i < images; i++)
        context->kernels->max_pool_gradient(stage->input.height, stage->input.width, stage->in_pitch,
                                            stage->pool_size, dy + i * stage->out_size,
                                            place + i * stage->out_size, dx + i * stage->in_size);
}

/* ---- Flatten: [pixels][in_pitch] <-> [pixels * channels] ---- */

static void flatten_forward(const struct stage *stage, size_t images, const float *x, float *y)
{
    size_t channels = (size_t)stage->input.channels, pixels = stage->in_size / stage->in_pitch;
    for (size_t i = 0; i < images; i++) {
        float *row = y + i * stage->out_size;
        for (size_t pixel = 0; pixel < pixels; pixel++)
            memcpy(row + pixel * channels, x + i * stage->in_size + pixel * stage->in_pitch,
                   channels * sizeof *x);
        memset(row + pixels * channels, 0, (stage->out_size - pixels * channels) * sizeof *row);
    }
}

static void flatten_backward(const struct stage *stage, size_t images, const float *dy, float *dx)
{
    size_t channels = (size_t)stage->input.channels, pixels = stage->in_size / stage->in_pitch;
    memset(dx, 0, images * stage->in_size * sizeof *dx);
    for (size_t i = 0; i < images; i++)
        for (size_t pixel = 0; pixel < pixels; pixel++)
            memcpy(dx + i * stage->in_size + pixel * stage->in_pitch,
                   dy + i * stage->out_size + pixel * channels, channels * sizeof *dx);
}

/* ---- Dropout ---- */

void dropout_row(const struct stage_context *context, const struct stage *stage, uint64_t image,
                 const float *x, float *y)
{
    struct rng rng = rng_at(context->seed, RNG_DROPOUT, (unsigned)stage->layer, context->epoch);
    uint32_t threshold = (uint32_t)(stage->rate * 65536.0f);
    float scale = 1.0f / (1.0f - (float)threshold / 65536.0f);
    uint64_t block = image * (stage->out_size / 8);
    for (size_t i = 0; i < stage->out_size; i += 8) {
        uint32_t words[4];
        rng_block(&rng, block++, words);
        for (size_t j = 0; j < 8; j++) {
            uint32_t draw = words[j / 2] >> (j % 2 * 16) & 0xFFFF;
            y[i + j] = draw < threshold ? 0.0f : x[i + j] * scale;
        }
    }
}

static void dropout(const struct stage_context *context, const struct stage *stage, size_t images,
                    const float *x, float *y)
{
    for (size_t i = 0; i < images; i++)
        dropout_row(context, stage, context->first_image + i, x + i * stage->in_size,
                    y + i * stage->out_size);
}

/* ---- Any stage ---- */

void stage_forward(const struct stage_context *context, const struct stage *stage, size_t images,
                   const float *x, float *y, int32_t *place)
{
    switch (stage->kind) {
    case LAYER_CONV2D:
        conv_forward(context, stage, images, x, y, place);
        break;
    case LAYER_MAX_POOL2D:
        pool_forward(context, stage, images, x, y, place);
        break;
    case LAYER_FLATTEN:
        flatten_forward(stage, images, x, y);
        break;
    case LAYER_DROPOUT:
        if (context->training)
            dropout(context, stage, images, x, y);
        else
            memcpy(y, x, images * stage->in_size * sizeof *y);
        break;
    case LAYER_DENSE: /* of the head */
        break;
    }
}

void stage_backward(const struct stage_context *context, const struct stage *stage, size_t images,
                    const float *x, const float *y, const int32_t *place, bool accumulate, float *gradients,
                    float *dy, float *dx)
{
    switch (stage->kind) {
    case LAYER_CONV2D:
        conv_backward(context, stage, images, x, y, place, accumulate, gradients, dy, dx);
        break;
    case LAYER_MAX_POOL2D:
        pool_backward(context, stage, images, place, dy, dx);
        break;
    case LAYER_FLATTEN:
        flatten_backward(stage, images, dy, dx);
        break;
    case LAYER_DROPOUT:
        dropout(context, stage, images, dy, dx);
        break;
    case LAYER_DENSE: /* of the head */
        break;
    }
}

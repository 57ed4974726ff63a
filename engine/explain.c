/* What a network made of one image: the feature maps of its layers, and which pixels spoke for the answer.
 *
 * Saliency is by integrated gradients (Sundararajan, Taly and Yan, 2017): a pixel's level times the mean gradient of the
 * answer's logit on the straight way from a black image to this one. The pixels' sum is the logit less that of the black
 * image. Everything runs image by image, pools apart from convolutions, so that each layer's output is there. */
#include "engine/alloc.h"
#include "engine/dense.h"
#include "engine/model.h"
#include "engine/stage.h"

#include <stdlib.h>
#include <string.h>

#define STEPS 32 /* of the way from black */

struct pass {
    const struct model *model;
    struct network network; /* with its backward form, no pool fused */
    const struct kernels *kernels;
    float *prepared, *workspace, *input;
    float *outputs[MODEL_MAX_LAYERS],
        *slopes[MODEL_MAX_LAYERS]; /* of each stage: output, gradient of its input */
    int32_t *places[MODEL_MAX_LAYERS];
    float *wasted;                /* gradients of the parameters: nobody asks */
    struct explanation *features; /* where feature maps are copied; NULL: not wanted */
};

/* ---- Memory ---------------------------------------------------------------------------------------------------- */

static void pass_free(struct pass *pass)
{
    free(pass->prepared);
    free(pass->workspace);
    free(pass->input);
    free(pass->wasted);
    for (size_t i = 0; i < MODEL_MAX_LAYERS; i++) {
        free(pass->outputs[i]);
        free(pass->slopes[i]);
        free(pass->places[i]);
    }
}

static bool pass_allocate(struct pass *pass)
{
    const struct network *network = &pass->network;
    pass->prepared = aligned_new(network->prepared, sizeof(float));
    pass->workspace = aligned_new(stage_workspace(network, 1), sizeof(float));
    pass->input = aligned_new(network->input_size, sizeof(float));
    pass->wasted = aligned_new(network->parameters, sizeof(float));
    bool done = pass->prepared && pass->workspace && pass->input && pass->wasted;
    for (size_t i = 0; i < network->count; i++) {
        const struct stage *stage = &network->stages[i];
        pass->outputs[i] = aligned_new(stage->out_size, sizeof(float));
        pass->slopes[i] = aligned_new(stage->in_size, sizeof(float));
        pass->places[i] = aligned_new(stage->out_size, sizeof(int32_t));
        done = done && pass->outputs[i] && pass->slopes[i] && pass->places[i];
    }
    return done;
}

static enum status pass_create(const struct model *model, struct pass *ret_pass, struct error *err)
{
    struct pass *pass = ret_pass;
    *pass = (struct pass){.model = model, .kernels = kernels_best()};
    network_create(&model->network.plan, true, &pass->network);
    for (size_t i = 0; i < pass->network.count; i++)
        pass->network.stages[i].pool_fused = false;
    if (!pass_allocate(pass)) {
        pass_free(pass);
        return error_set(err, ERR_MEMORY, "no memory to explain an answer");
    }
    network_prepare(&pass->network, pass->kernels, model->parameters, pass->prepared, 0, 1);
    return OK;
}

static struct stage_context context_of(const struct pass *pass)
{
    return (struct stage_context){.network = &pass->network,
                                  .kernels = pass->kernels,
                                  .parameters = pass->model->parameters,
                                  .prepared = pass->prepared,
                                  .workspace = pass->workspace};
}

/* ---- Forward --------------------------------------------------------------------------------------------------- */

/* values [height][width][pitch] -> maps [channels][height][width] */
static void keep_maps(struct pass *pass, size_t layer, struct shape shape, size_t pitch, const float *values)
{
    struct explanation *features = pass->features;
    if (!features)
        return;
    struct feature_maps *maps = &features->layers[features->count++];
    size_t pixels = (size_t)shape.height * (size_t)shape.width;
    *maps = (struct feature_maps){.layer = layer, .shape = shape};
    maps->values = malloc(pixels * (size_t)shape.channels * sizeof *maps->values);
    for (size_t c = 0; maps->values && c < (size_t)shape.channels; c++)
        for (size_t i = 0; i < pixels; i++)
            maps->values[c * pixels + i] = values[i * pitch + c];
}

static void keep_stage(struct pass *pass, const struct stage *stage, const float *y)
{
    if (stage->kind == LAYER_FLATTEN || stage->kind == LAYER_DROPOUT)
        return;
    const struct conv_shape *conv = &stage->conv;
    bool pooled = stage->kind == LAYER_CONV2D && stage->pool_size > 0;
    if (pooled) /* stage_forward leaves the full output there */
        keep_maps(pass, stage->layer, (struct shape){conv->out_height, conv->out_width, conv->filters},
                  conv->out_pitch, pass->workspace);
    keep_maps(pass, stage->layer + pooled, stage->output, stage->out_pitch, y);
}

/* Returns the logits. */
static const float *forward(struct pass *pass)
{
    const struct network *network = &pass->network;
    struct stage_context context = context_of(pass);
    const float *x = pass->input;
    for (size_t i = 0; i < network->count; i++) {
        const struct stage *stage = &network->stages[i];
        float *y = pass->outputs[i];
        if (stage->kind == LAYER_DENSE)
            dense_forward(pass->kernels, stage, pass->model->parameters, 1, x, 0, stage->units, y);
        else if (stage->kind == LAYER_DROPOUT)
            memcpy(y, x, stage->in_size * sizeof *y);
        else
            stage_forward(&context, stage, 1, x, y, pass->places[i]);
        keep_stage(pass, stage, y);
        x = y;
    }
    return x;
}

/* ---- Backward, to the image -------------------------------------------------------------------------------------- */

/* dy [out_height][out_width][out_pitch] -> dx [height][width] of the one channel of an image. */
static void conv_to_image(const struct conv_shape *conv, const float *kernel, const float *dy, float *dx)
{
    memset(dx, 0, (size_t)conv->height * (size_t)conv->width * conv->in_pitch * sizeof *dx);
    int taps = conv->kernel_size * conv->kernel_size;
    for (int at = 0; at < conv->out_height * conv->out_width; at++)
        for (int tap = 0; tap < taps; tap++) {
            int y = at / conv->out_width + tap / conv->kernel_size - conv->pad;
            int x = at % conv->out_width + tap % conv->kernel_size - conv->pad;
            if (x < 0 || y < 0 || x >= conv->width || y >= conv->height)
                continue;
            float sum = 0;
            for (int filter = 0; filter < conv->filters; filter++)
                sum +=
                    dy[(size_t)at * conv->out_pitch + (size_t)filter] * kernel[tap * conv->filters + filter];
            dx[(size_t)(y * conv->width + x) * conv->in_pitch] += sum;
        }
}

static void first_conv_backward(struct pass *pass, const struct stage *stage, float *dy, float *dx)
{
    const struct conv_shape *conv = &stage->conv;
    pass->kernels->activation_gradient(stage->activation, pass->outputs[0], stage->out_size, dy);
    if (stage->pool_size > 0) {
        pass->kernels->max_pool_gradient(conv->out_height, conv->out_width, stage->out_pitch,
                                         stage->pool_size, dy, pass->places[0], pass->workspace);
        dy = pass->workspace;
    }
    conv_to_image(conv, pass->model->parameters + stage->weights, dy, dx);
}

static void dense_backward(struct pass *pass, const struct stage *stage, size_t index, float *dy, float *dx)
{
    if (stage->activation != ACTIVATION_SOFTMAX)
        pass->kernels->activation_gradient(stage->activation, pass->outputs[index], stage->out_size, dy);
    for (size_t block = 0; block < dense_blocks(stage->fan_in, DENSE_INPUTS); block++)
        dense_backward_input(stage, pass->model->parameters, 1, dy, block, dx);
}

/* After forward: the gradient of the logit of `digit` with respect to the image. */
static void backward(struct pass *pass, int digit, float ret_gradient[IMAGE_PIXELS])
{
    const struct network *network = &pass->network;
    struct stage_context context = context_of(pass);
    float logit[16] = {0}, *dy = logit;
    dy[digit] = 1;
    for (size_t i = network->count; i-- > 0;) {
        const struct stage *stage = &network->stages[i];
        float *dx = pass->slopes[i];
        const float *x = i == 0 ? pass->input : pass->outputs[i - 1];
        if (stage->kind == LAYER_DENSE)
            dense_backward(pass, stage, i, dy, dx);
        else if (stage->kind == LAYER_DROPOUT)
            memcpy(dx, dy, stage->in_size * sizeof *dx);
        else if (i == 0 && stage->kind == LAYER_CONV2D)
            first_conv_backward(pass, stage, dy, dx);
        else
            stage_backward(&context, stage, 1, x, pass->outputs[i], pass->places[i], false, pass->wasted, dy,
                           dx);
        dy = dx;
    }
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        ret_gradient[i] = dy[i * network->input_pitch];
}

/* ---- The whole ----------------------------------------------------------------------------------------------------- */

static void integrate(struct pass *pass, const float image[IMAGE_PIXELS], int digit,
                      float ret_saliency[IMAGE_PIXELS])
{
    float sum[IMAGE_PIXELS] = {0}, gradient[IMAGE_PIXELS], part[IMAGE_PIXELS];
    for (int step = 0; step < STEPS; step++) {
        for (size_t i = 0; i < IMAGE_PIXELS; i++)
            part[i] = image[i] * ((float)step + 0.5f) / STEPS;
        network_load_pixels(&pass->network, part, pass->input);
        forward(pass);
        backward(pass, digit, gradient);
        for (size_t i = 0; i < IMAGE_PIXELS; i++)
            sum[i] += gradient[i];
    }
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        ret_saliency[i] = image[i] * sum[i] / STEPS;
}

static bool is_whole(const struct explanation *explanation)
{
    for (size_t i = 0; i < explanation->count; i++)
        if (!explanation->layers[i].values)
            return false;
    return true;
}

enum status explanation_create(const struct model *model, const float image[IMAGE_PIXELS],
                               struct explanation **ret_explanation, struct error *err)
{
    struct pass pass;
    enum status status = pass_create(model, &pass, err);
    if (status != OK)
        return status;
    struct explanation *explanation = calloc(1, sizeof *explanation);
    if (explanation) {
        pass.features = explanation;
        network_load_pixels(&pass.network, image, pass.input);
        const float *logits = forward(&pass);
        memcpy(explanation->logits, logits, sizeof explanation->logits);
        softmax(1, logits, CLASSES, model->temperature, explanation->probabilities);
        explanation->digit = arg_max(logits);
        backward(&pass, explanation->digit, explanation->gradient);
        pass.features = NULL;
        integrate(&pass, image, explanation->digit, explanation->saliency);
    }
    pass_free(&pass);
    if (!explanation || !is_whole(explanation)) {
        explanation_free(explanation);
        return error_set(err, ERR_MEMORY, "no memory to explain an answer");
    }
    *ret_explanation = explanation;
    return OK;
}

void explanation_free(struct explanation *explanation)
{
    if (!explanation)
        return;
    for (size_t i = 0; i < explanation->count; i++)
        free(explanation->layers[i].values);
    free(explanation);
}

#include "engine/network.h"

#include "engine/alloc.h"
#include "engine/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- From layers to stages ---- */

static size_t image_size(struct shape shape, size_t pitch)
{
    return (size_t)shape.height * (size_t)shape.width * pitch;
}

/* The first conv2d reads one float a pixel, and flatten a row of them; other stages need padded channels. */
static size_t input_pitch(const struct model_spec *spec)
{
    enum layer_kind first = spec->layers[0].kind;
    return first == LAYER_CONV2D || first == LAYER_FLATTEN ? 1 : 16;
}

static struct conv_shape conv_shape_of(const struct layer_spec *layer, const struct layer_info *info,
                                       size_t in_pitch)
{
    return (struct conv_shape){
        .height = info->input.height,
        .width = info->input.width,
        .out_height = info->output.height,
        .out_width = info->output.width,
        .kernel_size = layer->kernel_size,
        .pad = layer->padding == PADDING_SAME ? (layer->kernel_size - 1) / 2 : 0,
        .channels = info->input.channels,
        .filters = layer->filters,
        .in_pitch = in_pitch,
        .out_pitch = round_up_16((size_t)layer->filters),
    };
}

static void place_conv(struct network *network, struct stage *stage, const struct layer_spec *layer,
                       const struct layer_info *info)
{
    stage->activation = layer->activation;
    stage->conv = conv_shape_of(layer, info, stage->in_pitch);
    stage->out_pitch = stage->conv.out_pitch;
    stage->algorithm = conv_choose(&stage->conv);
    stage->prepared = network->prepared;
    network->prepared += round_up_16(stage->algorithm->prepared(&stage->conv, network->training));
}

static void place_parameters(struct network *network, struct stage *stage, const struct layer_info *info)
{
    stage->weights = network->parameters;
    stage->biases = stage->weights + round_up_16(info->weights);
    network->parameters = stage->biases + round_up_16(info->biases);
}

/* Adds the stage of layer `index`, and returns how many layers it covers. */
static size_t add_stage(struct network *network, size_t index, size_t pitch)
{
    const struct model_plan *plan = &network->plan;
    const struct layer_spec *layer = &plan->spec.layers[index];
    const struct layer_info *info = &plan->layers[index];
    struct stage *stage = &network->stages[network->count++];
    *stage = (struct stage){.kind = layer->kind,
                            .layer = index,
                            .input = info->input,
                            .output = info->output,
                            .in_pitch = pitch,
                            .out_pitch = pitch,
                            .pool_size = layer->pool_size,
                            .rate = layer->rate};
    size_t covered = 1;
    switch (layer->kind) {
    case LAYER_CONV2D:
        place_conv(network, stage, layer, info);
        if (index + 1 < plan->spec.count && plan->spec.layers[index + 1].kind == LAYER_MAX_POOL2D) {
            stage->pool_size = plan->spec.layers[index + 1].pool_size;
            stage->pool_fused = stage->pool_size == stage->algorithm->fused_pool;
            stage->output = plan->layers[index + 1].output;
            covered = 2;
        }
        break;
    case LAYER_FLATTEN:
        stage->out_pitch = round_up_16((size_t)info->output.channels);
        break;
    case LAYER_DENSE:
        stage->activation = layer->activation;
        stage->fan_in = (size_t)info->input.channels;
        stage->units = (size_t)layer->units;
        stage->out_pitch = round_up_16(stage->units);
        break;
    case LAYER_MAX_POOL2D:
    case LAYER_DROPOUT:
        break;
    }
    place_parameters(network, stage, info);
    stage->in_size = image_size(stage->input, stage->in_pitch);
    stage->out_size = image_size(stage->output, stage->out_pitch);
    return covered;
}

void network_create(const struct model_plan *plan, bool training, struct network *ret_network)
{
    struct network *network = ret_network;
    *network = (struct network){.plan = *plan, .training = training, .input_pitch = input_pitch(&plan->spec)};
    network->input_size = IMAGE_PIXELS * network->input_pitch;
    size_t pitch = network->input_pitch;
    for (size_t i = 0; i < plan->spec.count;) {
        bool flatten = plan->spec.layers[i].kind == LAYER_FLATTEN;
        i += add_stage(network, i, pitch);
        const struct stage *stage = &network->stages[network->count - 1];
        pitch = stage->out_pitch;
        if (!flatten)
            continue;
        if (stage->in_size == stage->out_size && stage->in_pitch == (size_t)stage->input.channels)
            network->count--; /* rows are packed already */
        network->trunk = network->count;
        network->trunk_parameters = network->parameters;
    }
}

void network_load_pixels(const struct network *network, const float *pixels, float *ret_input)
{
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        ret_input[i * network->input_pitch] = pixels[i];
}

void network_load_image(const struct network *network, const uint8_t *image, float *ret_input)
{
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        ret_input[i * network->input_pitch] = (float)image[i] / 255.0f;
}

/* ---- Tensors ---- */

static struct tensor kernel_of(const struct stage *stage)
{
    size_t side = (size_t)stage->conv.kernel_size;
    if (stage->kind == LAYER_DENSE)
        return (struct tensor){.rank = 2,
                               .dimensions = {stage->fan_in, stage->units},
                               .offset = stage->weights,
                               .count = stage->fan_in * stage->units};
    size_t channels = (size_t)stage->conv.channels, filters = (size_t)stage->conv.filters;
    return (struct tensor){.rank = 4,
                           .dimensions = {side, side, channels, filters},
                           .offset = stage->weights,
                           .count = side * side * channels * filters};
}

bool network_tensor(const struct network *network, size_t index, struct tensor *ret_tensor)
{
    for (size_t i = 0; i < network->count; i++) {
        const struct stage *stage = &network->stages[i];
        const struct layer_info *info = &network->plan.layers[stage->layer];
        if (info->weights == 0)
            continue;
        if (index == 0)
            *ret_tensor = kernel_of(stage);
        else if (index == 1)
            *ret_tensor = (struct tensor){
                .rank = 1, .dimensions = {info->biases}, .offset = stage->biases, .count = info->biases};
        if (index < 2) {
            snprintf(ret_tensor->name, sizeof ret_tensor->name, "%s/%s", info->name,
                     index ? "bias" : "kernel");
            return true;
        }
        index -= 2;
    }
    return false;
}

void network_initialise(const struct network *network, uint64_t seed, float *parameters)
{
    memset(parameters, 0, network->parameters * sizeof *parameters);
    struct tensor tensor;
    for (size_t i = 0; network_tensor(network, i, &tensor); i++) {
        if (tensor.rank == 1)
            continue;
        size_t window = tensor.rank == 4 ? tensor.dimensions[0] * tensor.dimensions[1] : 1;
        size_t fans = tensor.dimensions[tensor.rank - 2] + tensor.dimensions[tensor.rank - 1];
        float limit = (float)sqrt(6.0 / (double)(window * fans));
        struct rng rng = rng_at(seed, RNG_INITIALISE, (unsigned)i, 0);
        rng_fill_uniform(&rng, limit, parameters + tensor.offset, tensor.count);
    }
}

void network_prepare(const struct network *network, const struct kernels *kernels, const float *parameters,
                     float *prepared, size_t part, size_t parts)
{
    for (size_t i = 0; i < network->trunk; i++) {
        const struct stage *stage = &network->stages[i];
        if (stage->kind == LAYER_CONV2D)
            stage->algorithm->prepare(kernels, &stage->conv, network->training, parameters + stage->weights,
                                      prepared + stage->prepared, part, parts);
    }
}

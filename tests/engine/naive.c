#include "tests/engine/naive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Convolution ---- */

/* Calls body with the flat indices of one product of the convolution. */
#define FOR_EACH_PRODUCT(shape, body)                                                                        \
    for (int oy = 0; oy < (shape)->out_height; oy++)                                                         \
        for (int ox = 0; ox < (shape)->out_width; ox++)                                                      \
            for (int i = 0; i < (shape)->kernel_size; i++)                                                   \
                for (int j = 0; j < (shape)->kernel_size; j++) {                                             \
                    int iy = oy + i - (shape)->pad, ix = ox + j - (shape)->pad;                              \
                    if (iy < 0 || iy >= (shape)->height || ix < 0 || ix >= (shape)->width)                   \
                        continue;                                                                            \
                    for (int c = 0; c < (shape)->channels; c++)                                              \
                        for (int k = 0; k < (shape)->filters; k++) {                                         \
                            size_t in = (size_t)((iy * (shape)->width + ix) * (shape)->channels + c);        \
                            size_t out = (size_t)((oy * (shape)->out_width + ox) * (shape)->filters + k);    \
                            size_t weight =                                                                  \
                                (size_t)(((i * (shape)->kernel_size + j) * (shape)->channels + c) *          \
                                             (shape)->filters +                                              \
                                         k);                                                                 \
                            body;                                                                            \
                        }                                                                                    \
                }

void naive_conv(const struct conv_shape *shape, const double *x, const double *kernel, const double *bias,
                double *y)
{
    for (int pixel = 0; pixel < shape->out_height * shape->out_width; pixel++)
        memcpy(y + pixel * shape->filters, bias, (size_t)shape->filters * sizeof *y);
    FOR_EACH_PRODUCT(shape, y[out] += x[in] * kernel[weight])
}

void naive_conv_backward(const struct conv_shape *shape, const double *x, const double *kernel,
                         const double *dy, double *dkernel, double *dx)
{
    memset(dx, 0, (size_t)(shape->height * shape->width * shape->channels) * sizeof *dx);
    FOR_EACH_PRODUCT(shape, dkernel[weight] += x[in] * dy[out]; dx[in] += kernel[weight] * dy[out])
}

/* ---- Activations ---- */

double naive_activation(enum activation activation, double x)
{
    switch (activation) {
    case ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACTIVATION_TANH:
        return tanh(x);
    case ACTIVATION_LINEAR:
    case ACTIVATION_SOFTMAX:
        break;
    }
    return x;
}

double naive_activation_slope(enum activation activation, double x)
{
    double y = naive_activation(activation, x);
    switch (activation) {
    case ACTIVATION_RELU:
        return x > 0;
    case ACTIVATION_SIGMOID:
        return y * (1 - y);
    case ACTIVATION_TANH:
        return 1 - y * y;
    case ACTIVATION_LINEAR:
    case ACTIVATION_SOFTMAX:
        break;
    }
    return 1;
}

/* ---- A network, layer by layer ---- */

struct layer_values {
    double *before, *after; /* the activation */
    size_t *source;         /* of a pool: index of each maximum in the input */
    size_t count;
};

static size_t volume(struct shape shape)
{
    return (size_t)shape.height * (size_t)shape.width * (size_t)shape.channels;
}

static const struct stage *stage_of(const struct network *network, size_t layer)
{
    for (size_t i = 0; i < network->count; i++)
        if (network->stages[i].layer == layer)
            return &network->stages[i];
    return NULL;
}

static void pool_forward(const struct layer_spec *layer, struct shape in, struct shape out, const double *x,
                         struct layer_values *values)
{
    for (size_t o = 0; o < values->count; o++) {
        int c = (int)(o % (size_t)out.channels), pixel = (int)(o / (size_t)out.channels);
        int top = pixel / out.width * layer->pool_size, left = pixel % out.width * layer->pool_size;
        values->before[o] = -INFINITY;
        for (int i = 0; i < layer->pool_size * layer->pool_size; i++) {
            int row = top + i / layer->pool_size, column = left + i % layer->pool_size;
            size_t at = (size_t)((row * in.width + column) * in.channels + c);
            if (x[at] > values->before[o]) {
                values->before[o] = x[at];
                values->source[o] = at;
            }
        }
    }
}

static void dense_forward(const struct stage *stage, const double *parameters, const double *x, double *y)
{
    for (size_t unit = 0; unit < stage->units; unit++) {
        y[unit] = parameters[stage->biases + unit];
        for (size_t i = 0; i < stage->fan_in; i++)
            y[unit] += x[i] * parameters[stage->weights + i * stage->units + unit];
    }
}

static void layer_forward(const struct network *network, size_t index, const double *parameters,
                          const double *x, struct layer_values *values)
{
    const struct layer_spec *layer = &network->plan.spec.layers[index];
    const struct layer_info *info = &network->plan.layers[index];
    const struct stage *stage = stage_of(network, index);
    values->count = volume(info->output);
    values->before = calloc(values->count, sizeof(double));
    values->after = calloc(values->count, sizeof(double));
    values->source = calloc(values->count, sizeof(size_t));
    if (layer->kind == LAYER_CONV2D)
        naive_conv(&stage->conv, x, parameters + stage->weights, parameters + stage->biases, values->before);
    else if (layer->kind == LAYER_DENSE)
        dense_forward(stage, parameters, x, values->before);
    else if (layer->kind == LAYER_MAX_POOL2D)
        pool_forward(layer, info->input, info->output, x, values);
    else
        memcpy(values->before, x, values->count * sizeof *x);
    bool activated = layer->kind == LAYER_CONV2D || layer->kind == LAYER_DENSE;
    for (size_t i = 0; i < values->count; i++)
        values->after[i] =
            activated ? naive_activation(layer->activation, values->before[i]) : values->before[i];
}

/* dy is of the layer's output, and becomes that before the activation. */
static void layer_backward(const struct network *network, size_t index, const double *parameters,
                           const double *x, const struct layer_values *values, double *dy, double *dx,
                           double *gradients)
{
    const struct layer_spec *layer = &network->plan.spec.layers[index];
    const struct stage *stage = stage_of(network, index);
    size_t inputs = volume(network->plan.layers[index].input);
    if (layer->kind == LAYER_CONV2D || layer->kind == LAYER_DENSE)
        for (size_t i = 0; i < values->count; i++) {
            dy[i] *= naive_activation_slope(layer->activation, values->before[i]);
            gradients[stage->biases + i % (size_t)network->plan.layers[index].output.channels] += dy[i];
        }
    if (layer->kind == LAYER_CONV2D) {
        naive_conv_backward(&stage->conv, x, parameters + stage->weights, dy, gradients + stage->weights, dx);
        return;
    }
    memset(dx, 0, inputs * sizeof *dx);
    for (size_t i = 0; i < values->count; i++) {
        if (layer->kind == LAYER_MAX_POOL2D)
            dx[values->source[i]] += dy[i];
        else if (layer->kind != LAYER_DENSE)
            dx[i] = dy[i];
        else
            for (size_t j = 0; j < stage->fan_in; j++) {
                gradients[stage->weights + j * stage->units + i] += x[j] * dy[i];
                dx[j] += parameters[stage->weights + j * stage->units + i] * dy[i];
            }
    }
}

/* Largest number of values between two layers. */
static size_t largest_volume(const struct network *network)
{
    size_t largest = IMAGE_PIXELS;
    for (size_t i = 0; i < network->plan.spec.count; i++)
        if (volume(network->plan.layers[i].output) > largest)
            largest = volume(network->plan.layers[i].output);
    return largest;
}

static double image_loss(const struct network *network, const double *parameters, const double *image,
                         int label, double scale, double *gradients)
{
    struct layer_values values[MODEL_MAX_LAYERS];
    size_t count = network->plan.spec.count;
    for (size_t i = 0; i < count; i++)
        layer_forward(network, i, parameters, i ? values[i - 1].after : image, &values[i]);
    const double *logits = values[count - 1].before;
    double sum = 0;
    for (int i = 0; i < CLASSES; i++)
        sum += exp(logits[i]);
    double loss = log(sum) - logits[label];
    double *dy = calloc(largest_volume(network), sizeof(double)),
           *dx = calloc(largest_volume(network), sizeof(double));
    for (int i = 0; i < CLASSES; i++)
        dy[i] = (exp(logits[i]) / sum - (i == label)) * scale;
    for (size_t i = count; gradients && i-- > 0;) {
        layer_backward(network, i, parameters, i ? values[i - 1].after : image, &values[i], dy, dx,
                       gradients);
        double *swap = dy;
        dy = dx;
        dx = swap;
    }
    free(dy);
    free(dx);
    for (size_t i = 0; i < count; i++) {
        free(values[i].before);
        free(values[i].after);
        free(values[i].source);
    }
    return loss;
}

double naive_loss(const struct network *network, const double *parameters, const double *images,
                  const uint8_t *labels, size_t count, double *gradients)
{
    double loss = 0, scale = 1.0 / (double)count;
    if (gradients)
        memset(gradients, 0, network->parameters * sizeof *gradients);
    for (size_t i = 0; i < count; i++)
        loss += image_loss(network, parameters, images + i * IMAGE_PIXELS, labels[i], scale, gradients);
    return loss * scale;
}

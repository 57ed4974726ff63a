#include "engine/dense.h"

#include "engine/alloc.h"
#include "engine/gemm.h"

#include <math.h>
#include <string.h>

/* Up to so many rows, reading the weights is what takes the time. */
#define FEW_ROWS 8

static size_t block_length(size_t count, size_t block, enum dense_block size)
{
    size_t rest = count - block * size;
    return rest < size ? rest : size;
}

void dense_forward(const struct kernels *kernels, const struct stage *stage, const float *parameters,
                   size_t rows, const float *x, size_t first, size_t count, float *y)
{
    const float *weights = parameters + stage->weights + first;
    if (rows <= FEW_ROWS && count % 16 == 0)
        kernels->product_few_rows(rows, count, stage->fan_in, x, stage->in_size, weights, stage->units,
                                  y + first, stage->out_size);
    else
        gemm(GEMM_NN, rows, count, stage->fan_in, x, stage->in_size, weights, stage->units, false, y + first,
             stage->out_size);
    for (size_t i = 0; i < rows; i++)
        kernels->add_bias_activate(stage->activation, parameters + stage->biases + first, round_up_16(count),
                                   y + i * stage->out_size + first);
}

void dense_backward_weights(const struct kernels *kernels, const struct stage *stage, size_t rows,
                            const float *x, const float *dy, size_t block, float *gradients)
{
    size_t first = block * DENSE_WEIGHTS, count = block_length(stage->fan_in, block, DENSE_WEIGHTS);
    float *dweights = gradients + stage->weights + first * stage->units;
    if (stage->units % 16 == 0)
        kernels->product(count, stage->units, rows, x + first, 1, stage->in_size, dy, stage->out_size,
                         dweights, stage->units, false);
    else
        gemm(GEMM_TN, count, stage->units, rows, x + first, stage->in_size, dy, stage->out_size, false,
             dweights, stage->units);
    if (block > 0)
        return;
    memset(gradients + stage->biases, 0, stage->out_size * sizeof *gradients);
    kernels->sum_rows(dy, rows, stage->out_size, gradients + stage->biases);
}

void dense_backward_input(const struct stage *stage, const float *parameters, size_t rows, const float *dy,
                          size_t block, float *dx)
{
    size_t first = block * DENSE_INPUTS;
    gemm(GEMM_NT, rows, block_length(stage->fan_in, block, DENSE_INPUTS), stage->units, dy, stage->out_size,
         parameters + stage->weights + first * stage->units, stage->units, false, dx + first, stage->in_size);
}

int arg_max(const float *values)
{
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

/* exp((logit - largest) / temperature) of one row, and their sum. */
static double exponentials(const float *logits, double temperature, double exponential[CLASSES])
{
    double largest = logits[arg_max(logits)], sum = 0;
    for (int i = 0; i < CLASSES; i++)
        sum += exponential[i] = exp(((double)logits[i] - largest) / temperature);
    return sum;
}

void softmax(size_t rows, const float *logits, size_t pitch, double temperature, float *probabilities)
{
    for (size_t row = 0; row < rows; row++) {
        double exponential[CLASSES], sum = exponentials(logits + row * pitch, temperature, exponential);
        for (int i = 0; i < CLASSES; i++)
            probabilities[row * CLASSES + (size_t)i] = (float)(exponential[i] / sum);
    }
}

struct loss_sum cross_entropy(size_t rows, const float *logits, size_t pitch, const uint8_t *labels,
                              double smoothing, float *dlogits)
{
    struct loss_sum result = {0};
    for (size_t row = 0; row < rows; row++) {
        const float *values = logits + row * pitch;
        double exponential[CLASSES], sum = exponentials(values, 1, exponential);
        int answer = arg_max(values);
        double normaliser = log(sum) + (double)values[answer], mean = 0;
        for (int i = 0; i < CLASSES; i++)
            mean += (double)values[i] / CLASSES;
        result.loss += normaliser - (1 - smoothing) * (double)values[labels[row]] - smoothing * mean;
        result.correct += answer == labels[row];
        if (!dlogits)
            continue;
        for (int i = 0; i < CLASSES; i++) {
            double target = (1 - smoothing) * (i == labels[row]) + smoothing / CLASSES;
            dlogits[row * pitch + (size_t)i] = (float)((exponential[i] / sum - target) / (double)rows);
        }
    }
    return result;
}

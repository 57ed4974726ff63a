/* Every way to compute a convolution, on every instruction set that this processor runs, against its definition. */
#include "engine/alloc.h"
#include "engine/conv.h"
#include "tests/engine/check.h"
#include "tests/engine/naive.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TOLERANCE 2e-5 /* relative to the largest value */

struct scenario {
    int height, width, channels, filters, kernel_size;
    bool same;
    size_t images;
    enum activation activation;
};

static const struct scenario scenarios[] = {
    {28, 28, 1, 32, 3, true, 2, ACTIVATION_RELU},    {28, 28, 1, 7, 5, false, 1, ACTIVATION_TANH},
    {28, 28, 1, 80, 3, false, 1, ACTIVATION_LINEAR}, {28, 28, 1, 16, 7, true, 1, ACTIVATION_SIGMOID},
    {28, 28, 32, 32, 3, false, 2, ACTIVATION_RELU},  {13, 13, 32, 64, 3, true, 3, ACTIVATION_TANH},
    {11, 11, 64, 64, 3, false, 3, ACTIVATION_RELU},  {14, 14, 16, 48, 5, true, 2, ACTIVATION_SIGMOID},
    {12, 12, 32, 16, 5, false, 2, ACTIVATION_RELU},  {9, 7, 5, 3, 3, true, 2, ACTIVATION_LINEAR},
    {3, 3, 17, 33, 3, false, 1, ACTIVATION_RELU},    {5, 6, 20, 40, 5, false, 1, ACTIVATION_TANH},
    {1, 1, 16, 16, 3, true, 1, ACTIVATION_LINEAR},   {10, 9, 24, 20, 1, true, 2, ACTIVATION_RELU},
    {8, 8, 3, 5, 2, true, 2, ACTIVATION_SIGMOID},    {8, 9, 6, 10, 4, false, 2, ACTIVATION_TANH},
    {9, 9, 16, 16, 6, true, 1, ACTIVATION_LINEAR},   {13, 12, 12, 30, 7, true, 1, ACTIVATION_RELU},
    {28, 28, 100, 10, 3, true, 1, ACTIVATION_RELU},  {13, 13, 32, 64, 3, false, 8, ACTIVATION_RELU},
    {10, 10, 16, 20, 3, true, 9, ACTIVATION_TANH},   {9, 9, 16, 16, 3, true, 30, ACTIVATION_LINEAR},
    {2, 2, 18, 16, 3, true, 5, ACTIVATION_RELU},     {10, 9, 16, 16, 3, true, 2, ACTIVATION_LINEAR},
    {6, 10, 16, 16, 3, true, 2, ACTIVATION_SIGMOID}, {7, 7, 40, 24, 3, true, 20, ACTIVATION_RELU},
};

static struct conv_shape shape_of(const struct scenario *scenario)
{
    int side = scenario->kernel_size, loss = scenario->same ? 0 : side - 1;
    return (struct conv_shape){.height = scenario->height,
                               .width = scenario->width,
                               .out_height = scenario->height - loss,
                               .out_width = scenario->width - loss,
                               .kernel_size = side,
                               .pad = scenario->same ? (side - 1) / 2 : 0,
                               .channels = scenario->channels,
                               .filters = scenario->filters,
                               .in_pitch =
                                   scenario->channels == 1 ? 1 : round_up_16((size_t)scenario->channels),
                               .out_pitch = round_up_16((size_t)scenario->filters)};
}

/* Channels between a packed array of doubles and a padded one of floats. */
static void to_padded(const double *packed, size_t pixels, int channels, size_t pitch, float *padded)
{
    for (size_t i = 0; i < pixels * (size_t)channels; i++)
        padded[i / (size_t)channels * pitch + i % (size_t)channels] = (float)packed[i];
}

static float *to_packed(const float *padded, size_t pixels, int channels, size_t pitch)
{
    float *packed = aligned_new(pixels * (size_t)channels, sizeof *packed);
    for (size_t i = 0; i < pixels * (size_t)channels; i++)
        packed[i] = padded[i / (size_t)channels * pitch + i % (size_t)channels];
    return packed;
}

/* Doubles that floats hold exactly. */
static double *random_doubles(uint64_t seed, size_t count, float limit)
{
    float *values = random_floats(seed, count, limit);
    double *doubles = calloc(count, sizeof *doubles);
    for (size_t i = 0; i < count; i++)
        doubles[i] = (double)values[i];
    free(values);
    return doubles;
}

static float *to_floats(const double *values, size_t count)
{
    float *floats = aligned_new(count, sizeof *floats);
    for (size_t i = 0; i < count; i++)
        floats[i] = (float)values[i];
    return floats;
}

/* Inputs, and what the definition makes of them. */
struct expected {
    size_t in_pixels, out_pixels, weights; /* of one image; of the kernel */
    double *x, *kernel, *bias, *dy;        /* inputs */
    double *y, *dkernel, *dx;
};

static struct expected expect(const struct scenario *scenario, const struct conv_shape *shape)
{
    size_t images = scenario->images, channels = (size_t)shape->channels, filters = (size_t)shape->filters;
    struct expected e = {.in_pixels = (size_t)(shape->height * shape->width),
                         .out_pixels = (size_t)(shape->out_height * shape->out_width),
                         .weights = (size_t)(shape->kernel_size * shape->kernel_size) * channels * filters};
    e.x = random_doubles(1, images * e.in_pixels * channels, 1.0f);
    e.kernel = random_doubles(2, e.weights, sqrtf((float)filters / (float)e.weights)); /* outputs near 1 */
    e.bias = random_doubles(3, filters, 1.0f);
    e.dy = random_doubles(4, images * e.out_pixels * filters, 1.0f);
    e.y = calloc(images * e.out_pixels * filters, sizeof(double));
    e.dx = calloc(images * e.in_pixels * channels, sizeof(double));
    e.dkernel = calloc(e.weights, sizeof(double));
    for (size_t i = 0; i < images; i++) {
        const double *x = e.x + i * e.in_pixels * channels, *dy = e.dy + i * e.out_pixels * filters;
        double *y = e.y + i * e.out_pixels * filters;
        naive_conv(shape, x, e.kernel, e.bias, y);
        for (size_t j = 0; j < e.out_pixels * filters; j++)
            y[j] = naive_activation(scenario->activation, y[j]);
        naive_conv_backward(shape, x, e.kernel, dy, e.dkernel, e.dx + i * e.in_pixels * channels);
    }
    return e;
}

static void expected_free(struct expected *e)
{
    free(e->x);
    free(e->kernel);
    free(e->bias);
    free(e->dy);
    free(e->y);
    free(e->dkernel);
    free(e->dx);
}

static void compare(const char *what, const float *padded, const double *expected, size_t pixels,
                    int channels, size_t pitch)
{
    float *packed = to_packed(padded, pixels, channels, pitch);
    assert_close(what, packed, expected, pixels * (size_t)channels, TOLERANCE);
    free(packed);
}

static void check_scenario(const struct scenario *scenario, const struct conv_algorithm *algorithm,
                           const struct kernels *kernels)
{
    struct conv_shape shape = shape_of(scenario);
    if (!algorithm->applies(&shape))
        return;
    struct expected e = expect(scenario, &shape);
    size_t images = scenario->images;
    float *prepared = aligned_new(algorithm->prepared(&shape, true), sizeof(float));
    float *workspace = aligned_new(algorithm->workspace(&shape, images, true), sizeof(float));
    float *x = aligned_new(images * conv_input_size(&shape), sizeof(float));
    float *y = aligned_new(images * conv_output_size(&shape), sizeof(float));
    float *dx = shape.channels > 1 ? aligned_new(images * conv_input_size(&shape), sizeof(float)) : NULL;
    float *bias = aligned_new(shape.out_pitch, sizeof(float));
    float *kernel = to_floats(e.kernel, e.weights), *dkernel = aligned_new(e.weights, sizeof(float));
    to_padded(e.x, images * e.in_pixels, shape.channels, shape.in_pitch, x);
    to_padded(e.bias, 1, shape.filters, shape.out_pitch, bias);
    for (size_t part = 0; part < 3; part++)
        algorithm->prepare(kernels, &shape, true, kernel, prepared, part, 3);

    struct conv_context context = {
        .kernels = kernels, .shape = &shape, .prepared = prepared, .workspace = workspace};
    char what[96];
    snprintf(what, sizeof what, "%s %s %dx%d k%d %d->%d", algorithm->name, kernels->name, shape.height,
             shape.width, shape.kernel_size, shape.channels, shape.filters);
    algorithm->forward(&context, images, x, bias, scenario->activation, NULL, y);
    compare(what, y, e.y, images * e.out_pixels, shape.filters, shape.out_pitch);

    memset(y, 0, images * conv_output_size(&shape) * sizeof *y);
    to_padded(e.dy, images * e.out_pixels, shape.filters, shape.out_pitch, y);
    algorithm->backward(&context, images, x, y, NULL, false, dkernel, dx);
    assert_close(what, dkernel, e.dkernel, e.weights, TOLERANCE);
    if (dx)
        compare(what, dx, e.dx, images * e.in_pixels, shape.channels, shape.in_pitch);
    algorithm->backward(&context, images, x, y, NULL, true, dkernel, NULL);
    for (size_t i = 0; i < e.weights; i++)
        e.dkernel[i] *= 2;
    assert_close(what, dkernel, e.dkernel, e.weights, TOLERANCE);

    free(prepared);
    free(workspace);
    free(x);
    free(y);
    free(dx);
    free(bias);
    free(kernel);
    free(dkernel);
    expected_free(&e);
}

static void check_algorithm(const struct conv_algorithm *algorithm)
{
    const struct kernels *kernels;
    for (size_t isa = 0; (kernels = kernels_at(isa)); isa++)
        for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
            check_scenario(&scenarios[i], algorithm, kernels);
}

static void direct_convolution_is_the_definition(void **state)
{
    (void)state;
    check_algorithm(&conv_direct);
}

static void winograd_convolution_is_the_definition(void **state)
{
    (void)state;
    check_algorithm(&conv_winograd);
}

static void im2col_convolution_is_the_definition(void **state)
{
    (void)state;
    check_algorithm(&conv_im2col);
}

/* Adds to `packed` the pooled gradients, each at the place that its maximum had. */
static void unpool(const struct conv_shape *shape, const float *pooled, const int32_t *place, double *packed)
{
    int rows = shape->out_height / 2, columns = shape->out_width / 2;
    for (int pixel = 0; pixel < rows * columns; pixel++)
        for (int k = 0; k < shape->filters; k++) {
            size_t from = (size_t)pixel * shape->out_pitch + (size_t)k;
            int row = pixel / columns * 2 + place[from] / 2, column = pixel % columns * 2 + place[from] % 2;
            packed[(row * shape->out_width + column) * shape->filters + k] = (double)pooled[from];
        }
}

/* The expected outputs behind a max-pool of 2 are near `pooled`, where there is a filter. */
static void compare_pooled(const struct kernels *kernels, const struct conv_shape *shape,
                           const struct expected *e, size_t images, const float *pooled)
{
    size_t size = (size_t)(shape->out_height / 2 * (shape->out_width / 2)) * shape->out_pitch;
    float *full = aligned_new(conv_output_size(shape), sizeof *full),
          *window = aligned_new(size, sizeof *window);
    int32_t *places = aligned_new(size, sizeof *places);
    for (size_t i = 0; i < images; i++) {
        to_padded(e->y + i * e->out_pixels * (size_t)shape->filters, e->out_pixels, shape->filters,
                  shape->out_pitch, full);
        kernels->max_pool(shape->out_height, shape->out_width, shape->out_pitch, 2, full, window, places);
        for (size_t o = 0; o < size; o++)
            if (o % shape->out_pitch < (size_t)shape->filters)
                assert_true(fabsf(window[o] - pooled[i * size + o]) < 1e-4f);
    }
    free(full);
    free(window);
    free(places);
}

/* Sets the expected gradients to those of gradients behind a max-pool of 2. */
static void expect_from_pooled(const struct conv_shape *shape, size_t images, const float *pooled,
                               const int32_t *place, struct expected *e)
{
    size_t size = (size_t)(shape->out_height / 2 * (shape->out_width / 2)) * shape->out_pitch;
    size_t out = e->out_pixels * (size_t)shape->filters, in = e->in_pixels * (size_t)shape->channels;
    memset(e->dkernel, 0, e->weights * sizeof *e->dkernel);
    memset(e->dx, 0, images * in * sizeof *e->dx);
    for (size_t i = 0; i < images; i++) {
        double *dy = calloc(out, sizeof *dy);
        unpool(shape, pooled + i * size, place + i * size, dy);
        naive_conv_backward(shape, e->x + i * in, e->kernel, dy, e->dkernel, e->dx + i * in);
        free(dy);
    }
}

static void check_fused_pool(const struct scenario *scenario, const struct kernels *kernels)
{
    const struct conv_algorithm *algorithm = &conv_winograd;
    struct conv_shape shape = shape_of(scenario);
    if (!algorithm->applies(&shape) || shape.out_height < 2 || shape.out_width < 2)
        return;
    struct expected e = expect(scenario, &shape);
    size_t images = scenario->images, in = images * conv_input_size(&shape);
    size_t pooled = images * (size_t)(shape.out_height / 2 * (shape.out_width / 2)) * shape.out_pitch;
    float *prepared = aligned_new(algorithm->prepared(&shape, true), sizeof(float));
    float *workspace = aligned_new(algorithm->workspace(&shape, images, true), sizeof(float));
    float *x = aligned_new(in, sizeof(float)), *dx = random_floats(5, in, 1.0f);
    float *bias = aligned_new(shape.out_pitch, sizeof(float)), *y = random_floats(6, pooled, 1.0f);
    float *kernel = to_floats(e.kernel, e.weights), *dkernel = random_floats(7, e.weights, 1.0f);
    int32_t *place = aligned_new(pooled, sizeof *place);
    const struct conv_pool pool = {.place = place};
    to_padded(e.x, images * e.in_pixels, shape.channels, shape.in_pitch, x);
    to_padded(e.bias, 1, shape.filters, shape.out_pitch, bias);
    algorithm->prepare(kernels, &shape, true, kernel, prepared, 0, 1);
    struct conv_context context = {
        .kernels = kernels, .shape = &shape, .prepared = prepared, .workspace = workspace};

    algorithm->forward(&context, images, x, bias, scenario->activation, &pool, y);
    compare_pooled(kernels, &shape, &e, images, y);
    expect_from_pooled(&shape, images, y, place, &e);
    algorithm->backward(&context, images, x, y, &pool, false, dkernel, dx);
    assert_close("fused pool, kernel's gradient", dkernel, e.dkernel, e.weights, TOLERANCE);
    compare("fused pool, input's gradient", dx, e.dx, images * e.in_pixels, shape.channels, shape.in_pitch);

    float *buffers[] = {prepared, workspace, x, dx, bias, y, kernel, dkernel};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        free(buffers[i]);
    free(place);
    expected_free(&e);
}

static void a_pool_on_the_way_is_a_pool_behind(void **state)
{
    (void)state;
    const struct kernels *kernels;
    for (size_t isa = 0; (kernels = kernels_at(isa)); isa++)
        for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
            check_fused_pool(&scenarios[i], kernels);
}

static void the_fastest_algorithm_is_chosen(void **state)
{
    (void)state;
    struct conv_shape shape = {.kernel_size = 3, .channels = 1, .in_pitch = 1};
    assert_ptr_equal(conv_choose(&shape), &conv_direct);
    shape.in_pitch = 16;
    assert_ptr_equal(conv_choose(&shape), &conv_winograd);
    shape.kernel_size = 5;
    assert_ptr_equal(conv_choose(&shape), &conv_winograd);
    shape.kernel_size = 4;
    assert_ptr_equal(conv_choose(&shape), &conv_im2col);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(direct_convolution_is_the_definition),
        cmocka_unit_test(winograd_convolution_is_the_definition),
        cmocka_unit_test(im2col_convolution_is_the_definition),
        cmocka_unit_test(a_pool_on_the_way_is_a_pool_behind),
        cmocka_unit_test(the_fastest_algorithm_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

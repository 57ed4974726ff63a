/* Products, pooling, activations, sums and Adam on every instruction set, against plain loops in double precision. */
#include "engine/alloc.h"
#include "engine/kernels/kernels.h"
#include "tests/engine/check.h"
#include "tests/engine/naive.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The present set, for each test in turn. */
#define FOR_EACH_ISA(kernels)                                                                                \
    const struct kernels *kernels;                                                                           \
    for (size_t isa = 0; (kernels = kernels_at(isa)); isa++)

static void check_product(const struct kernels *kernels, size_t m, size_t n, size_t k, bool transposed,
                          bool accumulate)
{
    float *a = random_floats(1, m * k, 1.0f), *b = random_floats(2, k * n, 1.0f),
          *c = random_floats(3, m * n, 1.0f);
    double *expected = calloc(m * n, sizeof *expected);
    size_t a_row = transposed ? 1 : k, a_column = transposed ? m : 1;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = accumulate ? (double)c[i * n + j] : 0;
            for (size_t p = 0; p < k; p++)
                sum += (double)a[i * a_row + p * a_column] * (double)b[p * n + j];
            expected[i * n + j] = sum;
        }
    kernels->product(m, n, k, a, a_row, a_column, b, n, c, n, accumulate);
    char what[64];
    snprintf(what, sizeof what, "%s product %zux%zux%zu", kernels->name, m, n, k);
    assert_close(what, c, expected, m * n, 1e-5);
    free(a);
    free(b);
    free(c);
    free(expected);
}

static void check_few_rows(const struct kernels *kernels, size_t m, size_t n, size_t k)
{
    float *a = random_floats(1, m * k, 1.0f), *b = random_floats(2, k * n, 1.0f),
          *c = random_floats(3, m * n, 1.0f);
    double *expected = calloc(m * n, sizeof *expected);
    for (size_t i = 0; i < m * n; i++)
        for (size_t p = 0; p < k; p++)
            expected[i] += (double)a[i / n * k + p] * (double)b[p * n + i % n];
    c[0] = NAN; /* what C held before must not matter */
    kernels->product_few_rows(m, n, k, a, k, b, n, c, n);
    assert_close("product of few rows", c, expected, m * n, 1e-5);
    free(a);
    free(b);
    free(c);
    free(expected);
}

static void products_of_few_rows_are_right(void **state)
{
    (void)state;
    FOR_EACH_ISA(kernels)
    for (size_t m = 1; m <= 9; m++)
        for (size_t k = 1; k <= 40; k += 13)
            check_few_rows(kernels, m, 16 * m, k);
}

static void products_of_any_size_are_right(void **state)
{
    (void)state;
    FOR_EACH_ISA(kernels)
    for (size_t m = 1; m <= 27; m++)
        for (size_t n = 16; n <= 64; n += 16)
            for (int form = 0; form < 4; form++)
                check_product(kernels, m, n, 1 + m * 3 % 20, form & 1, form & 2);
}

static void check_pool(const struct kernels *kernels, int height, int width, int pool)
{
    enum { PITCH = 32 };
    size_t in = (size_t)(height * width) * PITCH, out = (size_t)((height / pool) * (width / pool)) * PITCH;
    float *x = random_floats(4, in, 1.0f), *y = aligned_new(out, sizeof *y), *dx = random_floats(5, in, 1.0f);
    int32_t *place = aligned_new(out, sizeof *place);
    kernels->max_pool(height, width, PITCH, pool, x, y, place);
    double *expected = calloc(out, sizeof *expected), *gradient = calloc(in, sizeof *gradient);
    for (size_t o = 0; o < out; o++) {
        int c = (int)(o % PITCH), row = (int)(o / PITCH) / (width / pool),
            column = (int)(o / PITCH) % (width / pool);
        size_t best = 0;
        expected[o] = -INFINITY;
        for (int i = 0; i < pool * pool; i++) {
            size_t at =
                (size_t)((row * pool + i / pool) * width + column * pool + i % pool) * PITCH + (size_t)c;
            if ((double)x[at] > expected[o]) {
                expected[o] = (double)x[at];
                best = at;
            }
        }
        gradient[best] = expected[o]; /* the gradient of y is y itself here */
    }
    assert_close("pool", y, expected, out, 0);
    kernels->max_pool_gradient(height, width, PITCH, pool, y, place, dx);
    assert_close("pool gradient", dx, gradient, in, 0);
    free(x);
    free(y);
    free(dx);
    free(place);
    free(expected);
    free(gradient);
}

static void pools_take_the_maximum_and_send_the_gradient_back_to_it(void **state)
{
    (void)state;
    FOR_EACH_ISA(kernels)
    {
        check_pool(kernels, 26, 26, 2);
        check_pool(kernels, 11, 11, 2);
        check_pool(kernels, 13, 10, 3);
        check_pool(kernels, 9, 14, 4);
        check_pool(kernels, 2, 2, 2);
    }
}

static void activations_and_slopes_are_right_over_their_whole_range(void **state)
{
    (void)state;
    enum { COUNT = 4096 };
    static const enum activation all[] = {ACTIVATION_LINEAR, ACTIVATION_RELU, ACTIVATION_SIGMOID,
                                          ACTIVATION_TANH};
    float *bias = aligned_new(COUNT, sizeof *bias), *x = aligned_new(COUNT, sizeof *x);
    float *slope = aligned_new(COUNT, sizeof *slope);
    FOR_EACH_ISA(kernels)
    for (size_t a = 0; a < sizeof all / sizeof *all; a++) {
        for (int i = 0; i < COUNT; i++) {
            x[i] = (float)(i - COUNT / 2) / 16.0f;
            bias[i] = 0.125f;
            slope[i] = 1.0f;
        }
        kernels->add_bias_activate(all[a], bias, COUNT, x);
        kernels->activation_gradient(all[a], x, COUNT, slope);
        for (int i = 0; i < COUNT; i++) {
            double input = (double)(i - COUNT / 2) / 16 + 0.125, y = naive_activation(all[a], input);
            assert_true(fabs((double)x[i] - y) <= 1e-6 * fmax(1, fabs(y)));
            assert_true(fabs((double)slope[i] - naive_activation_slope(all[a], input)) <= 1e-6);
        }
    }
    free(bias);
    free(x);
    free(slope);
}

static void nan_passes_through_activations_and_pools(void **state)
{
    (void)state;
    static const enum activation all[] = {ACTIVATION_LINEAR, ACTIVATION_RELU, ACTIVATION_SIGMOID,
                                          ACTIVATION_TANH};
    float zero[16] __attribute__((aligned(64))) = {0}, y[16] __attribute__((aligned(64)));
    float x[4 * 16] __attribute__((aligned(64)));
    FOR_EACH_ISA(kernels)
    {
        for (size_t a = 0; a < sizeof all / sizeof *all; a++) {
            for (int i = 0; i < 16; i++)
                x[i] = NAN;
            kernels->add_bias_activate(all[a], zero, 16, x);
            for (int i = 0; i < 16; i++)
                assert_true(isnan(x[i]));
        }
        for (int place = 0; place < 4; place++) {
            for (int i = 0; i < 64; i++)
                x[i] = i / 16 == place ? NAN : 1.0f;
            kernels->max_pool(2, 2, 16, 2, x, y, NULL);
            for (int i = 0; i < 16; i++)
                assert_true(isnan(y[i]));
        }
    }
}

static void sums_add_every_row(void **state)
{
    (void)state;
    enum { ROWS = 37, PITCH = 48 };
    float *x = random_floats(6, ROWS * PITCH, 1.0f);
    FOR_EACH_ISA(kernels)
    {
        float *sum = random_floats(7, PITCH, 1.0f), *twice = random_floats(6, ROWS * PITCH, 1.0f);
        double expected[PITCH];
        for (int c = 0; c < PITCH; c++) {
            expected[c] = (double)sum[c];
            for (int i = 0; i < ROWS; i++)
                expected[c] += (double)x[i * PITCH + c];
        }
        kernels->sum_rows(x, ROWS, PITCH, sum);
        assert_close("sum_rows", sum, expected, PITCH, 1e-6);
        kernels->add(x, ROWS * PITCH, twice);
        for (int i = 0; i < ROWS * PITCH; i++)
            assert_true(twice[i] == 2 * x[i]);
        free(sum);
        free(twice);
    }
    free(x);
}

static void what_is_not_finite_is_found_anywhere(void **state)
{
    (void)state;
    enum { COUNT = 64 };
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    float *x = random_floats(8, COUNT, 1.0f);
    x[3] = 3.4e38f;
    FOR_EACH_ISA(kernels)
    {
        assert_true(kernels->all_finite(x, COUNT));
        for (int i = 0; i < COUNT; i++)
            for (int j = 0; j < 3; j++) {
                float keep = x[i];
                x[i] = bad[j];
                assert_false(kernels->all_finite(x, COUNT));
                x[i] = keep;
            }
    }
    free(x);
}

/* Kingma and Ba's algorithm 1, with the corrections written out as they do. */
static void adam_follows_the_paper(void **state)
{
    (void)state;
    enum { COUNT = 32, STEPS = 20 };
    const double rate = 1e-2, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
    FOR_EACH_ISA(kernels)
    {
        float *weights = random_floats(9, COUNT, 1.0f);
        float *m = aligned_new(COUNT, sizeof *m), *v = aligned_new(COUNT, sizeof *v);
        double w_twin[COUNT], m_twin[COUNT] = {0}, v_twin[COUNT] = {0};
        for (int i = 0; i < COUNT; i++)
            w_twin[i] = (double)weights[i];
        for (int t = 1; t <= STEPS; t++) {
            float *gradient = random_floats((uint64_t)(100 + t), COUNT, 0.1f);
            double c1 = 1 - pow(beta_1, t), c2 = 1 - pow(beta_2, t);
            struct adam_step step = {.rate = (float)(rate * sqrt(c2) / c1),
                                     .beta_1 = (float)beta_1,
                                     .beta_2 = (float)beta_2,
                                     .epsilon = (float)(epsilon * sqrt(c2))};
            kernels->adam(&step, gradient, COUNT, weights, m, v);
            for (int i = 0; i < COUNT; i++) {
                double g = (double)gradient[i];
                m_twin[i] = beta_1 * m_twin[i] + (1 - beta_1) * g;
                v_twin[i] = beta_2 * v_twin[i] + (1 - beta_2) * g * g;
                w_twin[i] -= rate * (m_twin[i] / c1) / (sqrt(v_twin[i] / c2) + epsilon);
            }
            free(gradient);
        }
        assert_close("weights", weights, w_twin, COUNT, 1e-5);
        free(weights);
        free(m);
        free(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_any_size_are_right),
        cmocka_unit_test(products_of_few_rows_are_right),
        cmocka_unit_test(pools_take_the_maximum_and_send_the_gradient_back_to_it),
        cmocka_unit_test(activations_and_slopes_are_right_over_their_whole_range),
        cmocka_unit_test(nan_passes_through_activations_and_pools),
        cmocka_unit_test(sums_add_every_row),
        cmocka_unit_test(what_is_not_finite_is_found_anywhere),
        cmocka_unit_test(adam_follows_the_paper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

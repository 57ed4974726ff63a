#include "engine/machine.h"

#include "engine/alloc.h"
#include "engine/gemm.h"
#include "engine/rng.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

/* ---- Products ---- */

struct product_shape {
    enum transpose form;
    size_t m, n, k;
};

/* Dense layers and im2col in the presets, and some odd ones. */
static const struct product_shape blas_shapes[] = {
    {GEMM_NN, 64, 128, 1600}, {GEMM_NN, 64, 512, 1600}, {GEMM_NN, 64, 10, 512},  {GEMM_NN, 1, 512, 1600},
    {GEMM_NN, 8, 512, 1600},  {GEMM_TN, 64, 512, 64},   {GEMM_TN, 512, 10, 64},  {GEMM_NT, 64, 160, 512},
    {GEMM_NT, 64, 512, 10},   {GEMM_NN, 121, 48, 400},  {GEMM_TN, 400, 48, 121}, {GEMM_NT, 121, 400, 48},
    {GEMM_NN, 33, 17, 29},    {GEMM_TN, 33, 17, 29},    {GEMM_NT, 33, 17, 29},
};

/* Winograd's products: tiles by channels by filters, and their gradients; a dense layer's weights; predictions of a
 * few images at a time. */
static const struct product_shape kernel_shapes[] = {
    {GEMM_NN, 49, 32, 32},   {GEMM_NN, 36, 64, 32},   {GEMM_NN, 18, 64, 64},  {GEMM_TN, 32, 32, 49},
    {GEMM_TN, 32, 64, 36},   {GEMM_TN, 64, 64, 18},   {GEMM_TN, 64, 512, 64}, {GEMM_NN, 13, 48, 5},
    {GEMM_NN, 1, 512, 1600}, {GEMM_NN, 8, 128, 1600}, {GEMM_NN, 3, 16, 21},
};

/* Up to so many rows of A are a matter for the kernel for few rows. */
#define FEW_ROWS 8

static void compute(const struct kernels *kernels, const struct product_shape *shape, const float *a,
                    const float *b, float *c)
{
    size_t m = shape->m, n = shape->n, k = shape->k;
    bool left_turned = shape->form == GEMM_TN;
    if (kernels && shape->form == GEMM_NN && m <= FEW_ROWS)
        kernels->product_few_rows(m, n, k, a, k, b, n, c, n);
    else if (kernels)
        kernels->product(m, n, k, a, left_turned ? 1 : k, left_turned ? m : 1, b, n, c, n, false);
    else
        gemm(shape->form, m, n, k, a, left_turned ? m : k, b, shape->form == GEMM_NT ? k : n, false, c, n);
}

static double plain_element(const struct product_shape *shape, const float *a, const float *b, size_t i,
                            size_t j)
{
    double sum = 0;
    for (size_t p = 0; p < shape->k; p++) {
        float left = shape->form == GEMM_TN ? a[p * shape->m + i] : a[i * shape->k + p];
        float right = shape->form == GEMM_NT ? b[j * shape->k + p] : b[p * shape->n + j];
        sum += (double)left * (double)right;
    }
    return sum;
}

/* Compares about a thousand elements, spread over the whole of C. */
static bool is_right(const struct product_shape *shape, const float *a, const float *b, const float *c)
{
    size_t count = shape->m * shape->n, step = count / 1000 + 1;
    double tolerance = 1e-5 * sqrt((double)shape->k) + 1e-6;
    for (size_t e = 0; e < count; e += step) {
        double expected = plain_element(shape, a, b, e / shape->n, e % shape->n);
        if (!(fabs((double)c[e] - expected) <= tolerance))
            return false;
    }
    return true;
}

static enum status wrong_products(const struct kernels *kernels, struct error *err)
{
    if (kernels)
        return error_set(err, ERR_NUMERICS, "the %s kernels compute wrong products on this processor",
                         kernels->name);
    return error_set(err, ERR_NUMERICS,
                     "OpenBLAS (%s, core type %s) computes wrong products on this processor",
                     engine_blas_version(), engine_core_type());
}

enum status products_check(const struct kernels *kernels, struct error *err)
{
    enum { LARGEST = 1600 * 512 };
    const struct product_shape *shapes = kernels ? kernel_shapes : blas_shapes;
    size_t count =
        kernels ? sizeof kernel_shapes / sizeof *kernel_shapes : sizeof blas_shapes / sizeof *blas_shapes;
    float *a = aligned_new(LARGEST, sizeof *a), *b = aligned_new(LARGEST, sizeof *b);
    float *c = aligned_new(LARGEST, sizeof *c);
    enum status status = OK;
    if (a && b && c) {
        struct rng rng = rng_at(1, RNG_INITIALISE, 0, 0);
        rng_fill_uniform(&rng, 1.0f, a, LARGEST);
        rng.seed = 2;
        rng_fill_uniform(&rng, 1.0f, b, LARGEST);
        for (size_t i = 0; i < count && status == OK; i++) {
            compute(kernels, &shapes[i], a, b, c);
            if (!is_right(&shapes[i], a, b, c))
                status = wrong_products(kernels, err);
        }
    } else {
        status = error_set(err, ERR_MEMORY, "no memory to check matrix products");
    }
    free(a);
    free(b);
    free(c);
    return status;
}

/* ---- Start ---- */

enum status engine_init(struct error *err)
{
    openblas_set_num_threads(1);
    /* A core type that was asked for may be one of another processor. */
    if (!kernels_of_core_type(engine_core_type()))
        return error_set(err, ERR_NUMERICS,
                         "OpenBLAS's core type %s needs instructions that this processor does not have",
                         engine_core_type());
    enum status status = products_check(NULL, err);
    return status == OK ? products_check(kernels_best(), err) : status;
}

const char *engine_core_type(void)
{
    return openblas_get_corename();
}

const char *engine_blas_version(void)
{
    return openblas_get_config();
}

const char *engine_instruction_set(void)
{
    return kernels_best()->name;
}

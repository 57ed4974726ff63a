#include "engine/gemm.h"

#include "engine/alloc.h"
#include "engine/rng.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void gemm(enum transpose transpose, size_t m, size_t n, size_t k, const float *a, size_t a_row,
          const float *b, size_t b_row, bool accumulate, float *c, size_t c_row)
{
    /* With beta = 0 some kernels still read C, and a NaN there would stay. */
    if (!accumulate)
        for (size_t i = 0; i < m; i++)
            memset(c + i * c_row, 0, n * sizeof *c);
    cblas_sgemm(CblasRowMajor, transpose == GEMM_TN ? CblasTrans : CblasNoTrans,
                transpose == GEMM_NT ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f, a,
                (blasint)a_row, b, (blasint)b_row, accumulate ? 1.0f : 0.0f, c, (blasint)c_row);
}

/* ---- Self-check ---- */

struct product_shape {
    enum transpose transpose;
    size_t m, n, k;
};

/* Those of the dense layers and of im2col in the presets, and some odd ones. */
static const struct product_shape checked[] = {
    {GEMM_NN, 64, 64, 1600}, {GEMM_NN, 64, 10, 512},  {GEMM_NN, 1, 512, 1600}, {GEMM_NN, 8, 512, 1600},
    {GEMM_TN, 64, 512, 64},  {GEMM_TN, 512, 10, 64},  {GEMM_NT, 64, 160, 512}, {GEMM_NT, 64, 512, 10},
    {GEMM_NN, 121, 48, 400}, {GEMM_TN, 400, 48, 121}, {GEMM_NT, 121, 400, 48}, {GEMM_NN, 33, 17, 29},
    {GEMM_TN, 33, 17, 29},   {GEMM_NT, 33, 17, 29},
};

static double plain_element(const struct product_shape *shape, const float *a, const float *b, size_t i,
                            size_t j)
{
    double sum = 0;
    for (size_t p = 0; p < shape->k; p++) {
        float left = shape->transpose == GEMM_TN ? a[p * shape->m + i] : a[i * shape->k + p];
        float right = shape->transpose == GEMM_NT ? b[j * shape->k + p] : b[p * shape->n + j];
        sum += (double)left * (double)right;
    }
    return sum;
}

/* Compares about a thousand elements, spread over the whole of C. */
static bool product_is_right(const struct product_shape *shape, const float *a, const float *b, float *c)
{
    size_t a_row = shape->transpose == GEMM_TN ? shape->m : shape->k;
    size_t b_row = shape->transpose == GEMM_NT ? shape->k : shape->n;
    gemm(shape->transpose, shape->m, shape->n, shape->k, a, a_row, b, b_row, false, c, shape->n);
    size_t count = shape->m * shape->n, step = count / 1000 + 1;
    double tolerance = 1e-5 * sqrt((double)shape->k) + 1e-6;
    for (size_t e = 0; e < count; e += step) {
        double expected = plain_element(shape, a, b, e / shape->n, e % shape->n);
        if (!(fabs((double)c[e] - expected) <= tolerance))
            return false;
    }
    return true;
}

static enum status gemm_self_check(struct error *err)
{
    enum { LARGEST = 1600 * 512 };
    float *a = aligned_new(LARGEST, sizeof *a), *b = aligned_new(LARGEST, sizeof *b);
    float *c = aligned_new(LARGEST, sizeof *c);
    enum status status = OK;
    if (a && b && c) {
        struct rng rng = rng_at(1, RNG_INITIALISE, 0, 0);
        rng_fill_uniform(&rng, 1.0f, a, LARGEST);
        rng.seed = 2;
        rng_fill_uniform(&rng, 1.0f, b, LARGEST);
        for (size_t i = 0; i < sizeof checked / sizeof *checked && status == OK; i++)
            if (!product_is_right(&checked[i], a, b, c))
                status = error_set(err, ERR_NUMERICS,
                                   "OpenBLAS (%s, core type %s) computes wrong products on this processor",
                                   engine_blas_version(), engine_core_type());
    } else {
        status = error_set(err, ERR_MEMORY, "no memory to check matrix products");
    }
    free(a);
    free(b);
    free(c);
    return status;
}

enum status engine_init(struct error *err)
{
    openblas_set_num_threads(1);
    return gemm_self_check(err);
}

const char *engine_core_type(void)
{
    return openblas_get_corename();
}

const char *engine_blas_version(void)
{
    return openblas_get_config();
}

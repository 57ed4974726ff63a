#include "engine/gemm.h"

#include <cblas.h>
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

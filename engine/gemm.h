/* Large matrix products, by OpenBLAS on the calling thread. Row-major, any thread. */
#ifndef ENGINE_GEMM_H
#define ENGINE_GEMM_H

#include "engine/engine.h"

enum transpose { GEMM_NN, GEMM_TN, GEMM_NT };

/* c [m][n] = op(a) op(b), or += with `accumulate`. NN: a [m][k], b [k][n]; TN: a [k][m]; NT: b [n][k].
 * Strides are those of the rows as stored. */
void gemm(enum transpose transpose, size_t m, size_t n, size_t k, const float *a, size_t a_row,
          const float *b, size_t b_row, bool accumulate, float *c, size_t c_row);

#endif

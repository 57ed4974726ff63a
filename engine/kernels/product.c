/* Small matrix products without packing.
 *
 * A library's sgemm copies A and B into its own layout first, which pays off only for large matrices. The
 * 36 products of a Winograd layer are small, and their B fits the first-level cache as it stands: here a block of
 * ROWS x 2 vectors of C stays in registers while k runs. */
#include "engine/kernels/isa.h"
#include "engine/kernels/vector.h"

#if LANES == 16
#define ROWS 12
#elif LANES == 8
#define ROWS 6
#elif defined(__aarch64__)
#define ROWS 12
#else
#define ROWS 6
#endif

/* C[rows][vectors * LANES]; rows and vectors are constants where this is inlined. */
INLINE void product_block(size_t rows, size_t vectors, size_t k, const float *a, size_t a_row,
                          size_t a_column, const float *b, size_t b_row, float *c, size_t c_row,
                          bool accumulate)
{
    vec sum[ROWS][2];
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vectors; j++)
            sum[i][j] = accumulate ? vec_load(c + i * c_row + j * LANES) : vec_all(0.0f);
    for (size_t p = 0; p < k; p++) {
        vec right[2];
        for (size_t j = 0; j < vectors; j++)
            right[j] = vec_load(b + p * b_row + j * LANES);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < vectors; j++)
                sum[i][j] += a[i * a_row + p * a_column] * right[j];
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vectors; j++)
            vec_store(c + i * c_row + j * LANES, sum[i][j]);
}

/* The last m % ROWS rows, as powers of two so that few versions are compiled. */
INLINE void product_rest(size_t m, size_t vectors, size_t k, const float *a, size_t a_row, size_t a_column,
                         const float *b, size_t b_row, float *c, size_t c_row, bool accumulate)
{
    if (m & 8) {
        product_block(ROWS > 8 ? 8 : 1, vectors, k, a, a_row, a_column, b, b_row, c, c_row, accumulate);
        a += 8 * a_row;
        c += 8 * c_row;
    }
    if (m & 4) {
        product_block(4, vectors, k, a, a_row, a_column, b, b_row, c, c_row, accumulate);
        a += 4 * a_row;
        c += 4 * c_row;
    }
    if (m & 2) {
        product_block(2, vectors, k, a, a_row, a_column, b, b_row, c, c_row, accumulate);
        a += 2 * a_row;
        c += 2 * c_row;
    }
    if (m & 1)
        product_block(1, vectors, k, a, a_row, a_column, b, b_row, c, c_row, accumulate);
}

INLINE void product_panel(size_t vectors, size_t m, size_t k, const float *a, size_t a_row, size_t a_column,
                          const float *b, size_t b_row, float *c, size_t c_row, bool accumulate)
{
    size_t i = 0;
    for (; i + ROWS <= m; i += ROWS)
        product_block(ROWS, vectors, k, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row,
                      accumulate);
    product_rest(m - i, vectors, k, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row,
                 accumulate);
}

void KERNEL(product)(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_column,
                     const float *b, size_t b_row, float *c, size_t c_row, bool accumulate)
{
    size_t j = 0;
    for (; j + 2 * LANES <= n; j += 2 * LANES)
        product_panel(2, m, k, a, a_row, a_column, b + j, b_row, c + j, c_row, accumulate);
    if (j < n)
        product_panel(1, m, k, a, a_row, a_column, b + j, b_row, c + j, c_row, accumulate);
}

/* ---- A few rows ---- */

/* Rows of B that go by between two visits of C. */
#define STREAM 8

/* c[m][n] += a[m][STREAM] b[STREAM][n]. */
INLINE void stream_rows(size_t m, size_t n, const float *a, size_t a_row, const float *b, size_t b_row,
                        float *c, size_t c_row)
{
    for (size_t j = 0; j < n; j += LANES) {
        vec right[STREAM];
        for (size_t p = 0; p < STREAM; p++)
            right[p] = vec_load(b + p * b_row + j);
        for (size_t i = 0; i < m; i++) {
            vec sum = vec_load(c + i * c_row + j);
            for (size_t p = 0; p < STREAM; p++)
                sum += a[i * a_row + p] * right[p];
            vec_store(c + i * c_row + j, sum);
        }
    }
}

void KERNEL(product_few_rows)(size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b,
                              size_t b_row, float *c, size_t c_row)
{
    for (size_t i = 0; i < m; i++)
        memset(c + i * c_row, 0, n * sizeof *c);
    size_t p = 0;
    for (; p + STREAM <= k; p += STREAM) {
        if (m == 1)
            stream_rows(1, n, a + p, a_row, b + p * b_row, b_row, c, c_row);
        else
            stream_rows(m, n, a + p, a_row, b + p * b_row, b_row, c, c_row);
    }
    if (p < k)
        KERNEL(product)(m, n, k - p, a + p, a_row, 1, b + p * b_row, b_row, c, c_row, true);
}

/* The inner loops of the engine, in one version an instruction set.
 *
 * Activations are NHWC with a channel pitch: each pixel has `pitch` floats, a multiple of 16, of which the first
 * `channels` count and the rest are finite but meaningless. Weights that multiply padding are zero.
 * A kernel allocates nothing and calls nothing outside its file. Shapes stand beside the parameters. */
#ifndef ENGINE_KERNELS_KERNELS_H
#define ENGINE_KERNELS_KERNELS_H

#include "engine/engine.h"
#include "engine/kernels/tiling.h"

/* C[m][n] = A[m][k] B[k][n], or += with `accumulate`. A is read at a[i * a_row + j * a_column], so that it may be a
 * transpose; rows of B and C are contiguous; n is a multiple of 16. */
typedef void product_kernel(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_column,
                            const float *b, size_t b_row, float *c, size_t c_row, bool accumulate);

struct adam_step {
    float rate; /* learning rate with both bias corrections: rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) */
    float beta_1, beta_2;
    float epsilon; /* with its correction: epsilon * sqrt(1 - beta_2^t) */
};

struct kernels {
    const char *name;
    int lanes;

    product_kernel *product;

    /* The same for so few rows that reading B is what takes the time: B is read once, from front to back. A is
     * a[i * a_row + p]; n is a multiple of 16. */
    void (*product_few_rows)(size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b,
                             size_t b_row, float *c, size_t c_row);

    /* Below, [36][rows][pitch] are matrices that lie winograd_stride(rows, pitch) apart. A tile that does not have a
     * point has a row in its matrix all the same, which nobody reads or writes. */

    /* x [images][h][w][in_pitch] -> v [36][block.count][in_pitch]: B^T d B of each tile. */
    void (*winograd_input)(const struct winograd_tiling *tiling, struct tile_range block, const float *x,
                           float *v);

    /* m [36][block.count][out_pitch] -> y [images][oh][ow][out_pitch]: activation(A^T m A + bias[out_pitch]). */
    void (*winograd_output)(const struct winograd_tiling *tiling, struct tile_range block, const float *m,
                            const float *bias, enum activation activation, float *y);

    /* The same behind a max-pool of 2: y [images][oh/2][ow/2][out_pitch], and unless NULL the place 0..3 of each maximum
     * in its window. */
    void (*winograd_output_pooled)(const struct winograd_tiling *tiling, struct tile_range block,
                                   const float *m, const float *bias, enum activation activation, float *y,
                                   int32_t *place);

    /* dy [images][oh][ow][out_pitch] -> dm [36][block.count][out_pitch]: A dy A^T. */
    void (*winograd_output_gradient)(const struct winograd_tiling *tiling, struct tile_range block,
                                     const float *dy, float *dm);

    /* The same from the gradient behind the max-pool: dy and place [images][oh/2][ow/2][out_pitch]. */
    void (*winograd_pooled_gradient)(const struct winograd_tiling *tiling, struct tile_range block,
                                     const float *dy, const int32_t *place, float *dm);

    /* dv [36][block.count][in_pitch]: B dv B^T is added to dx [images][h][w][in_pitch], tiles overlap. */
    void (*winograd_input_gradient)(const struct winograd_tiling *tiling, struct tile_range block,
                                    const float *dv, float *dx);

    /* g [r][r][channels][filters] -> u [36][in_pitch][out_pitch] = G g G^T for channels first..first+count-1; padding
     * is zero. */
    void (*winograd_kernel)(const struct conv_shape *shape, int first, int count, const float *g, float *u);

    /* du [36][in_pitch][out_pitch] -> dg [r][r][channels][filters] = G^T du G, or += with `accumulate`. */
    void (*winograd_kernel_gradient)(const struct conv_shape *shape, const float *du, bool accumulate,
                                     float *dg);

    /* Convolution of one input channel: x [h][w] of one image, kernel [r][r][out_pitch] -> y [oh][ow][out_pitch]. */
    void (*direct_forward)(const struct conv_shape *shape, const float *x, const float *kernel,
                           const float *bias, enum activation activation, float *y);

    /* x [h][w], dy [oh][ow][out_pitch]: added to dkernel [r][r][out_pitch]. */
    void (*direct_backward)(const struct conv_shape *shape, const float *x, const float *dy, float *dkernel);

    /* x [h][w][pitch] -> y [h/p][w/p][pitch] and the place 0..p*p-1 of each maximum, the first of equals. */
    void (*max_pool)(int height, int width, size_t pitch, int pool, const float *x, float *y, int32_t *place);

    /* dy [h/p][w/p][pitch] -> dx [h][w][pitch], all of it written. */
    void (*max_pool_gradient)(int height, int width, size_t pitch, int pool, const float *dy,
                              const int32_t *place, float *dx);

    /* x[count] = activation(x[count] + bias[count]), for one row; count is a multiple of 16. */
    void (*add_bias_activate)(enum activation activation, const float *bias, size_t count, float *x);

    /* dy[count] *= activation'(x), given y = activation(x); count is a multiple of 16. */
    void (*activation_gradient)(enum activation activation, const float *y, size_t count, float *dy);

    /* sum[pitch] += the rows of x [rows][pitch]. */
    void (*sum_rows)(const float *x, size_t rows, size_t pitch, float *sum);

    /* to[count] += from[count]; count is a multiple of 16. */
    void (*add)(const float *from, size_t count, float *to);

    /* True when all of x[count] are finite; count is a multiple of 16. */
    bool (*all_finite)(const float *x, size_t count);

    /* One step of Adam (Kingma and Ba, 2015) on `count` parameters, a multiple of 16. */
    void (*adam)(const struct adam_step *step, const float *gradient, size_t count, float *weights,
                 float *moment_1, float *moment_2);

    /* average[count] += share * (weights[count] - average[count]); count is a multiple of 16. */
    void (*average)(float share, const float *weights, size_t count, float *average);
};

/* The sets that this processor runs, the widest first; NULL past the end. */
const struct kernels *kernels_at(size_t index);

/* The set whose instructions OpenBLAS's kernels for `core_type` use; NULL: this processor does not run it. */
const struct kernels *kernels_of_core_type(const char *core_type);

/* The set to compute with: the widest, or that of the core type that OPENBLAS_CORETYPE asks for. */
const struct kernels *kernels_best(void);

#endif

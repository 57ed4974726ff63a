/* Forward and backward of one trunk stage on some images, in memory that the caller lends. */
#ifndef ENGINE_STAGE_H
#define ENGINE_STAGE_H

#include "engine/network.h"

/* What a stage works with. Each thread has a workspace of its own. */
struct stage_context {
    const struct network *network;
    const struct kernels *kernels;
    const float *parameters, *prepared;
    float *workspace; /* stage_workspace floats */

    bool training; /* dropout drops */

    /* For dropout: the run's seed, the epoch, and the number of the first image within the epoch. */
    uint64_t seed;
    unsigned epoch;
    uint64_t first_image;
};

/* Floats that any trunk stage needs for `images` images. */
size_t stage_workspace(const struct network *network, size_t images);

/* x [images][in_size] -> y [images][out_size]. `place` [images][out_size] takes the places of a pool's maxima; NULL where
 * there is no pool, or no backward pass follows. */
void stage_forward(const struct stage_context *context, const struct stage *stage, size_t images,
                   const float *x, float *y, int32_t *place);

/* dy [images][out_size], which is overwritten, -> dx [images][in_size], or NULL where nobody asks. Sets the gradients
 * of the stage's parameters in the slab `gradients`, or adds to them. x, y and place are those of the forward pass. */
void stage_backward(const struct stage_context *context, const struct stage *stage, size_t images,
                    const float *x, const float *y, const int32_t *place, bool accumulate, float *gradients,
                    float *dy, float *dx);

/* One row of a dropout stage: y = x scaled and masked; the mask depends on (seed, epoch, image) alone. In place is
 * allowed. It is its own gradient. */
void dropout_row(const struct stage_context *context, const struct stage *stage, uint64_t image,
                 const float *x, float *y);

#endif

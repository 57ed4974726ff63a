/* One training step: a batch forward and backward, the gradients summed, the optimizer, all over a thread team.
 *
 * The batch is cut into shards of fixed size. Each shard's gradient of the trunk is summed apart and they are added in
 * order; dense layers run on the whole batch in fixed blocks. So the bits of the result depend on the batch alone. */
#ifndef ENGINE_TRAIN_STEP_H
#define ENGINE_TRAIN_STEP_H

#include "engine/dense.h"
#include "engine/stage.h"

/* The slabs of a run. */
struct train_state {
    float *weights, *moment_1, *moment_2; /* network.parameters floats each */
    float *average;                       /* of the weights over the updates, or NULL */
    float *best;                          /* what was kept of the best epoch, or NULL */
    float *prepared;                      /* network.prepared floats, made from `weights` */
};

/* What one step trains on. */
struct train_batch {
    const struct dataset *data;
    const uint32_t *order; /* indices of the batch's images in `data` */
    size_t count;
    uint64_t seed;
    unsigned epoch;
    uint64_t first; /* number of the batch's first image within the epoch */
    double label_smoothing;
    const struct augmentation *augmentation; /* NULL: images as they are */
};

/* How a step changes the weights. */
struct train_update {
    struct adam_step adam;
    float average_share; /* of the new weights in their average */
};

struct train_step; /* buffers for one step */

/* Borrows all but `ret_step`. `batch_size` is the largest count. */
MUST_CHECK enum status train_step_create(const struct network *network, size_t batch_size,
                                         struct thread_team *team, struct train_step **ret_step,
                                         struct error *err);
void train_step_free(struct train_step *step);

/* Bytes that train_step_create allocates with `threads` threads; SIZE_MAX on overflow. */
size_t train_step_memory(const struct network *network, size_t batch_size, int threads);

/* Makes `state->prepared` from `state->weights`. */
void train_step_prepare(struct train_step *step, struct train_state *state);

/* Forward and backward: loss and the gradients, which are left in train_step_gradients. False when the loss or a
 * gradient is not finite. */
MUST_CHECK bool train_step_gradient(struct train_step *step, const struct train_state *state,
                                    const struct train_batch *batch, struct loss_sum *ret_loss);

/* The gradients of the last train_step_gradient, a slab as the parameters'. */
const float *train_step_gradients(const struct train_step *step);

/* Applies them by Adam, moves the average if there is one, and prepares the new weights. */
void train_step_apply(struct train_step *step, struct train_state *state, const struct train_update *update);

/* As trainer_measure and trainer_shares. */
MUST_CHECK enum status train_step_measure(struct train_step *step, struct error *err);
size_t train_step_shares(const struct train_step *step, struct train_share ret_shares[TRAIN_SHARES_MAX]);

#endif

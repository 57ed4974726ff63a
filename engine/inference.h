/* The forward pass of a model, on one thread, in a workspace of its own. */
#ifndef ENGINE_INFERENCE_H
#define ENGINE_INFERENCE_H

#include "engine/model.h"

struct inference;

/* For up to `max_batch` images at once. Borrows `model`. */
MUST_CHECK enum status inference_create(const struct model *model, size_t max_batch,
                                        struct inference **ret_inference, struct error *err);
void inference_free(struct inference *inference);

/* Where the input of image `index` is to be written before inference_run: [28][28][input_pitch]. */
float *inference_input(struct inference *inference, size_t index);

/* Runs the first `count` inputs; returns logits [count][*ret_pitch], which last until the next run. */
const float *inference_run(struct inference *inference, size_t count, size_t *ret_pitch);

#endif

/* Augmentation: each time an image is trained on, it is another variant of itself.
 *
 * First the strokes are made thicker or thinner, then one sampling applies rotation, shear, scale, shift and an elastic
 * field together. What is drawn depends on (seed, epoch, index) alone. Any thread. */
#ifndef ENGINE_AUGMENT_H
#define ENGINE_AUGMENT_H

#include "engine/engine.h"

/* image [28][28] bytes -> ret_image [28][28] in 0..1. `index` is the image's number within the epoch. */
void augment_image(const struct augmentation *augmentation, uint64_t seed, unsigned epoch, uint64_t index,
                   const uint8_t *image, float *ret_image);

/* Whether any range is open: otherwise images need no work. */
bool augmentation_is_on(const struct augmentation *augmentation);

#endif

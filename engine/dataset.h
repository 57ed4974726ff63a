/* Bounds of a dataset that other parts of the engine rely on. */
#ifndef ENGINE_DATASET_H
#define ENGINE_DATASET_H

/* The most images of one split: 7.8 GB of pixels. */
#define DATASET_MAX_IMAGES 10000000

struct dataset;
struct train_split;

/* Fixes which of its images, in this order, are trained on and which validate: dataset_split says so from now on. Before
 * others have the dataset. */
void dataset_divide(struct dataset *dataset, const struct train_split *split);

#endif

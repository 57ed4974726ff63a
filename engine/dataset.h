/* Bounds of a dataset that other parts of the engine rely on. */
#ifndef ENGINE_DATASET_H
#define ENGINE_DATASET_H

/* The most images of one split: 7.8 GB of pixels. */
#define DATASET_MAX_IMAGES 10000000

#endif

/* Tensors of numbers in JSON: nested or flat lists, as the Open Inference Protocol and TensorFlow Serving have them. Any
 * thread. */
#ifndef DIGITD_TENSOR_JSON_H
#define DIGITD_TENSOR_JSON_H

#include <jansson.h>

#include "engine/engine.h"

#define TENSOR_RANK_MAX 8

struct tensor_shape {
    size_t rank; /* 0: a single number */
    size_t dims[TENSOR_RANK_MAX];
};

/* Bytes that tensor_shape_format may need. */
#define TENSOR_SHAPE_TEXT 192

/* "[2,1,28,28]" */
void tensor_shape_format(const struct tensor_shape *shape, char ret_text[TENSOR_SHAPE_TEXT]);

/* Whether the shape is one of images: [n,1,28,28], [n,28,28,1], [n,28,28] or [n,784], which for one channel are the same
 * numbers in the same order. `ret_count` gets n. */
bool tensor_shape_is_images(const struct tensor_shape *shape, size_t *ret_count);

/* Reads the shape of nested lists off the first of each level. ERR_FORMAT: nested too deeply. */
MUST_CHECK enum status tensor_json_shape(const json_t *json, struct tensor_shape *ret_shape,
                                         struct error *err);

/* Writes the numbers of nested lists of exactly this shape to `target`, in row-major order. ERR_FORMAT: a list of another
 * length or something that is no number, with `pointer` continued to its place. */
MUST_CHECK enum status tensor_json_read(const json_t *json, const struct tensor_shape *shape,
                                        const char *pointer, float *target, struct error *err);

/* [[…],[…]] of rows x columns, or flat; a number that is not finite is null. NULL without memory. */
json_t *tensor_json_write(const float *numbers, size_t rows, size_t columns, bool nested);

#endif

/* The kinds of layers, one table. A new kind is a line there, its fields in struct layer_spec, and its shape rule. */
#ifndef ENGINE_LAYER_KIND_H
#define ENGINE_LAYER_KIND_H

#include "engine/engine.h"
#include "engine/fields.h"

/* Which inputs a layer takes. */
enum layer_place { PLACE_IMAGE, PLACE_VECTOR, PLACE_ANYWHERE };

struct layer_kind_info {
    const char *keras_name; /* what Keras calls it in a summary; numbered from the second on */
    const struct field *fields;
    size_t field_count;
    struct layer_spec defaults; /* of fields that are absent in JSON */
    enum layer_place place;

    /* Fills output, weights, biases and multiply_adds from `info->input`. Returns the side of the window that does not
     * fit into the input, 0 if all is well. */
    int (*infer)(const struct layer_spec *layer, struct layer_info *info);
};

/* NULL for a number that is no kind. */
const struct layer_kind_info *layer_kind_info(enum layer_kind kind);

/* Names of kinds and activations as JSON has them, by number, NULL at the end. */
extern const char *const layer_kind_names[];
extern const char *const activation_names[];

#endif

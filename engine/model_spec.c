#include "engine/engine.h"
#include "engine/layer_kind.h"

#include <stdio.h>
#include <string.h>

/* ---- Presets ------------------------------------------------------------------------------------- */

#define CONV(filters_, kernel, padding_)                                                                     \
    {                                                                                                        \
        .kind = LAYER_CONV2D, .filters = filters_, .kernel_size = kernel, .padding = padding_,               \
        .activation = ACTIVATION_RELU                                                                        \
    }
#define POOL(size)                                                                                           \
    {                                                                                                        \
        .kind = LAYER_MAX_POOL2D, .pool_size = size                                                          \
    }
#define FLATTEN                                                                                              \
    {                                                                                                        \
        .kind = LAYER_FLATTEN                                                                                \
    }
#define DROPOUT(fraction)                                                                                    \
    {                                                                                                        \
        .kind = LAYER_DROPOUT, .rate = fraction                                                              \
    }
#define DENSE(count)                                                                                         \
    {                                                                                                        \
        .kind = LAYER_DENSE, .units = count, .activation = ACTIVATION_RELU                                   \
    }
#define OUTPUT                                                                                               \
    {                                                                                                        \
        .kind = LAYER_DENSE, .units = CLASSES, .activation = ACTIVATION_SOFTMAX                              \
    }

static const struct {
    const char *name;
    struct model_spec spec;
} presets[] = {
    /* 889,834 parameters: the tutorial's network, and what all figures speak of. */
    {"reference",
     {9,
      {CONV(32, 3, PADDING_SAME), CONV(32, 3, PADDING_VALID), POOL(2), CONV(64, 3, PADDING_SAME),
       CONV(64, 3, PADDING_VALID), POOL(2), FLATTEN, DENSE(512), OUTPUT}}},

    /* The same with dropout, for long runs on augmented images. */
    {"reference_dropout",
     {11,
      {CONV(32, 3, PADDING_SAME), CONV(32, 3, PADDING_VALID), POOL(2), CONV(64, 3, PADDING_SAME),
       CONV(64, 3, PADDING_VALID), POOL(2), FLATTEN, DROPOUT(0.25f), DENSE(512), DROPOUT(0.4f), OUTPUT}}},

    /* 55,338 parameters: an epoch in a fraction of the time, for a first look and for tests. */
    {"small",
     {7,
      {CONV(16, 3, PADDING_SAME), POOL(2), CONV(32, 3, PADDING_SAME), POOL(2), FLATTEN, DENSE(32), OUTPUT}}},

    /* 1,903,050 parameters: the reference with twice the filters, and dropout against what that memorises. */
    {"large",
     {11,
      {CONV(64, 3, PADDING_SAME), CONV(64, 3, PADDING_VALID), POOL(2), CONV(128, 3, PADDING_SAME),
       CONV(128, 3, PADDING_VALID), POOL(2), FLATTEN, DROPOUT(0.25f), DENSE(512), DROPOUT(0.4f), OUTPUT}}},
};
#define PRESETS (sizeof presets / sizeof *presets)

const char *model_preset_name(size_t index)
{
    return index < PRESETS ? presets[index].name : NULL;
}

enum status model_spec_preset(const char *name, struct model_spec *ret_spec, struct error *err)
{
    char known[128] = "", text[EXCERPT_SIZE];
    size_t used = 0;
    for (size_t i = 0; i < PRESETS; i++) {
        if (strcmp(presets[i].name, name) == 0) {
            *ret_spec = presets[i].spec;
            return OK;
        }
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", presets[i].name);
    }
    return error_set(err, ERR_NOT_FOUND, "no preset is called \"%s\"; there are: %s",
                     text_excerpt(name, text), known);
}

/* ---- Shape inference ----------------------------------------------------------------------------- */

/* The walk from the image to the ten probabilities. */
struct inference {
    struct model_plan *plan;
    struct problems *problems;
    const char *layers_pointer; /* of the list of layers */
    struct shape shape;         /* of what reaches the present layer */
    bool flattened;
    bool known; /* `shape` is: no layer so far had a problem */
};

static void add_layer_problem(const struct inference *walk, size_t index, enum status code, const char *field,
                              const char *text)
{
    char layer[POINTER_SIZE], place[POINTER_SIZE];
    pointer_to_index(layer, walk->layers_pointer, index);
    pointer_to_member(place, layer, field);
    problems_add(walk->problems, code, place, "%s: %s", walk->plan->layers[index].name, text);
}

/* Keras numbers the layers of a kind from the second on: conv2d, conv2d_1, … */
static void name_layers(struct model_plan *plan)
{
    int seen[LAYER_DENSE + 1] = {0};
    for (size_t i = 0; i < plan->spec.count; i++) {
        enum layer_kind kind = plan->spec.layers[i].kind;
        const struct layer_kind_info *info = layer_kind_info(kind);
        char *name = plan->layers[i].name;
        if (!info)
            snprintf(name, sizeof plan->layers[i].name, "layer %zu", i + 1);
        else if (seen[kind]++ == 0)
            snprintf(name, sizeof plan->layers[i].name, "%s", info->keras_name);
        else
            snprintf(name, sizeof plan->layers[i].name, "%s_%d", info->keras_name, seen[kind] - 1);
    }
}

/* Image layers before flatten, dense layers after it. */
static void check_place(const struct inference *walk, size_t index, const struct layer_kind_info *kind)
{
    if (kind->place == PLACE_IMAGE && walk->flattened)
        add_layer_problem(walk, index, ERR_SHAPE, "type",
                          "its input is flattened already; it needs an image");
    if (kind->place == PLACE_VECTOR && !walk->flattened)
        add_layer_problem(walk, index, ERR_SHAPE, "type",
                          "its input is an image; flatten must come before it");
}

/* Softmax turns the last layer's outputs into probabilities, and has no place elsewhere. */
static void check_output(const struct inference *walk, size_t index)
{
    const struct layer_spec *layer = &walk->plan->spec.layers[index];
    bool last = index + 1 == walk->plan->spec.count;
    char text[96];
    if (!last) {
        if (layer->activation == ACTIVATION_SOFTMAX)
            add_layer_problem(walk, index, ERR_SHAPE, "activation", "softmax belongs to the last layer only");
        return;
    }
    if (layer->kind != LAYER_DENSE) {
        add_layer_problem(walk, index, ERR_SHAPE, "type", "the last layer must be dense, one unit a digit");
        return;
    }
    if (layer->units != CLASSES) {
        snprintf(text, sizeof text, "the last layer must have %d units, one a digit, not %d", CLASSES,
                 layer->units);
        add_layer_problem(walk, index, ERR_SHAPE, "units", text);
    }
    if (layer->activation != ACTIVATION_SOFTMAX)
        add_layer_problem(walk, index, ERR_SHAPE, "activation",
                          "the last layer's activation must be softmax");
}

static void add_window_problem(const struct inference *walk, size_t index, int window)
{
    const struct layer_info *info = &walk->plan->layers[index];
    bool pool = walk->plan->spec.layers[index].kind == LAYER_MAX_POOL2D;
    char text[160];
    snprintf(text, sizeof text, "a %dx%d %s does not fit into its input, %dx%dx%d (height, width, channels)",
             window, window, pool ? "pool" : "kernel", info->input.height, info->input.width,
             info->input.channels);
    add_layer_problem(walk, index, ERR_SHAPE, pool ? "pool_size" : "kernel_size", text);
}

static void infer_layer(struct inference *walk, size_t index)
{
    const struct layer_spec *layer = &walk->plan->spec.layers[index];
    struct layer_info *info = &walk->plan->layers[index];
    const struct layer_kind_info *kind = layer_kind_info(layer->kind);
    if (!kind) {
        add_layer_problem(walk, index, ERR_ARGUMENT, "type", "no such kind of layer");
        walk->known = false;
        return;
    }
    char pointer[POINTER_SIZE];
    pointer_to_index(pointer, walk->layers_pointer, index);
    size_t before = walk->problems->count;
    fields_check(kind->fields, kind->field_count, layer, pointer, walk->problems);
    check_place(walk, index, kind);
    walk->known = walk->known && walk->problems->count == before;
    check_output(walk, index);
    walk->flattened = walk->flattened || layer->kind == LAYER_FLATTEN || layer->kind == LAYER_DENSE;
    if (!walk->known)
        return;

    info->input = walk->shape;
    int window = kind->infer(layer, info);
    if (window > 0) {
        add_window_problem(walk, index, window);
        walk->known = false;
        return;
    }
    walk->shape = info->output;
    walk->plan->parameters += info->weights + info->biases;
    walk->plan->multiply_adds += info->multiply_adds;
}

enum status model_plan_create(const struct model_spec *spec, const char *pointer, struct model_plan *ret_plan,
                              struct problems *problems)
{
    size_t before = problems->count;
    char layers_pointer[POINTER_SIZE];
    pointer_to_member(layers_pointer, pointer, "layers");
    if (spec->count < 1 || spec->count > MODEL_MAX_LAYERS) {
        problems_add(problems, ERR_ARGUMENT, layers_pointer, "a model has 1 to %d layers, not %zu",
                     MODEL_MAX_LAYERS, spec->count);
        return ERR_ARGUMENT;
    }
    struct model_plan plan = {.spec = *spec};
    struct inference walk = {.plan = &plan,
                             .problems = problems,
                             .layers_pointer = layers_pointer,
                             .shape = {IMAGE_SIDE, IMAGE_SIDE, 1},
                             .known = true};
    name_layers(&plan);
    for (size_t i = 0; i < spec->count; i++)
        infer_layer(&walk, i);
    enum status status = problems_since(problems, before);
    if (status == OK)
        *ret_plan = plan;
    return status;
}

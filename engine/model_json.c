/* Model specs from and to JSON: the forms {"preset"}, {"layers"} and {"blocks"}. */
#include "engine/engine.h"
#include "engine/fields.h"
#include "engine/layer_kind.h"

#include <assert.h>

/* ---- {"layers": [...]} --------------------------------------------------------------------------- */

static const struct field type_field = {.name = "type", .type = FIELD_CHOICE, .choices = layer_kind_names};

static void read_layer(const json_t *json, const char *pointer, struct layer_spec *ret_layer,
                       struct problems *problems)
{
    char place[POINTER_SIZE], found[FOUND_SIZE];
    if (!json_is_object(json)) {
        problems_add(problems, ERR_ARGUMENT, pointer, "expected a layer, an object with a type, found %s",
                     describe_value(json, found));
        return;
    }
    enum layer_kind kind;
    pointer_to_member(place, pointer, type_field.name);
    if (!field_read_value(&type_field, json_object_get(json, type_field.name), place, &kind, problems))
        return;
    const struct layer_kind_info *info = layer_kind_info(kind);
    *ret_layer = info->defaults;
    fields_read(info->fields, info->field_count, json, pointer, ret_layer, problems);
}

static void read_layers(const json_t *json, const char *pointer, struct model_spec *ret_spec,
                        struct problems *problems)
{
    char found[FOUND_SIZE];
    if (!json_is_array(json)) {
        problems_add(problems, ERR_ARGUMENT, pointer, "layers: expected a list of 1 to %d layers, found %s",
                     MODEL_MAX_LAYERS, describe_value(json, found));
        return;
    }
    size_t count = json_array_size(json);
    if (count < 1 || count > MODEL_MAX_LAYERS) {
        problems_add(problems, ERR_ARGUMENT, pointer,
                     "layers: expected a list of 1 to %d layers, found a list of %zu", MODEL_MAX_LAYERS,
                     count);
        return;
    }
    ret_spec->count = count;
    for (size_t i = 0; i < count; i++) {
        char place[POINTER_SIZE];
        const json_t *layer = json_array_get(json, i);
        pointer_to_index(place, pointer, i);
        read_layer(layer, place, &ret_spec->layers[i], problems);
        /* A dense layer at the end is the output unless it says otherwise: the default there is softmax. */
        if (i + 1 == count && ret_spec->layers[i].kind == LAYER_DENSE &&
            !json_object_get(layer, "activation"))
            ret_spec->layers[i].activation = ACTIVATION_SOFTMAX;
    }
}

/* ---- {"blocks": {...}} --------------------------------------------------------------------------- */

#define MAX_CONV_BLOCKS  6
#define MAX_DENSE_LAYERS 8
#define BLOCK_LAYERS     3

static_assert(MAX_CONV_BLOCKS * BLOCK_LAYERS + 1 + MAX_DENSE_LAYERS + 1 <= MODEL_MAX_LAYERS,
              "every spec of blocks must fit");

struct blocks {
    int conv_blocks;
    int filters[MAX_CONV_BLOCKS];
    int kernel_size, pool_size;
    int dense_layers, dense_units;
    enum activation activation;
};

#define AT(member) .offset = offsetof(struct blocks, member)

static const struct field block_fields[] = {
    {.name = "conv_blocks", .type = FIELD_INT, AT(conv_blocks), .min = 1, .max = MAX_CONV_BLOCKS},
    {.name = "filters", .type = FIELD_OTHER},
    {.name = "kernel_size", .type = FIELD_INT, AT(kernel_size), .min = 1, .max = 7},
    {.name = "pool_size", .type = FIELD_INT, AT(pool_size), .min = 2, .max = 4},
    {.name = "dense_layers", .type = FIELD_INT, AT(dense_layers), .min = 0, .max = MAX_DENSE_LAYERS},
    {.name = "dense_units", .type = FIELD_INT, AT(dense_units), .min = 1, .max = 4096},
    {.name = "activation", .type = FIELD_CHOICE, AT(activation), .choices = activation_names},
};

/* One number, or a block's share of the list. The range is conv2d's, which the plan checks too. */
static const struct field filters_field = {.name = "filters", .type = FIELD_INT, .min = 1, .max = 512};

/* Without `filters`: 32, doubled from block to block. */
static void read_filters(const json_t *json, const char *pointer, struct blocks *blocks,
                         struct problems *problems)
{
    size_t count = (size_t)blocks->conv_blocks;
    if (json_is_array(json) && json_array_size(json) != count) {
        problems_add(problems, ERR_ARGUMENT, pointer,
                     "filters: expected one number or %zu, one a block (conv_blocks), found %zu", count,
                     json_array_size(json));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char place[POINTER_SIZE];
        blocks->filters[i] = 32 << i;
        if (json_is_array(json)) {
            pointer_to_index(place, pointer, i);
            field_read_value(&filters_field, json_array_get(json, i), place, &blocks->filters[i], problems);
        } else if (json && i == 0) {
            field_read_value(&filters_field, json, pointer, &blocks->filters[0], problems);
        } else if (json) {
            blocks->filters[i] = blocks->filters[0];
        }
    }
}

static struct layer_spec conv_layer(const struct blocks *blocks, int filters, enum padding padding)
{
    return (struct layer_spec){.kind = LAYER_CONV2D,
                               .filters = filters,
                               .kernel_size = blocks->kernel_size,
                               .padding = padding,
                               .activation = blocks->activation};
}

static void expand_blocks(const struct blocks *blocks, struct model_spec *ret_spec)
{
    struct model_spec spec = {0};
    for (int i = 0; i < blocks->conv_blocks; i++) {
        spec.layers[spec.count++] = conv_layer(blocks, blocks->filters[i], PADDING_SAME);
        spec.layers[spec.count++] = conv_layer(blocks, blocks->filters[i], PADDING_VALID);
        spec.layers[spec.count++] =
            (struct layer_spec){.kind = LAYER_MAX_POOL2D, .pool_size = blocks->pool_size};
    }
    spec.layers[spec.count++] = (struct layer_spec){.kind = LAYER_FLATTEN};
    for (int i = 0; i < blocks->dense_layers; i++)
        spec.layers[spec.count++] = (struct layer_spec){
            .kind = LAYER_DENSE, .units = blocks->dense_units, .activation = blocks->activation};
    spec.layers[spec.count++] =
        (struct layer_spec){.kind = LAYER_DENSE, .units = CLASSES, .activation = ACTIVATION_SOFTMAX};
    *ret_spec = spec;
}

static void read_blocks(const json_t *json, const char *pointer, struct model_spec *ret_spec,
                        struct problems *problems)
{
    char place[POINTER_SIZE], found[FOUND_SIZE];
    if (!json_is_object(json)) {
        problems_add(problems, ERR_ARGUMENT, pointer, "blocks: expected an object, found %s",
                     describe_value(json, found));
        return;
    }
    struct blocks blocks = {.conv_blocks = 2,
                            .kernel_size = 3,
                            .pool_size = 2,
                            .dense_layers = 1,
                            .dense_units = 512,
                            .activation = ACTIVATION_RELU};
    fields_read(block_fields, sizeof block_fields / sizeof *block_fields, json, pointer, &blocks, problems);
    pointer_to_member(place, pointer, "filters");
    read_filters(json_object_get(json, "filters"), place, &blocks, problems);
    expand_blocks(&blocks, ret_spec);
}

/* ---- The three forms ----------------------------------------------------------------------------- */

static void read_preset(const json_t *json, const char *pointer, struct model_spec *ret_spec,
                        struct problems *problems)
{
    struct error err;
    char found[FOUND_SIZE];
    if (!json_is_string(json))
        problems_add(problems, ERR_ARGUMENT, pointer, "preset: expected a name, found %s",
                     describe_value(json, found));
    else if (model_spec_preset(json_string_value(json), ret_spec, &err) != OK)
        problems_add(problems, ERR_ARGUMENT, pointer, "preset: %s", err.message);
}

static const struct {
    const char *name;
    void (*read)(const json_t *json, const char *pointer, struct model_spec *ret_spec,
                 struct problems *problems);
} forms[] = {
    {"preset", read_preset},
    {"layers", read_layers},
    {"blocks", read_blocks},
};

static size_t count_forms(const json_t *json)
{
    size_t known = 0;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        known += json_object_get(json, forms[i].name) != NULL;
    return known;
}

enum status model_spec_from_json(const json_t *json, const char *pointer, struct model_spec *ret_spec,
                                 struct problems *problems)
{
    char found[FOUND_SIZE];
    size_t before = problems->count;
    if (!json_is_object(json) || json_object_size(json) != 1 || count_forms(json) != 1) {
        problems_add(problems, ERR_ARGUMENT, pointer,
                     "model: expected an object with exactly one of preset, layers, blocks, found %s",
                     json_is_object(json) ? "other fields" : describe_value(json, found));
        return ERR_ARGUMENT;
    }
    struct model_spec spec = {0};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char place[POINTER_SIZE];
        const json_t *form = json_object_get(json, forms[i].name);
        pointer_to_member(place, pointer, forms[i].name);
        if (form)
            forms[i].read(form, place, &spec, problems);
    }
    enum status status = problems_since(problems, before);
    if (status == OK)
        *ret_spec = spec;
    return status;
}

json_t *model_spec_to_json(const struct model_spec *spec)
{
    json_t *layers = json_array();
    for (size_t i = 0; layers && i < spec->count; i++) {
        const struct layer_kind_info *info = layer_kind_info(spec->layers[i].kind);
        json_t *layer = fields_to_json(info->fields, info->field_count, &spec->layers[i]);
        if (json_array_append_new(layers, layer) != 0) {
            json_decref(layers);
            return NULL;
        }
    }
    return json_pack("{s:o}", "layers", layers);
}

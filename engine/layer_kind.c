#include "engine/layer_kind.h"

const char *const layer_kind_names[] = {
    [LAYER_CONV2D] = "conv2d",   [LAYER_MAX_POOL2D] = "max_pool2d", [LAYER_FLATTEN] = "flatten",
    [LAYER_DROPOUT] = "dropout", [LAYER_DENSE] = "dense",           [LAYER_DENSE + 1] = NULL,
};

const char *const activation_names[] = {
    [ACTIVATION_LINEAR] = "linear", [ACTIVATION_RELU] = "relu",       [ACTIVATION_SIGMOID] = "sigmoid",
    [ACTIVATION_TANH] = "tanh",     [ACTIVATION_SOFTMAX] = "softmax", [ACTIVATION_SOFTMAX + 1] = NULL,
};

static const char *const padding_names[] = {
    [PADDING_VALID] = "valid",
    [PADDING_SAME] = "same",
    [PADDING_SAME + 1] = NULL,
};

const char *layer_kind_name(enum layer_kind kind)
{
    return layer_kind_names[kind];
}

const char *activation_name(enum activation activation)
{
    return activation_names[activation];
}

/* ---- Shapes -------------------------------------------------------------------------------------- */

static int infer_conv2d(const struct layer_spec *layer, struct layer_info *info)
{
    int side = layer->kernel_size, shrink = layer->padding == PADDING_SAME ? 0 : side - 1;
    info->output = (struct shape){info->input.height - shrink, info->input.width - shrink, layer->filters};
    if (info->output.height < 1 || info->output.width < 1)
        return side;
    size_t window = (size_t)side * (size_t)side * (size_t)info->input.channels;
    info->weights = window * (size_t)layer->filters;
    info->biases = (size_t)layer->filters;
    info->multiply_adds = (double)info->output.height * info->output.width * (double)info->weights;
    return 0;
}

static int infer_max_pool2d(const struct layer_spec *layer, struct layer_info *info)
{
    int side = layer->pool_size;
    info->output = (struct shape){info->input.height / side, info->input.width / side, info->input.channels};
    return info->output.height < 1 || info->output.width < 1 ? side : 0;
}

static int infer_flatten(const struct layer_spec *layer, struct layer_info *info)
{
    (void)layer;
    info->output = (struct shape){1, 1, info->input.height * info->input.width * info->input.channels};
    return 0;
}

static int infer_dropout(const struct layer_spec *layer, struct layer_info *info)
{
    (void)layer;
    info->output = info->input;
    return 0;
}

static int infer_dense(const struct layer_spec *layer, struct layer_info *info)
{
    info->output = (struct shape){1, 1, layer->units};
    info->weights = (size_t)info->input.channels * (size_t)layer->units;
    info->biases = (size_t)layer->units;
    info->multiply_adds = (double)info->weights;
    return 0;
}

/* ---- The table ----------------------------------------------------------------------------------- */

#define AT(member) .offset = offsetof(struct layer_spec, member)
#define TYPE                                                                                                 \
    {                                                                                                        \
        "type", FIELD_CHOICE, AT(kind), .choices = layer_kind_names, .required = true                        \
    }
#define ACTIVATION                                                                                           \
    {                                                                                                        \
        "activation", FIELD_CHOICE, AT(activation), .choices = activation_names                              \
    }

static const struct field conv2d_fields[] = {
    TYPE,
    {"filters", FIELD_INT, AT(filters), .min = 1, .max = 512, .required = true},
    {"kernel_size", FIELD_INT, AT(kernel_size), .min = 1, .max = 7, .required = true},
    {"padding", FIELD_CHOICE, AT(padding), .choices = padding_names},
    ACTIVATION,
};
static const struct field max_pool2d_fields[] = {
    TYPE,
    {"pool_size", FIELD_INT, AT(pool_size), .min = 2, .max = 4},
};
static const struct field flatten_fields[] = {TYPE};
static const struct field dropout_fields[] = {
    TYPE,
    {"rate", FIELD_FLOAT, AT(rate), .min = 0, .max = 1, .below_max = true, .required = true},
};
static const struct field dense_fields[] = {
    TYPE,
    {"units", FIELD_INT, AT(units), .min = 1, .max = 4096, .required = true},
    ACTIVATION,
};

#define FIELDS(table) table, sizeof(table) / sizeof *(table)

static const struct layer_kind_info kinds[] = {
    [LAYER_CONV2D] = {"conv2d",
                      FIELDS(conv2d_fields),
                      {.kind = LAYER_CONV2D, .padding = PADDING_VALID, .activation = ACTIVATION_RELU},
                      PLACE_IMAGE,
                      infer_conv2d},
    [LAYER_MAX_POOL2D] = {"max_pooling2d",
                          FIELDS(max_pool2d_fields),
                          {.kind = LAYER_MAX_POOL2D, .pool_size = 2},
                          PLACE_IMAGE,
                          infer_max_pool2d},
    [LAYER_FLATTEN] =
        {"flatten", FIELDS(flatten_fields), {.kind = LAYER_FLATTEN}, PLACE_IMAGE, infer_flatten},
    [LAYER_DROPOUT] =
        {"dropout", FIELDS(dropout_fields), {.kind = LAYER_DROPOUT}, PLACE_ANYWHERE, infer_dropout},
    [LAYER_DENSE] = {"dense",
                     FIELDS(dense_fields),
                     {.kind = LAYER_DENSE, .activation = ACTIVATION_RELU},
                     PLACE_VECTOR,
                     infer_dense},
};

const struct layer_kind_info *layer_kind_info(enum layer_kind kind)
{
    return (size_t)kind < sizeof kinds / sizeof *kinds ? &kinds[kind] : NULL;
}

/* Models as ONNX graphs: https://github.com/onnx/onnx/blob/main/docs/IR.md and Operators.md, opset 17.
 *
 * ONNX orders images and kernels as [N][C][H][W] and [filters][channels][height][width], the engine as [N][H][W][C] and
 * [height][width][channels][filters]. Convolution kernels are written in ONNX's order; before flatten the image is turned
 * to the engine's, so dense kernels stay as they are. Layers and tensors keep their names. Dropout does nothing in
 * inference, so it is left out.
 *
 * The messages of protobuf-c are trees of pointers. Here a whole tree lies in one struct, whose arrays are long enough
 * for any plan: putting it together needs no memory and cannot fail. */
#include "engine/atomic_file.h"
#include "engine/model.h"

#include <jansson.h>
#include <onnx.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IR_VERSION    8
#define OPSET_VERSION 17
#define FILE_LIMIT    INT32_MAX /* of protobuf */

/* A layer becomes two nodes at most: itself and its activation, or flatten and the turn before it. */
#define MAX_NODES   (2 * MODEL_MAX_LAYERS)
#define MAX_VALUES  (MAX_NODES + 1)
#define MAX_TENSORS (2 * MODEL_MAX_LAYERS)

#define NAME_SIZE 48

/* Without that of the batch. */
struct dimensions {
    size_t rank;
    int sizes[3];
};

/* What goes from one node to the next. */
struct value {
    Onnx__ValueInfoProto info;
    Onnx__TypeProto type;
    Onnx__TypeProto__Tensor tensor;
    Onnx__TensorShapeProto shape;
    Onnx__TensorShapeProto__Dimension sizes[4], *size_list[4];
    char name[NAME_SIZE];
};

struct attribute {
    Onnx__AttributeProto proto; /* of integers or one number */
    int64_t numbers[4];
};

struct node {
    Onnx__NodeProto proto;
    char *inputs[3], *outputs[1];
    struct attribute attributes[2];
    Onnx__AttributeProto *attribute_list[2];
    char name[NAME_SIZE];
};

struct initializer {
    Onnx__TensorProto proto;
    struct tensor tensor;
    int64_t sizes[4];
};

struct exporter {
    const struct model *source;
    float *kernels; /* room for those of convolutions in ONNX's order, as far as it is not used */
    size_t node_count, tensor_count;

    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset, *opset_list[1];
    Onnx__StringStringEntryProto properties[2], *property_list[2];
    struct node nodes[MAX_NODES];
    Onnx__NodeProto *node_list[MAX_NODES];
    struct value values[MAX_VALUES]; /* the image, then what each node gives */
    Onnx__ValueInfoProto *value_list[MAX_VALUES];
    struct initializer tensors[MAX_TENSORS];
    Onnx__TensorProto *tensor_list[MAX_TENSORS];
};

/* ---- Parts of a graph ---------------------------------------------------------------------------- */

static struct dimensions image_of(struct shape shape)
{
    return (struct dimensions){3, {shape.channels, shape.height, shape.width}};
}

static struct dimensions row_of(struct shape shape)
{
    return (struct dimensions){1, {shape.channels}};
}

static struct value *add_value(struct exporter *exporter, const char *name, struct dimensions dimensions)
{
    size_t index = exporter->node_count;
    struct value *value = &exporter->values[index];
    snprintf(value->name, sizeof value->name, "%s", name);
    for (size_t i = 0; i <= dimensions.rank; i++) {
        Onnx__TensorShapeProto__Dimension *size = value->size_list[i] = &value->sizes[i];
        onnx__tensor_shape_proto__dimension__init(size);
        if (i == 0) {
            size->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            size->dim_param = "N";
        } else {
            size->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            size->dim_value = dimensions.sizes[i - 1];
        }
    }
    onnx__tensor_shape_proto__init(&value->shape);
    value->shape.n_dim = dimensions.rank + 1;
    value->shape.dim = value->size_list;
    onnx__type_proto__tensor__init(&value->tensor);
    value->tensor.has_elem_type = true;
    value->tensor.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    value->tensor.shape = &value->shape;
    onnx__type_proto__init(&value->type);
    value->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    value->type.tensor_type = &value->tensor;
    onnx__value_info_proto__init(&value->info);
    value->info.name = value->name;
    value->info.type = &value->type;
    exporter->value_list[index] = &value->info;
    return value;
}

/* A node that takes what the one before it gives; it and its output are called layer or layer/part. */
static struct node *add_node(struct exporter *exporter, char *op_type, const char *layer, const char *part,
                             struct dimensions output)
{
    size_t index = exporter->node_count++;
    struct node *node = &exporter->nodes[index];
    snprintf(node->name, sizeof node->name, "%s%s%s", layer, part ? "/" : "", part ? part : "");
    node->inputs[0] = exporter->values[index].name;
    node->outputs[0] = add_value(exporter, node->name, output)->name;
    onnx__node_proto__init(&node->proto);
    node->proto.op_type = op_type;
    node->proto.name = node->name;
    node->proto.n_input = node->proto.n_output = 1;
    node->proto.input = node->inputs;
    node->proto.output = node->outputs;
    node->proto.attribute = node->attribute_list;
    exporter->node_list[index] = &node->proto;
    return node;
}

static void add_numbers(struct node *node, char *name, size_t count, const int64_t *numbers)
{
    size_t index = node->proto.n_attribute++;
    struct attribute *attribute = &node->attributes[index];
    memcpy(attribute->numbers, numbers, count * sizeof *numbers);
    onnx__attribute_proto__init(&attribute->proto);
    attribute->proto.name = name;
    attribute->proto.has_type = true;
    attribute->proto.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    attribute->proto.n_ints = count;
    attribute->proto.ints = attribute->numbers;
    node->attribute_list[index] = &attribute->proto;
}

static void add_factor(struct node *node, char *name, float factor)
{
    size_t index = node->proto.n_attribute++;
    Onnx__AttributeProto *proto = node->attribute_list[index] = &node->attributes[index].proto;
    onnx__attribute_proto__init(proto);
    proto->name = name;
    proto->has_type = true;
    proto->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    proto->has_f = true;
    proto->f = factor;
}

/* ---- Weights ------------------------------------------------------------------------------------- */

/* Turns a kernel [height][width][channels][filters] into one [filters][channels][height][width]. */
static void turn_kernel(const struct tensor *tensor, const float *kernel, float *ret_kernel)
{
    const size_t *sizes = tensor->dimensions;
    size_t window = sizes[0] * sizes[1], channels = sizes[2], filters = sizes[3];
    for (size_t at = 0; at < window; at++)
        for (size_t channel = 0; channel < channels; channel++)
            for (size_t filter = 0; filter < filters; filter++)
                ret_kernel[(filter * channels + channel) * window + at] =
                    kernel[(at * channels + channel) * filters + filter];
}

/* Gives the node the model's next tensor for its next input. */
static void add_tensor(struct exporter *exporter, struct node *node)
{
    static const size_t onnx_order[] = {3, 2, 0, 1};
    size_t index = exporter->tensor_count++;
    struct initializer *initializer = &exporter->tensors[index];
    struct tensor *tensor = &initializer->tensor;
    network_tensor(&exporter->source->network, index, tensor);
    float *data = exporter->source->parameters + tensor->offset;
    for (size_t i = 0; i < tensor->rank; i++)
        initializer->sizes[i] = (int64_t)tensor->dimensions[tensor->rank == 4 ? onnx_order[i] : i];
    if (tensor->rank == 4) {
        turn_kernel(tensor, data, exporter->kernels);
        data = exporter->kernels;
        exporter->kernels += tensor->count;
    }
    onnx__tensor_proto__init(&initializer->proto);
    initializer->proto.name = tensor->name;
    initializer->proto.n_dims = tensor->rank;
    initializer->proto.dims = initializer->sizes;
    initializer->proto.has_data_type = true;
    initializer->proto.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    initializer->proto.has_raw_data = true; /* little-endian, as in memory */
    initializer->proto.raw_data = (ProtobufCBinaryData){tensor->count * sizeof *data, (uint8_t *)data};
    exporter->tensor_list[index] = &initializer->proto;
    node->inputs[node->proto.n_input++] = tensor->name;
}

/* ---- Layers -------------------------------------------------------------------------------------- */

static void add_activation(struct exporter *exporter, enum activation activation,
                           const struct layer_info *info, struct dimensions output)
{
    static char *const operators[] = {
        [ACTIVATION_LINEAR] = NULL, [ACTIVATION_RELU] = "Relu",       [ACTIVATION_SIGMOID] = "Sigmoid",
        [ACTIVATION_TANH] = "Tanh", [ACTIVATION_SOFTMAX] = "Softmax",
    };
    if (operators[activation])
        add_node(exporter, operators[activation], info->name, activation_name(activation), output);
}

static void add_conv2d(struct exporter *exporter, const struct layer_spec *layer,
                       const struct layer_info *info)
{
    int64_t side = layer->kernel_size;
    int64_t pad = layer->padding == PADDING_SAME ? side - 1 : 0;
    int64_t before = pad / 2, after = pad - before; /* Keras: an even kernel reaches further down and right */
    struct dimensions output = image_of(info->output);
    struct node *node = add_node(exporter, "Conv", info->name, NULL, output);
    add_numbers(node, "kernel_shape", 2, (int64_t[]){side, side});
    add_numbers(node, "pads", 4, (int64_t[]){before, before, after, after});
    add_tensor(exporter, node);
    add_tensor(exporter, node);
    add_activation(exporter, layer->activation, info, output);
}

static void add_max_pool2d(struct exporter *exporter, const struct layer_spec *layer,
                           const struct layer_info *info)
{
    int64_t side = layer->pool_size;
    struct node *node = add_node(exporter, "MaxPool", info->name, NULL, image_of(info->output));
    add_numbers(node, "kernel_shape", 2, (int64_t[]){side, side});
    add_numbers(node, "strides", 2, (int64_t[]){side, side});
}

static void add_flatten(struct exporter *exporter, const struct layer_spec *layer,
                        const struct layer_info *info)
{
    (void)layer;
    struct shape image = info->input;
    struct dimensions turned = {3, {image.height, image.width, image.channels}};
    struct node *node = add_node(exporter, "Transpose", info->name, "transpose", turned);
    add_numbers(node, "perm", 4, (int64_t[]){0, 2, 3, 1});
    add_node(exporter, "Flatten", info->name, NULL, row_of(info->output));
}

static void add_dense(struct exporter *exporter, const struct layer_spec *layer,
                      const struct layer_info *info)
{
    struct dimensions output = row_of(info->output);
    struct node *node = add_node(exporter, "Gemm", info->name, NULL, output);
    double temperature = exporter->source->temperature;
    if (layer->activation == ACTIVATION_SOFTMAX &&
        temperature != 1) { /* products and biases, divided by it */
        add_factor(node, "alpha", (float)(1 / temperature));
        add_factor(node, "beta", (float)(1 / temperature));
    }
    add_tensor(exporter, node);
    add_tensor(exporter, node);
    add_activation(exporter, layer->activation, info, output);
}

static void (*const add_layer[])(struct exporter *, const struct layer_spec *, const struct layer_info *) = {
    [LAYER_CONV2D] = add_conv2d, [LAYER_MAX_POOL2D] = add_max_pool2d, [LAYER_FLATTEN] = add_flatten,
    [LAYER_DROPOUT] = NULL,      [LAYER_DENSE] = add_dense,
};

/* ---- The whole ----------------------------------------------------------------------------------- */

static void add_property(struct exporter *exporter, char *key, char *text)
{
    size_t index = exporter->model.n_metadata_props++;
    Onnx__StringStringEntryProto *property = exporter->property_list[index] = &exporter->properties[index];
    onnx__string_string_entry_proto__init(property);
    property->key = key;
    property->value = text;
}

static void build_graph(struct exporter *exporter)
{
    const struct model_plan *plan = &exporter->source->network.plan;
    Onnx__GraphProto *graph = &exporter->graph;
    struct value *image = add_value(exporter, "image", image_of(plan->layers[0].input));
    image->info.doc_string = "Grey levels 0 to 1 (byte / 255), ink high, rows from the top.";
    for (size_t i = 0; i < plan->spec.count; i++) {
        const struct layer_spec *layer = &plan->spec.layers[i];
        if (add_layer[layer->kind])
            add_layer[layer->kind](exporter, layer, &plan->layers[i]);
    }
    struct value *probabilities = &exporter->values[exporter->node_count];
    snprintf(probabilities->name, sizeof probabilities->name, "probabilities");
    probabilities->info.doc_string = "Of the classes 0 to 9.";

    onnx__graph_proto__init(graph);
    graph->name = "digitd";
    graph->n_node = exporter->node_count;
    graph->node = exporter->node_list;
    graph->n_initializer = exporter->tensor_count;
    graph->initializer = exporter->tensor_list;
    graph->n_input = graph->n_output = 1;
    graph->input = exporter->value_list;
    graph->output = exporter->value_list + exporter->node_count;
    graph->n_value_info = exporter->node_count - 1;
    graph->value_info = exporter->value_list + 1;
}

static void build_model(struct exporter *exporter, char *spec, char *weights_digest)
{
    Onnx__ModelProto *model = &exporter->model;
    onnx__model_proto__init(model);
    onnx__operator_set_id_proto__init(&exporter->opset);
    exporter->opset.domain = "";
    exporter->opset.has_version = true;
    exporter->opset.version = OPSET_VERSION;
    exporter->opset_list[0] = &exporter->opset;
    model->has_ir_version = true;
    model->ir_version = IR_VERSION;
    model->n_opset_import = 1;
    model->opset_import = exporter->opset_list;
    model->producer_name = "digitd";
    model->producer_version = DIGITD_VERSION;
    model->doc_string =
        "A convolutional network that recognises 28x28 images of ten classes, handwritten digits.";
    model->metadata_props = exporter->property_list;
    add_property(exporter, "spec", spec);
    add_property(exporter, "weights_digest", weights_digest);
    build_graph(exporter);
    model->graph = &exporter->graph;
}

static enum status pack(const Onnx__ModelProto *model, uint8_t **ret_bytes, size_t *ret_size,
                        struct error *err)
{
    size_t size = onnx__model_proto__get_packed_size(model);
    if (size > FILE_LIMIT)
        return error_set(err, ERR_SHAPE, "the model takes %zu bytes, an ONNX file holds at most %d", size,
                         FILE_LIMIT);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return error_set(err, ERR_MEMORY, "no memory for an ONNX file of %zu bytes", size);
    *ret_size = onnx__model_proto__pack(model, bytes);
    *ret_bytes = bytes;
    return OK;
}

enum status model_to_onnx(const struct model *model, uint8_t **ret_bytes, size_t *ret_size, struct error *err)
{
    const struct model_plan *plan = model_plan_of(model);
    char weights_digest[65];
    model_digest(model, weights_digest);
    json_t *json = model_spec_to_json(&plan->spec);
    char *spec = json ? json_dumps(json, JSON_COMPACT) : NULL;
    struct exporter *exporter = calloc(1, sizeof *exporter);
    float *kernels = calloc(plan->parameters, sizeof *kernels);
    enum status status;
    if (spec && exporter && kernels) {
        exporter->source = model;
        exporter->kernels = kernels;
        build_model(exporter, spec, weights_digest);
        status = pack(&exporter->model, ret_bytes, ret_size, err);
    } else {
        status =
            error_set(err, ERR_MEMORY, "no memory to export a model of %zu parameters", plan->parameters);
    }
    free(kernels);
    free(exporter);
    free(spec);
    json_decref(json);
    return status;
}

enum status model_export_onnx(const struct model *model, const char *path, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    struct atomic_file file;
    enum status status = model_to_onnx(model, &bytes, &size, err);
    if (status != OK)
        return status;
    status = atomic_file_begin(&file, path, err);
    if (status == OK) {
        status = atomic_file_append(&file, bytes, size, err);
        status = atomic_file_end(&file, status, err);
    }
    free(bytes);
    return status;
}

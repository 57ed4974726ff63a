/* Exported models, read back: what they say of themselves, their graph, their weights. What ONNX Runtime makes of them is
 * tests/interchange's business. */
#include "engine/model.h"
#include "tests/engine/check.h"

#include <jansson.h>
#include <onnx.pb-c.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Every kind of layer, activation and padding; an even kernel; channels that are no multiples of 16; a dense layer
 * without an activation; dropout on an image and on a row. */
#define MIXED                                                                                                \
    "{\"layers\": ["                                                                                         \
    "{\"type\": \"conv2d\", \"filters\": 5, \"kernel_size\": 4, \"padding\": \"same\", \"activation\": "     \
    "\"tanh\"},"                                                                                             \
    "{\"type\": \"max_pool2d\", \"pool_size\": 3},"                                                          \
    "{\"type\": \"dropout\", \"rate\": 0.25},"                                                               \
    "{\"type\": \"conv2d\", \"filters\": 7, \"kernel_size\": 3, \"activation\": \"sigmoid\"},"               \
    "{\"type\": \"flatten\"},"                                                                               \
    "{\"type\": \"dropout\", \"rate\": 0.5},"                                                                \
    "{\"type\": \"dense\", \"units\": 20, \"activation\": \"linear\"},"                                      \
    "{\"type\": \"dense\", \"units\": 12},"                                                                  \
    "{\"type\": \"dense\", \"units\": 10, \"activation\": \"softmax\"}]}"

/* ---- Help ---------------------------------------------------------------------------------------- */

struct exported {
    struct model *model;
    uint8_t *bytes;
    size_t size;
    Onnx__ModelProto *onnx;
};

static struct exported export_of(const char *json)
{
    struct exported exported = {0};
    struct model_plan plan = plan_from_json(json);
    assert_int_equal(model_allocate(&plan, &exported.model, NULL), OK);
    size_t count = exported.model->network.parameters;
    float *parameters = random_floats(3, count, 1); /* biases too */
    memcpy(exported.model->parameters, parameters, count * sizeof *parameters);
    free(parameters);
    model_seal(exported.model);
    assert_int_equal(model_to_onnx(exported.model, &exported.bytes, &exported.size, NULL), OK);
    exported.onnx = onnx__model_proto__unpack(NULL, exported.size, exported.bytes);
    assert_non_null(exported.onnx);
    return exported;
}

static void free_export(struct exported *exported)
{
    onnx__model_proto__free_unpacked(exported->onnx, NULL);
    free(exported->bytes);
    model_unref(exported->model);
}

static const Onnx__NodeProto *find_node(const struct exported *exported, const char *name)
{
    for (size_t i = 0; i < exported->onnx->graph->n_node; i++)
        if (strcmp(exported->onnx->graph->node[i]->name, name) == 0)
            return exported->onnx->graph->node[i];
    fail_msg("no node is called %s", name);
    return NULL;
}

static const Onnx__TensorProto *find_tensor(const struct exported *exported, const char *name)
{
    for (size_t i = 0; i < exported->onnx->graph->n_initializer; i++)
        if (strcmp(exported->onnx->graph->initializer[i]->name, name) == 0)
            return exported->onnx->graph->initializer[i];
    fail_msg("no tensor is called %s", name);
    return NULL;
}

/* The node's attribute holds exactly these numbers. */
static void assert_numbers(const Onnx__NodeProto *node, const char *name, size_t count,
                           const int64_t *expected)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        const Onnx__AttributeProto *attribute = node->attribute[i];
        if (strcmp(attribute->name, name) != 0)
            continue;
        assert_true(attribute->has_type && attribute->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
        assert_int_equal(attribute->n_ints, count);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(attribute->ints[k], expected[k]);
        return;
    }
    fail_msg("%s has no %s", node->name, name);
}

/* A float tensor [N][…] of this name. */
static void assert_value(const Onnx__ValueInfoProto *value, const char *name, size_t rank,
                         const int64_t *sizes)
{
    assert_string_equal(value->name, name);
    assert_int_equal(value->type->value_case, ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE);
    assert_int_equal(value->type->tensor_type->elem_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    const Onnx__TensorShapeProto *shape = value->type->tensor_type->shape;
    assert_int_equal(shape->n_dim, rank + 1);
    assert_int_equal(shape->dim[0]->value_case, ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM);
    assert_string_equal(shape->dim[0]->dim_param, "N");
    for (size_t i = 0; i < rank; i++) {
        assert_int_equal(shape->dim[i + 1]->value_case, ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE);
        assert_int_equal(shape->dim[i + 1]->dim_value, sizes[i]);
    }
}

#define NUMBERS(...)                                                                                         \
    sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[])                                          \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

/* ---- The file ------------------------------------------------------------------------------------ */

static const char *property(const struct exported *exported, const char *key)
{
    for (size_t i = 0; i < exported->onnx->n_metadata_props; i++)
        if (strcmp(exported->onnx->metadata_props[i]->key, key) == 0)
            return exported->onnx->metadata_props[i]->value;
    fail_msg("no property is called %s", key);
    return NULL;
}

static void a_file_says_what_it_is_and_what_made_it(void **state)
{
    (void)state;
    struct exported exported = export_of(MIXED);
    const Onnx__ModelProto *onnx = exported.onnx;
    assert_int_equal(onnx->ir_version, 8);
    assert_int_equal(onnx->n_opset_import, 1);
    assert_string_equal(onnx->opset_import[0]->domain, "");
    assert_int_equal(onnx->opset_import[0]->version, 17);
    assert_string_equal(onnx->producer_name, "digitd");
    assert_string_equal(onnx->producer_version, DIGITD_VERSION);
    assert_true(strlen(onnx->doc_string) > 0);
    assert_int_equal(onnx->graph->n_input, 1);
    assert_value(onnx->graph->input[0], "image", NUMBERS(1, 28, 28));
    assert_int_equal(onnx->graph->n_output, 1);
    assert_value(onnx->graph->output[0], "probabilities", NUMBERS(10));
    free_export(&exported);
}

static void its_metadata_lead_back_to_the_model(void **state)
{
    (void)state;
    struct exported exported = export_of(MIXED);
    struct model_plan plan = plan_from_json(property(&exported, "spec"));
    assert_memory_equal(&plan.spec, &model_plan_of(exported.model)->spec, sizeof plan.spec);
    char digest[65];
    model_digest(exported.model, digest);
    assert_string_equal(property(&exported, "weights_digest"), digest);
    free_export(&exported);
}

static void a_file_holds_the_same_bytes(void **state)
{
    (void)state;
    struct exported exported = export_of(MIXED);
    char path[] = "/tmp/test_onnx_XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    assert_int_equal(model_export_onnx(exported.model, path, NULL), OK);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t *bytes = malloc(exported.size + 1);
    assert_int_equal(fread(bytes, 1, exported.size + 1, file), exported.size);
    assert_memory_equal(bytes, exported.bytes, exported.size);
    free(bytes);
    fclose(file);
    unlink(path);
    free_export(&exported);
}

static void a_file_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    struct exported exported = export_of(MIXED);
    struct error err;
    assert_int_equal(model_export_onnx(exported.model, "/absent/model.onnx", &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/absent/model.onnx"));
    free_export(&exported);
}

/* ---- The graph ----------------------------------------------------------------------------------- */

static void layers_become_a_chain_of_nodes_and_dropout_none(void **state)
{
    (void)state;
    static const struct {
        const char *op_type, *name, *weights;
    } expected[] = {
        {"Conv", "conv2d", "conv2d"},          {"Tanh", "conv2d/tanh", NULL},
        {"MaxPool", "max_pooling2d", NULL},    {"Conv", "conv2d_1", "conv2d_1"},
        {"Sigmoid", "conv2d_1/sigmoid", NULL}, {"Transpose", "flatten/transpose", NULL},
        {"Flatten", "flatten", NULL},          {"Gemm", "dense", "dense"},
        {"Gemm", "dense_1", "dense_1"},        {"Relu", "dense_1/relu", NULL},
        {"Gemm", "dense_2", "dense_2"},        {"Softmax", "dense_2/softmax", NULL},
    };
    const size_t count = sizeof expected / sizeof *expected;
    struct exported exported = export_of(MIXED);
    const Onnx__GraphProto *graph = exported.onnx->graph;
    const char *before = "image";
    assert_int_equal(graph->n_node, count);
    for (size_t i = 0; i < count; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        char tensor[48];
        assert_string_equal(node->op_type, expected[i].op_type);
        assert_string_equal(node->name, expected[i].name);
        assert_int_equal(node->n_input, expected[i].weights ? 3 : 1);
        assert_string_equal(node->input[0], before);
        if (expected[i].weights) {
            snprintf(tensor, sizeof tensor, "%s/kernel", expected[i].weights);
            assert_string_equal(node->input[1], tensor);
            snprintf(tensor, sizeof tensor, "%s/bias", expected[i].weights);
            assert_string_equal(node->input[2], tensor);
        }
        assert_int_equal(node->n_output, 1);
        before = node->output[0];
    }
    assert_string_equal(before, "probabilities");
    assert_int_equal(graph->n_initializer, 10);
    free_export(&exported);
}

static void every_value_has_its_shape(void **state)
{
    (void)state;
    struct exported exported = export_of(MIXED);
    Onnx__ValueInfoProto **values = exported.onnx->graph->value_info;
    assert_int_equal(exported.onnx->graph->n_value_info, 11);
    assert_value(values[0], "conv2d", NUMBERS(5, 28, 28));
    assert_value(values[1], "conv2d/tanh", NUMBERS(5, 28, 28));
    assert_value(values[2], "max_pooling2d", NUMBERS(5, 9, 9));
    assert_value(values[3], "conv2d_1", NUMBERS(7, 7, 7));
    assert_value(values[4], "conv2d_1/sigmoid", NUMBERS(7, 7, 7));
    assert_value(values[5], "flatten/transpose", NUMBERS(7, 7, 7));
    assert_value(values[6], "flatten", NUMBERS(343));
    assert_value(values[7], "dense", NUMBERS(20));
    assert_value(values[8], "dense_1", NUMBERS(12));
    assert_value(values[9], "dense_1/relu", NUMBERS(12));
    assert_value(values[10], "dense_2", NUMBERS(10));
    free_export(&exported);
}

static void windows_and_axes_are_attributes(void **state)
{
    (void)state;
    struct exported exported = export_of(MIXED);
    assert_numbers(find_node(&exported, "conv2d"), "kernel_shape", NUMBERS(4, 4));
    assert_numbers(find_node(&exported, "conv2d_1"), "kernel_shape", NUMBERS(3, 3));
    assert_numbers(find_node(&exported, "conv2d_1"), "pads", NUMBERS(0, 0, 0, 0));
    assert_numbers(find_node(&exported, "max_pooling2d"), "kernel_shape", NUMBERS(3, 3));
    assert_numbers(find_node(&exported, "max_pooling2d"), "strides", NUMBERS(3, 3));
    assert_numbers(find_node(&exported, "flatten/transpose"), "perm", NUMBERS(0, 2, 3, 1));
    free_export(&exported);
}

/* top, left, bottom, right: together kernel_size - 1, the odd one down and right, as Keras pads. */
static void same_padding_keeps_the_size_for_every_kernel(void **state)
{
    (void)state;
    static const int64_t before[] = {0, 0, 0, 1, 1, 2, 2, 3}, after[] = {0, 0, 1, 1, 2, 2, 3, 3};
    for (int side = 1; side <= 7; side++) {
        char json[256];
        snprintf(json, sizeof json,
                 "{\"layers\": [{\"type\": \"conv2d\", \"filters\": 1, \"kernel_size\": %d, \"padding\": "
                 "\"same\"}, {\"type\": \"flatten\"}, {\"type\": \"dense\", \"units\": 10, \"activation\": "
                 "\"softmax\"}]}",
                 side);
        struct exported exported = export_of(json);
        assert_numbers(find_node(&exported, "conv2d"), "pads",
                       NUMBERS(before[side], before[side], after[side], after[side]));
        free_export(&exported);
    }
}

static void the_longest_model_fits(void **state)
{
    (void)state;
    char json[MODEL_MAX_LAYERS * 64] = "{\"layers\": [{\"type\": \"flatten\"}";
    for (int i = 1; i < MODEL_MAX_LAYERS; i++)
        strcat(json, i + 1 == MODEL_MAX_LAYERS
                         ? ",{\"type\": \"dense\", \"units\": 10, \"activation\": \"softmax\"}]}"
                         : ",{\"type\": \"dense\", \"units\": 1}");
    struct exported exported = export_of(json);
    assert_int_equal(exported.onnx->graph->n_node, 2 * MODEL_MAX_LAYERS);
    assert_int_equal(exported.onnx->graph->n_initializer, 2 * (MODEL_MAX_LAYERS - 1));
    free_export(&exported);
}

/* ---- Weights ------------------------------------------------------------------------------------- */

/* The engine's tensor of this name. */
static const float *weights_of(const struct model *model, const char *name, struct tensor *ret_tensor)
{
    for (size_t i = 0; network_tensor(&model->network, i, ret_tensor); i++)
        if (strcmp(ret_tensor->name, name) == 0)
            return model->parameters + ret_tensor->offset;
    fail_msg("the model has no %s", name);
    return NULL;
}

static void assert_turned(const struct exported *exported, const char *name)
{
    struct tensor tensor;
    const float *ours = weights_of(exported->model, name, &tensor);
    size_t height = tensor.dimensions[0], width = tensor.dimensions[1], channels = tensor.dimensions[2],
           filters = tensor.dimensions[3];
    const Onnx__TensorProto *theirs = find_tensor(exported, name);
    assert_int_equal(theirs->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    assert_int_equal(theirs->n_dims, 4);
    const int64_t sizes[] = {(int64_t)filters, (int64_t)channels, (int64_t)height, (int64_t)width};
    assert_memory_equal(theirs->dims, sizes, sizeof sizes);
    assert_int_equal(theirs->raw_data.len, tensor.count * sizeof(float));
    const uint8_t *at = theirs->raw_data.data;
    for (size_t filter = 0; filter < filters; filter++)
        for (size_t channel = 0; channel < channels; channel++)
            for (size_t y = 0; y < height; y++)
                for (size_t x = 0; x < width; x++, at += sizeof(float))
                    assert_memory_equal(at, &ours[((y * width + x) * channels + channel) * filters + filter],
                                        sizeof(float));
}

static void convolution_kernels_are_in_onnxs_order(void **state)
{
    (void)state;
    struct exported exported = export_of(MIXED);
    assert_turned(&exported, "conv2d/kernel");
    assert_turned(&exported, "conv2d_1/kernel");
    free_export(&exported);
}

static void other_weights_are_as_they_were(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t rank;
        int64_t sizes[2];
    } expected[] = {
        {"conv2d/bias", 1, {5}},         {"dense/kernel", 2, {343, 20}}, {"dense/bias", 1, {20}},
        {"dense_2/kernel", 2, {12, 10}}, {"dense_2/bias", 1, {10}},
    };
    struct exported exported = export_of(MIXED);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct tensor tensor;
        const float *ours = weights_of(exported.model, expected[i].name, &tensor);
        const Onnx__TensorProto *theirs = find_tensor(&exported, expected[i].name);
        assert_int_equal(theirs->n_dims, expected[i].rank);
        assert_memory_equal(theirs->dims, expected[i].sizes, expected[i].rank * sizeof(int64_t));
        assert_int_equal(theirs->raw_data.len, tensor.count * sizeof(float));
        assert_memory_equal(theirs->raw_data.data, ours, theirs->raw_data.len);
    }
    free_export(&exported);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_says_what_it_is_and_what_made_it),
        cmocka_unit_test(its_metadata_lead_back_to_the_model),
        cmocka_unit_test(a_file_holds_the_same_bytes),
        cmocka_unit_test(a_file_that_cannot_be_written_is_an_error),
        cmocka_unit_test(layers_become_a_chain_of_nodes_and_dropout_none),
        cmocka_unit_test(every_value_has_its_shape),
        cmocka_unit_test(windows_and_axes_are_attributes),
        cmocka_unit_test(same_padding_keeps_the_size_for_every_kernel),
        cmocka_unit_test(the_longest_model_fits),
        cmocka_unit_test(convolution_kernels_are_in_onnxs_order),
        cmocka_unit_test(other_weights_are_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

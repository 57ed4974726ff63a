/* model_spec_from_json and _to_json: the three forms, their defaults, and what is wrong with one, in words. */
#include "tests/engine/problems_check.h"

#include <jansson.h>
#include <stdlib.h>

static enum status read_text(const char *text, struct model_spec *spec, struct problems *problems)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    memset(problems, 0, sizeof *problems);
    enum status status = model_spec_from_json(json, "/model", spec, problems);
    json_decref(json);
    return status;
}

static struct model_spec spec_of(const char *text)
{
    struct model_spec spec = {0};
    struct problems problems;
    enum status status = read_text(text, &spec, &problems);
    assert_no_problem(&problems);
    assert_int_equal(status, OK);
    return spec;
}

static struct problems problems_of(const char *text)
{
    struct model_spec spec = {.count = 77};
    struct problems problems;
    assert_int_equal(read_text(text, &spec, &problems), ERR_ARGUMENT);
    assert_int_equal(spec.count, 77);
    return problems;
}

static void assert_specs_equal(const struct model_spec *a, const struct model_spec *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->layers, b->layers, sizeof a->layers);
}

static struct model_spec preset(const char *name)
{
    struct model_spec spec = {0};
    assert_int_equal(model_spec_preset(name, &spec, NULL), OK);
    return spec;
}

/* ---- The three forms ----------------------------------------------------------------------------- */

static void a_preset_is_read_by_name(void **state)
{
    (void)state;
    struct model_spec spec = spec_of("{\"preset\": \"small\"}"), small = preset("small");
    assert_specs_equal(&spec, &small);
}

static void the_reference_in_layers_is_the_preset(void **state)
{
    (void)state;
    struct model_spec spec =
        spec_of("{\"layers\": ["
                "{\"type\": \"conv2d\", \"filters\": 32, \"kernel_size\": 3, \"padding\": \"same\"},"
                "{\"type\": \"conv2d\", \"filters\": 32, \"kernel_size\": 3},"
                "{\"type\": \"max_pool2d\"},"
                "{\"type\": \"conv2d\", \"filters\": 64, \"kernel_size\": 3, \"padding\": \"same\"},"
                "{\"type\": \"conv2d\", \"filters\": 64, \"kernel_size\": 3, \"padding\": \"valid\"},"
                "{\"type\": \"max_pool2d\", \"pool_size\": 2},"
                "{\"type\": \"flatten\"},"
                "{\"type\": \"dense\", \"units\": 512, \"activation\": \"relu\"},"
                "{\"type\": \"dense\", \"units\": 10, \"activation\": \"softmax\"}]}");
    struct model_spec reference = preset("reference");
    assert_specs_equal(&spec, &reference);
}

static void the_last_dense_layer_is_softmax_by_default_and_the_others_relu(void **state)
{
    (void)state;
    struct model_spec spec = spec_of("{\"layers\": [{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":20},"
                                     "{\"type\":\"dense\",\"units\":10}]}");
    assert_int_equal(spec.layers[1].activation, ACTIVATION_RELU);
    assert_int_equal(spec.layers[2].activation, ACTIVATION_SOFTMAX);
    spec = spec_of("{\"layers\": [{\"type\":\"dense\",\"units\":10,\"activation\":\"tanh\"}]}");
    assert_int_equal(spec.layers[0].activation, ACTIVATION_TANH);
}

static void blocks_without_fields_are_the_reference(void **state)
{
    (void)state;
    struct model_spec spec = spec_of("{\"blocks\": {}}"), reference = preset("reference");
    assert_specs_equal(&spec, &reference);
}

static void blocks_expand_to_conv_same_conv_valid_pool(void **state)
{
    (void)state;
    struct model_spec spec = spec_of("{\"blocks\": {\"conv_blocks\": 3, \"filters\": 48, \"kernel_size\": 2,"
                                     "\"pool_size\": 3, \"dense_layers\": 2, \"dense_units\": 256,"
                                     "\"activation\": \"tanh\"}}");
    assert_int_equal(spec.count, 3 * 3 + 1 + 2 + 1);
    for (size_t i = 0; i < 9; i += 3) {
        struct layer_spec conv = {.kind = LAYER_CONV2D,
                                  .filters = 48,
                                  .kernel_size = 2,
                                  .padding = PADDING_SAME,
                                  .activation = ACTIVATION_TANH};
        struct layer_spec pool = {.kind = LAYER_MAX_POOL2D, .pool_size = 3};
        assert_memory_equal(&spec.layers[i], &conv, sizeof conv);
        conv.padding = PADDING_VALID;
        assert_memory_equal(&spec.layers[i + 1], &conv, sizeof conv);
        assert_memory_equal(&spec.layers[i + 2], &pool, sizeof pool);
    }
    assert_int_equal(spec.layers[9].kind, LAYER_FLATTEN);
    assert_int_equal(spec.layers[11].units, 256);
    assert_int_equal(spec.layers[11].activation, ACTIVATION_TANH);
    assert_int_equal(spec.layers[12].units, 10);
    assert_int_equal(spec.layers[12].activation, ACTIVATION_SOFTMAX);
}

static void filters_may_be_one_a_block(void **state)
{
    (void)state;
    struct model_spec spec = spec_of("{\"blocks\": {\"filters\": [16, 24.0]}}");
    assert_int_equal(spec.layers[0].filters, 16);
    assert_int_equal(spec.layers[1].filters, 16);
    assert_int_equal(spec.layers[3].filters, 24);
    assert_int_equal(spec.layers[4].filters, 24);
}

/* The 64 combinations of the architecture sweep: 40 build, 24 shrink below 1x1 and are refused by layer. */
static void of_the_64_block_combinations_40_build(void **state)
{
    (void)state;
    int built = 0, refused = 0;
    for (int i = 0; i < 64; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "{\"blocks\": {\"conv_blocks\": %d, \"filters\": %d, \"kernel_size\": %d, \"pool_size\": %d,"
                 "\"dense_layers\": %d, \"dense_units\": %d}}",
                 i & 1 ? 3 : 2, i & 2 ? 64 : 32, i & 4 ? 5 : 3, i & 8 ? 3 : 2, i & 16 ? 2 : 1,
                 i & 32 ? 512 : 256);
        struct model_spec spec = spec_of(text);
        struct model_plan plan;
        struct problems problems = {0};
        enum status status = model_plan_create(&spec, "", &plan, &problems);
        built += status == OK;
        refused += status == ERR_SHAPE && strstr(problems.items[0].message, "does not fit into its input");
    }
    assert_int_equal(built, 40);
    assert_int_equal(refused, 24);
}

static void what_is_written_reads_back_equal(void **state)
{
    (void)state;
    struct model_spec specs[] = {
        preset("reference"),
        preset("small"),
        preset("large"),
        spec_of("{\"blocks\": {\"activation\": \"sigmoid\", \"kernel_size\": 5, \"pool_size\": 2}}"),
        spec_of(
            "{\"layers\": [{\"type\":\"dropout\",\"rate\":0.1},{\"type\":\"dropout\",\"rate\":0.123456789},"
            "{\"type\":\"conv2d\",\"filters\":1,\"kernel_size\":1,\"activation\":\"linear\"}]}"),
    };
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        json_t *json = model_spec_to_json(&specs[i]);
        struct model_spec again = {0};
        struct problems problems = {0};
        assert_non_null(json);
        assert_int_equal(model_spec_from_json(json, "", &again, &problems), OK);
        assert_specs_equal(&specs[i], &again);
        json_decref(json);
    }
}

static void written_layers_have_only_the_fields_of_their_kind(void **state)
{
    (void)state;
    struct model_spec spec = preset("large");
    json_t *json = model_spec_to_json(&spec);
    char *text = json_dumps(json_array_get(json_object_get(json, "layers"), 7), JSON_COMPACT);
    assert_string_equal(text, "{\"type\":\"dropout\",\"rate\":0.25}");
    free(text);
    text = json_dumps(json_array_get(json_object_get(json, "layers"), 9),
                      JSON_COMPACT | JSON_REAL_PRECISION(15));
    assert_string_equal(text, "{\"type\":\"dropout\",\"rate\":0.4}");
    free(text);
    text = json_dumps(json_array_get(json_object_get(json, "layers"), 1), JSON_COMPACT);
    assert_string_equal(text, "{\"type\":\"conv2d\",\"filters\":64,\"kernel_size\":3,\"padding\":\"valid\","
                              "\"activation\":\"relu\"}");
    free(text);
    json_decref(json);
}

/* ---- What is refused ----------------------------------------------------------------------------- */

static void exactly_one_form_is_expected(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"preset\":\"small\",\"blocks\":{}}",
        "{\"presets\":\"small\"}",
        "{\"preset\":\"small\",\"x\":1}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct problems problems = problems_of(texts[i]);
        assert_only_problem(&problems, "/model", "exactly one of preset, layers, blocks");
    }
    struct problems problems = problems_of("\"small\"");
    assert_only_problem(&problems, "/model", "found a string \"small\"");
}

static void unknown_presets_are_refused(void **state)
{
    (void)state;
    struct problems problems = problems_of("{\"preset\":\"huge\"}");
    assert_only_problem(&problems, "/model/preset", "there are: reference, reference_dropout, small, large");
    problems = problems_of("{\"preset\":7}");
    assert_only_problem(&problems, "/model/preset", "expected a name, found 7");
}

static void layers_must_be_a_list_of_1_to_32(void **state)
{
    (void)state;
    struct problems problems = problems_of("{\"layers\":{}}");
    assert_only_problem(&problems, "/model/layers", "expected a list of 1 to 32 layers, found an object");
    problems = problems_of("{\"layers\":[]}");
    assert_only_problem(&problems, "/model/layers", "found a list of 0");

    char text[2048] = "{\"layers\":[{\"type\":\"flatten\"}";
    for (int i = 0; i < 32; i++)
        strcat(text, ",{\"type\":\"flatten\"}");
    strcat(text, "]}");
    problems = problems_of(text);
    assert_only_problem(&problems, "/model/layers", "found a list of 33");
}

static void every_problem_of_every_layer_is_reported_at_once(void **state)
{
    (void)state;
    struct problems problems = problems_of(
        "{\"layers\":[{\"type\":\"conv3d\"},{\"filters\":3},7,"
        "{\"type\":\"conv2d\",\"filters\":513,\"kernel\":3,\"padding\":\"full\"},"
        "{\"type\":\"max_pool2d\",\"pool_size\":2.5},{\"type\":\"dropout\",\"rate\":0.99999999999},"
        "{\"type\":\"dense\",\"units\":\"10\",\"activation\":\"gelu\"}]}");
    assert_int_equal(problems.count, 11);
    assert_problem(&problems, "/model/layers/0/type",
                   "expected one of conv2d, max_pool2d, flatten, dropout, dense, found a string \"conv3d\"");
    assert_problem(&problems, "/model/layers/1/type", "found nothing");
    assert_problem(&problems, "/model/layers/2", "expected a layer, an object with a type, found 7");
    assert_problem(&problems, "/model/layers/3/filters", "found 513");
    assert_problem(&problems, "/model/layers/3/kernel",
                   "unknown field; known here: type, filters, kernel_size");
    assert_problem(&problems, "/model/layers/3/padding", "expected one of valid, same");
    assert_problem(&problems, "/model/layers/3/kernel_size", "from 1 to 7, found nothing");
    assert_problem(&problems, "/model/layers/4/pool_size", "found 2.5");
    assert_problem(&problems, "/model/layers/5/rate", "below 1");
    assert_problem(&problems, "/model/layers/6/units", "found a string \"10\"");
    assert_problem(&problems, "/model/layers/6/activation", "linear, relu, sigmoid, tanh, softmax");
}

static void a_field_of_another_kind_is_unknown(void **state)
{
    (void)state;
    struct problems problems = problems_of("{\"layers\":[{\"type\":\"flatten\",\"units\":10}]}");
    assert_only_problem(&problems, "/model/layers/0/units", "unknown field; known here: type");
}

static void problems_of_blocks_are_reported_at_once(void **state)
{
    (void)state;
    struct problems problems = problems_of("{\"blocks\":{\"conv_blocks\":7,\"kernel_size\":0,\"depth\":3,"
                                           "\"filters\":[16,\"x\"]}}");
    assert_int_equal(problems.count, 4);
    assert_problem(&problems, "/model/blocks/conv_blocks", "from 1 to 6, found 7");
    assert_problem(&problems, "/model/blocks/kernel_size", "found 0");
    assert_problem(&problems, "/model/blocks/depth", "unknown field");
    assert_problem(&problems, "/model/blocks/filters/1",
                   "expected a whole number from 1 to 512, found a string");
    problems = problems_of("{\"blocks\":{\"conv_blocks\":3,\"filters\":[16,32]}}");
    assert_only_problem(&problems, "/model/blocks/filters", "expected one number or 3, one a block");
    problems = problems_of("{\"blocks\":{\"filters\":\"many\"}}");
    assert_only_problem(&problems, "/model/blocks/filters", "found a string \"many\"");
    problems = problems_of("{\"blocks\":[]}");
    assert_only_problem(&problems, "/model/blocks", "expected an object, found an array");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_preset_is_read_by_name),
        cmocka_unit_test(the_reference_in_layers_is_the_preset),
        cmocka_unit_test(the_last_dense_layer_is_softmax_by_default_and_the_others_relu),
        cmocka_unit_test(blocks_without_fields_are_the_reference),
        cmocka_unit_test(blocks_expand_to_conv_same_conv_valid_pool),
        cmocka_unit_test(filters_may_be_one_a_block),
        cmocka_unit_test(of_the_64_block_combinations_40_build),
        cmocka_unit_test(what_is_written_reads_back_equal),
        cmocka_unit_test(written_layers_have_only_the_fields_of_their_kind),
        cmocka_unit_test(exactly_one_form_is_expected),
        cmocka_unit_test(unknown_presets_are_refused),
        cmocka_unit_test(layers_must_be_a_list_of_1_to_32),
        cmocka_unit_test(every_problem_of_every_layer_is_reported_at_once),
        cmocka_unit_test(a_field_of_another_kind_is_unknown),
        cmocka_unit_test(problems_of_blocks_are_reported_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* model_plan_create and the presets: shapes, names, parameters, and every spec that must be refused. */
#include "tests/engine/problems_check.h"

#include <math.h>

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
#define DROPOUT(r)                                                                                           \
    {                                                                                                        \
        .kind = LAYER_DROPOUT, .rate = r                                                                     \
    }
#define DENSE(count)                                                                                         \
    {                                                                                                        \
        .kind = LAYER_DENSE, .units = count, .activation = ACTIVATION_RELU                                   \
    }
#define OUTPUT                                                                                               \
    {                                                                                                        \
        .kind = LAYER_DENSE, .units = 10, .activation = ACTIVATION_SOFTMAX                                   \
    }
#define SPEC(...)                                                                                            \
    (struct model_spec)                                                                                      \
    {                                                                                                        \
        .count = sizeof((struct layer_spec[]){__VA_ARGS__}) / sizeof(struct layer_spec),                     \
        .layers = {__VA_ARGS__},                                                                             \
    }

static struct model_plan plan_of(struct model_spec spec)
{
    struct model_plan plan = {0};
    struct problems problems = {0};
    enum status status = model_plan_create(&spec, "", &plan, &problems);
    assert_no_problem(&problems);
    assert_int_equal(status, OK);
    return plan;
}

static struct problems problems_of(struct model_spec spec, enum status expected)
{
    struct model_plan plan = {.parameters = 12345};
    struct problems problems = {0};
    assert_int_equal(model_plan_create(&spec, "/model", &plan, &problems), expected);
    assert_int_equal(plan.parameters, 12345);
    return problems;
}

static struct model_plan preset_plan(const char *name)
{
    struct model_spec spec = {0};
    assert_int_equal(model_spec_preset(name, &spec, NULL), OK);
    return plan_of(spec);
}

static void assert_shape(struct shape shape, int height, int width, int channels)
{
    assert_int_equal(shape.height, height);
    assert_int_equal(shape.width, width);
    assert_int_equal(shape.channels, channels);
}

/* ---- What is right ------------------------------------------------------------------------------ */

static void reference_has_889834_parameters(void **state)
{
    (void)state;
    struct model_plan plan = preset_plan("reference");
    assert_int_equal(plan.parameters, 889834);
    assert_true(plan.multiply_adds == 14855680);
}

/* The numbers that Keras's model.summary() prints for the same layers. */
static void reference_layers_are_those_of_keras(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int height, width, channels;
        size_t parameters;
    } rows[] = {
        {"conv2d", 28, 28, 32, 320},     {"conv2d_1", 26, 26, 32, 9248},  {"max_pooling2d", 13, 13, 32, 0},
        {"conv2d_2", 13, 13, 64, 18496}, {"conv2d_3", 11, 11, 64, 36928}, {"max_pooling2d_1", 5, 5, 64, 0},
        {"flatten", 1, 1, 1600, 0},      {"dense", 1, 1, 512, 819712},    {"dense_1", 1, 1, 10, 5130},
    };
    struct model_plan plan = preset_plan("reference");
    assert_int_equal(plan.spec.count, sizeof rows / sizeof *rows);
    for (size_t i = 0; i < plan.spec.count; i++) {
        assert_string_equal(plan.layers[i].name, rows[i].name);
        assert_shape(plan.layers[i].output, rows[i].height, rows[i].width, rows[i].channels);
        assert_int_equal(plan.layers[i].weights + plan.layers[i].biases, rows[i].parameters);
    }
}

static void every_layers_input_is_its_predecessors_output(void **state)
{
    (void)state;
    for (size_t p = 0; model_preset_name(p); p++) {
        struct model_plan plan = preset_plan(model_preset_name(p));
        assert_shape(plan.layers[0].input, 28, 28, 1);
        for (size_t i = 1; i < plan.spec.count; i++)
            assert_memory_equal(&plan.layers[i].input, &plan.layers[i - 1].output, sizeof(struct shape));
    }
}

static void presets_are_listed_and_sized_as_their_names_say(void **state)
{
    (void)state;
    assert_string_equal(model_preset_name(0), "reference");
    assert_string_equal(model_preset_name(1), "reference_dropout");
    assert_string_equal(model_preset_name(2), "small");
    assert_string_equal(model_preset_name(3), "large");
    assert_null(model_preset_name(4));
    assert_int_equal(preset_plan("reference_dropout").parameters, 889834);
    assert_int_equal(preset_plan("small").parameters, 55338);
    assert_int_equal(preset_plan("large").parameters, 1903050);
}

static void an_unknown_preset_names_the_known_ones(void **state)
{
    (void)state;
    struct model_spec spec = {.count = 77};
    struct error err;
    assert_int_equal(model_spec_preset("huge", &spec, &err), ERR_NOT_FOUND);
    assert_string_equal(
        err.message, "no preset is called \"huge\"; there are: reference, reference_dropout, small, large");
    assert_int_equal(spec.count, 77);
}

static void same_padding_keeps_the_side_for_even_kernels_too(void **state)
{
    (void)state;
    struct model_plan plan =
        plan_of(SPEC(CONV(4, 4, PADDING_SAME), CONV(4, 2, PADDING_VALID), FLATTEN, OUTPUT));
    assert_shape(plan.layers[0].output, 28, 28, 4);
    assert_shape(plan.layers[1].output, 27, 27, 4);
}

static void pooling_drops_the_rest_of_a_side(void **state)
{
    (void)state;
    struct model_plan plan = plan_of(SPEC(POOL(3), POOL(4), FLATTEN, OUTPUT));
    assert_shape(plan.layers[0].output, 9, 9, 1);
    assert_shape(plan.layers[1].output, 2, 2, 1);
}

static void dropout_keeps_the_shape_anywhere(void **state)
{
    (void)state;
    struct model_plan plan =
        plan_of(SPEC(DROPOUT(0.1f), POOL(2), DROPOUT(0.0f), FLATTEN, DROPOUT(0.99f), OUTPUT));
    assert_shape(plan.layers[2].output, 14, 14, 1);
    assert_shape(plan.layers[4].output, 1, 1, 196);
    assert_string_equal(plan.layers[4].name, "dropout_2");
}

static void the_smallest_model_is_a_softmax_regression(void **state)
{
    (void)state;
    assert_int_equal(plan_of(SPEC(FLATTEN, OUTPUT)).parameters, 7850);
}

static void the_largest_dense_layer_does_not_overflow(void **state)
{
    (void)state;
    struct model_plan plan = plan_of(SPEC(CONV(512, 7, PADDING_SAME), FLATTEN, DENSE(4096), OUTPUT));
    assert_true(plan.layers[2].weights == (size_t)28 * 28 * 512 * 4096);
}

/* ---- What is refused ----------------------------------------------------------------------------- */

static void a_window_larger_than_its_input_is_refused_with_name_and_shape(void **state)
{
    (void)state;
    struct problems problems =
        problems_of(SPEC(POOL(4), POOL(2), CONV(8, 5, PADDING_VALID), FLATTEN, OUTPUT), ERR_SHAPE);
    assert_only_problem(&problems, "/model/layers/2/kernel_size",
                        "conv2d: a 5x5 kernel does not fit into its input, 3x3x1");
    problems = problems_of(SPEC(POOL(4), POOL(4), POOL(2), FLATTEN, OUTPUT), ERR_SHAPE);
    assert_only_problem(&problems, "/model/layers/2/pool_size",
                        "max_pooling2d_2: a 2x2 pool does not fit into its input, 1x1x1");
}

static void the_last_layer_must_be_dense_10_softmax(void **state)
{
    (void)state;
    struct problems problems = problems_of(SPEC(FLATTEN, DENSE(11)), ERR_SHAPE);
    assert_int_equal(problems.count, 2);
    assert_problem(&problems, "/model/layers/1/units", "must have 10 units, one a digit, not 11");
    assert_problem(&problems, "/model/layers/1/activation", "must be softmax");
    problems = problems_of(SPEC(FLATTEN, OUTPUT, DROPOUT(0.5f)), ERR_SHAPE);
    assert_problem(&problems, "/model/layers/2/type", "the last layer must be dense");
    problems = problems_of(SPEC(CONV(10, 3, PADDING_SAME)), ERR_SHAPE);
    assert_only_problem(&problems, "/model/layers/0/type", "the last layer must be dense");
}

static void softmax_is_refused_before_the_last_layer(void **state)
{
    (void)state;
    struct problems problems = problems_of(SPEC(FLATTEN, OUTPUT, OUTPUT), ERR_SHAPE);
    assert_only_problem(&problems, "/model/layers/1/activation",
                        "dense: softmax belongs to the last layer only");
}

static void dense_needs_flatten_and_image_layers_must_precede_it(void **state)
{
    (void)state;
    struct problems problems = problems_of(SPEC(CONV(4, 3, PADDING_SAME), OUTPUT), ERR_SHAPE);
    assert_only_problem(&problems, "/model/layers/1/type", "flatten must come before it");
    problems = problems_of(SPEC(DENSE(20), DENSE(20), OUTPUT), ERR_SHAPE);
    assert_only_problem(&problems, "/model/layers/0/type", "flatten must come before it");
    problems = problems_of(SPEC(FLATTEN, CONV(4, 1, PADDING_SAME), POOL(2), FLATTEN, OUTPUT), ERR_SHAPE);
    assert_int_equal(problems.count, 3);
    assert_problem(&problems, "/model/layers/1/type", "conv2d: its input is flattened already");
    assert_problem(&problems, "/model/layers/2/type", "max_pooling2d: its input is flattened already");
    assert_problem(&problems, "/model/layers/3/type", "flatten_1: its input is flattened already");
}

static void every_field_out_of_range_is_reported_at_once(void **state)
{
    (void)state;
    struct problems problems = problems_of(
        SPEC(CONV(0, 8, PADDING_SAME), POOL(5), DROPOUT(1.0f), DROPOUT(NAN), FLATTEN, DENSE(4097), OUTPUT),
        ERR_ARGUMENT);
    assert_int_equal(problems.count, 6);
    assert_problem(&problems, "/model/layers/0/filters", "expected a whole number from 1 to 512, found 0");
    assert_problem(&problems, "/model/layers/0/kernel_size", "expected a whole number from 1 to 7, found 8");
    assert_problem(&problems, "/model/layers/1/pool_size", "expected a whole number from 2 to 4, found 5");
    assert_problem(&problems, "/model/layers/2/rate", "expected a number from 0 and below 1, found 1");
    assert_problem(&problems, "/model/layers/3/rate", "found nan");
    assert_problem(&problems, "/model/layers/5/units", "expected a whole number from 1 to 4096, found 4097");
}

static void a_spec_of_no_or_too_many_layers_is_refused(void **state)
{
    (void)state;
    struct problems problems = problems_of((struct model_spec){.count = 0}, ERR_ARGUMENT);
    assert_only_problem(&problems, "/model/layers", "1 to 32 layers, not 0");
    problems = problems_of((struct model_spec){.count = 33}, ERR_ARGUMENT);
    assert_only_problem(&problems, "/model/layers", "1 to 32 layers, not 33");
}

static void numbers_that_are_no_kind_or_activation_are_refused(void **state)
{
    (void)state;
    struct problems problems = problems_of(SPEC({.kind = (enum layer_kind)9}, FLATTEN,
                                                {.kind = LAYER_DENSE, .units = 4, .activation = 99}, OUTPUT),
                                           ERR_ARGUMENT);
    assert_int_equal(problems.count, 2);
    assert_problem(&problems, "/model/layers/0/type", "no such kind");
    assert_problem(&problems, "/model/layers/2/activation", "found number 99");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_has_889834_parameters),
        cmocka_unit_test(reference_layers_are_those_of_keras),
        cmocka_unit_test(every_layers_input_is_its_predecessors_output),
        cmocka_unit_test(presets_are_listed_and_sized_as_their_names_say),
        cmocka_unit_test(an_unknown_preset_names_the_known_ones),
        cmocka_unit_test(same_padding_keeps_the_side_for_even_kernels_too),
        cmocka_unit_test(pooling_drops_the_rest_of_a_side),
        cmocka_unit_test(dropout_keeps_the_shape_anywhere),
        cmocka_unit_test(the_smallest_model_is_a_softmax_regression),
        cmocka_unit_test(the_largest_dense_layer_does_not_overflow),
        cmocka_unit_test(a_window_larger_than_its_input_is_refused_with_name_and_shape),
        cmocka_unit_test(the_last_layer_must_be_dense_10_softmax),
        cmocka_unit_test(softmax_is_refused_before_the_last_layer),
        cmocka_unit_test(dense_needs_flatten_and_image_layers_must_precede_it),
        cmocka_unit_test(every_field_out_of_range_is_reported_at_once),
        cmocka_unit_test(a_spec_of_no_or_too_many_layers_is_refused),
        cmocka_unit_test(numbers_that_are_no_kind_or_activation_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

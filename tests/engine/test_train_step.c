/* The gradient of whole networks against their double-precision twin, and the twin against numeric differences. */
#include "engine/alloc.h"
#include "engine/rng.h"
#include "engine/train_step.h"
#include "tests/engine/check.h"
#include "tests/engine/naive.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define OUTPUT  "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}"
#define FLATTEN "{\"type\":\"flatten\"}"

static const char *const models[] = {
    /* every convolution, pool and activation; odd sizes; pools alone, fused, first; padding of channels */
    "{\"preset\":\"small\"}",
    "{\"layers\":[{\"type\":\"conv2d\",\"filters\":6,\"kernel_size\":5,\"activation\":\"tanh\"},"
    "{\"type\":\"max_pool2d\",\"pool_size\":3},{\"type\":\"conv2d\",\"filters\":10,\"kernel_size\":3,"
    "\"padding\":\"same\",\"activation\":\"sigmoid\"}," FLATTEN
    ",{\"type\":\"dense\",\"units\":20,\"activation\":"
    "\"tanh\"}," OUTPUT "]}",
    "{\"layers\":[{\"type\":\"max_pool2d\",\"pool_size\":2},{\"type\":\"conv2d\",\"filters\":5,\"kernel_"
    "size\":4,"
    "\"padding\":\"same\"},{\"type\":\"max_pool2d\",\"pool_size\":2},{\"type\":\"max_pool2d\",\"pool_size\":"
    "2},"
    "{\"type\":\"conv2d\",\"filters\":16,\"kernel_size\":2,\"activation\":\"sigmoid\"}," FLATTEN "," OUTPUT
    "]}",
    "{\"layers\":[{\"type\":\"conv2d\",\"filters\":16,\"kernel_size\":3},{\"type\":\"max_pool2d\",\"pool_"
    "size\":4},"
    "{\"type\":\"conv2d\",\"filters\":32,\"kernel_size\":5,\"padding\":\"same\",\"activation\":\"tanh\"},"
    "{\"type\":\"max_pool2d\",\"pool_size\":2},{\"type\":\"conv2d\",\"filters\":4,\"kernel_size\":1}," FLATTEN
    "," OUTPUT "]}",
    "{\"layers\":[" FLATTEN
    ",{\"type\":\"dense\",\"units\":33,\"activation\":\"sigmoid\"},{\"type\":\"dense\","
    "\"units\":17,\"activation\":\"linear\"}," OUTPUT "]}",
};

enum { BATCH = 11 };

/* A network with weights, biases too, and a batch for it. */
struct bench {
    struct network network;
    struct thread_team *team;
    struct dataset *data;
    struct train_state state;
    struct train_step *step;
    uint32_t order[BATCH];
    struct train_batch batch;
    double *parameters, *images; /* the same for the twin */
    uint8_t labels[BATCH];
};

static void set_up(struct bench *bench, const char *json, int threads)
{
    struct model_plan plan = plan_from_json(json);
    *bench = (struct bench){.team = team_of(threads), .data = bars_dataset(2 * BATCH)};
    network_create(&plan, true, &bench->network);
    const struct network *network = &bench->network;
    bench->state = (struct train_state){.weights = aligned_new(network->parameters, sizeof(float)),
                                        .moment_1 = aligned_new(network->parameters, sizeof(float)),
                                        .moment_2 = aligned_new(network->parameters, sizeof(float)),
                                        .prepared = aligned_new(network->prepared, sizeof(float))};
    network_initialise(network, 5, bench->state.weights);
    struct tensor tensor;
    for (size_t i = 0; network_tensor(network, i, &tensor); i++)
        if (tensor.rank == 1) {
            struct rng rng = rng_at(6, RNG_INITIALISE, (unsigned)i, 0);
            rng_fill_uniform(&rng, 0.1f, bench->state.weights + tensor.offset, tensor.count);
        }
    assert_int_equal(train_step_create(network, BATCH, bench->team, &bench->step, NULL), OK);
    train_step_prepare(bench->step, &bench->state);
    bench->parameters = calloc(network->parameters, sizeof(double));
    bench->images = calloc(BATCH * IMAGE_PIXELS, sizeof(double));
    for (size_t i = 0; i < network->parameters; i++)
        bench->parameters[i] = (double)bench->state.weights[i];
    for (uint32_t i = 0; i < BATCH; i++) {
        bench->order[i] = 2 * i + 1;
        bench->labels[i] = (uint8_t)dataset_label(bench->data, bench->order[i]);
        for (size_t j = 0; j < IMAGE_PIXELS; j++)
            bench->images[i * IMAGE_PIXELS + j] = dataset_image(bench->data, bench->order[i])[j] / 255.0;
    }
    bench->batch = (struct train_batch){
        .data = bench->data, .order = bench->order, .count = BATCH, .seed = 1, .epoch = 1};
}

static void tear_down(struct bench *bench)
{
    train_step_free(bench->step);
    free(bench->state.weights);
    free(bench->state.moment_1);
    free(bench->state.moment_2);
    free(bench->state.prepared);
    free(bench->parameters);
    free(bench->images);
    dataset_unref(bench->data);
    thread_team_free(bench->team);
}

static void gradients_are_those_of_the_double_precision_twin(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct bench bench;
        set_up(&bench, models[m], 2);
        double *expected = calloc(bench.network.parameters, sizeof *expected);
        double loss =
            naive_loss(&bench.network, bench.parameters, bench.images, bench.labels, BATCH, expected);
        struct loss_sum sum;
        assert_true(train_step_gradient(bench.step, &bench.state, &bench.batch, &sum));
        assert_true(fabs(sum.loss / BATCH - loss) <= 1e-5 * loss);
        struct tensor tensor;
        for (size_t i = 0; network_tensor(&bench.network, i, &tensor); i++) {
            char what[80];
            snprintf(what, sizeof what, "model %zu, %s", m, tensor.name);
            assert_close(what, train_step_gradients(bench.step) + tensor.offset, expected + tensor.offset,
                         tensor.count, 1e-4);
        }
        free(expected);
        tear_down(&bench);
    }
}

/* The twin's own gradient: a few weights of each tensor moved a little either way. */
static void the_twin_agrees_with_numeric_differences(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct bench bench;
        set_up(&bench, models[m], 1);
        double *gradients = calloc(bench.network.parameters, sizeof *gradients);
        naive_loss(&bench.network, bench.parameters, bench.images, bench.labels, 3, gradients);
        struct tensor tensor;
        for (size_t i = 0; network_tensor(&bench.network, i, &tensor); i++)
            for (size_t j = 0; j < 4; j++) {
                size_t at = tensor.offset + tensor.count * j / 4;
                double keep = bench.parameters[at], step = 1e-6;
                bench.parameters[at] = keep + step;
                double above =
                    naive_loss(&bench.network, bench.parameters, bench.images, bench.labels, 3, NULL);
                bench.parameters[at] = keep - step;
                double below =
                    naive_loss(&bench.network, bench.parameters, bench.images, bench.labels, 3, NULL);
                bench.parameters[at] = keep;
                double numeric = (above - below) / (2 * step);
                if (fabs(numeric - gradients[at]) > 1e-6 + 1e-5 * fabs(numeric))
                    fail_msg("model %zu, %s[%zu]: %.9g by differences, %.9g by the twin", m, tensor.name,
                             at - tensor.offset, numeric, gradients[at]);
            }
        free(gradients);
        tear_down(&bench);
    }
}

static void threads_never_change_a_bit_of_the_gradient(void **state)
{
    (void)state;
    float *first = NULL;
    for (int threads = 1; threads <= 4; threads++) {
        struct bench bench;
        struct loss_sum sum;
        set_up(&bench, "{\"preset\":\"large\"}", threads);
        assert_true(train_step_gradient(bench.step, &bench.state, &bench.batch, &sum));
        size_t bytes = bench.network.parameters * sizeof(float);
        if (!first) {
            first = malloc(bytes);
            memcpy(first, train_step_gradients(bench.step), bytes);
        }
        assert_memory_equal(first, train_step_gradients(bench.step), bytes);
        tear_down(&bench);
    }
    free(first);
}

static void a_weight_that_is_not_finite_is_noticed(void **state)
{
    (void)state;
    struct bench bench;
    struct loss_sum sum;
    set_up(&bench, models[0], 2);
    struct tensor tensor;
    for (size_t i = 0; network_tensor(&bench.network, i, &tensor); i++) {
        float keep = bench.state.weights[tensor.offset];
        bench.state.weights[tensor.offset] = NAN;
        train_step_prepare(bench.step, &bench.state);
        assert_false(train_step_gradient(bench.step, &bench.state, &bench.batch, &sum));
        bench.state.weights[tensor.offset] = keep;
        train_step_prepare(bench.step, &bench.state);
        assert_true(train_step_gradient(bench.step, &bench.state, &bench.batch, &sum));
    }
    tear_down(&bench);
}

/* The mean over many masks of a dropped-out value is the value; masks differ by image and epoch, not by call. */
static void dropout_keeps_the_mean_and_repeats_itself(void **state)
{
    (void)state;
    struct model_plan plan =
        plan_from_json("{\"layers\":[" FLATTEN ",{\"type\":\"dropout\",\"rate\":0.25}," OUTPUT "]}");
    struct network network;
    network_create(&plan, true, &network);
    const struct stage *stage = &network.stages[0];
    assert_int_equal(stage->kind, LAYER_DROPOUT);
    struct stage_context context = {.network = &network, .seed = 1, .epoch = 1};
    float x[IMAGE_PIXELS], y[IMAGE_PIXELS], again[IMAGE_PIXELS];
    for (int i = 0; i < IMAGE_PIXELS; i++)
        x[i] = 1.0f;
    double sum = 0;
    size_t zeros = 0;
    for (uint64_t image = 0; image < 100; image++) {
        dropout_row(&context, stage, image, x, y);
        dropout_row(&context, stage, image, x, again);
        assert_memory_equal(y, again, sizeof y);
        for (int i = 0; i < IMAGE_PIXELS; i++) {
            sum += (double)y[i];
            zeros += y[i] == 0.0f;
        }
    }
    assert_true(fabs(sum / (100 * IMAGE_PIXELS) - 1) < 0.02);
    assert_true(fabs((double)zeros / (100 * IMAGE_PIXELS) - 0.25) < 0.02);
    dropout_row(&context, stage, 0, x, y);
    context.epoch = 2;
    dropout_row(&context, stage, 0, x, again);
    assert_memory_not_equal(y, again, sizeof y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_double_precision_twin),
        cmocka_unit_test(the_twin_agrees_with_numeric_differences),
        cmocka_unit_test(threads_never_change_a_bit_of_the_gradient),
        cmocka_unit_test(a_weight_that_is_not_finite_is_noticed),
        cmocka_unit_test(dropout_keeps_the_mean_and_repeats_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

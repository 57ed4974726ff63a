/* Explanations: the gradient of the image is that of finite differences, whatever the layers; saliency adds up; feature
 * maps are those of the layers. */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>

/* Smooth activations throughout, so that differences are gradients; kernels for each algorithm; a first layer of each kind. */
static const char *const models[] = {
    "{\"layers\":[{\"type\":\"conv2d\",\"filters\":7,\"kernel_size\":3,\"padding\":\"same\",\"activation\":"
    "\"tanh\"},"
    "{\"type\":\"conv2d\",\"filters\":5,\"kernel_size\":3,\"activation\":\"tanh\"},{\"type\":\"max_pool2d\","
    "\"pool_size\":2},"
    "{\"type\":\"conv2d\",\"filters\":16,\"kernel_size\":4,\"activation\":\"sigmoid\"},{\"type\":\"dropout\","
    "\"rate\":0.3},"
    "{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":20,\"activation\":\"tanh\"},{\"type\":\"dropout\","
    "\"rate\":0.5},"
    "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}",
    "{\"layers\":[{\"type\":\"conv2d\",\"filters\":6,\"kernel_size\":5,\"activation\":\"tanh\"},"
    "{\"type\":\"max_pool2d\",\"pool_size\":3},{\"type\":\"flatten\"},"
    "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}",
    "{\"layers\":[{\"type\":\"max_pool2d\",\"pool_size\":2},{\"type\":\"dropout\",\"rate\":0.1},{\"type\":"
    "\"flatten\"},"
    "{\"type\":\"dense\",\"units\":12,\"activation\":\"sigmoid\"},{\"type\":\"dense\",\"units\":10,"
    "\"activation\":\"softmax\"}]}",
    "{\"layers\":[{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}",
};
#define MODELS (sizeof models / sizeof *models)

static struct model *make_model(const char *text)
{
    struct model_spec spec;
    struct model_plan plan;
    struct model *model;
    struct problems problems = {0};
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_int_equal(model_spec_from_json(json, "", &spec, &problems), OK);
    json_decref(json);
    assert_int_equal(model_plan_create(&spec, "", &plan, &problems), OK);
    assert_int_equal(model_create(&plan, 3, &model, NULL), OK);
    return model;
}

/* No two pixels alike, so that a small change moves no maximum. */
static void make_image(float image[IMAGE_PIXELS])
{
    for (int i = 0; i < IMAGE_PIXELS; i++)
        image[i] = (float)(i * 331 % IMAGE_PIXELS) / IMAGE_PIXELS;
}

static double logit(const struct model *model, const float image[IMAGE_PIXELS], int digit)
{
    struct explanation *explanation;
    assert_int_equal(explanation_create(model, image, &explanation, NULL), OK);
    double value = (double)explanation->logits[digit];
    explanation_free(explanation);
    return value;
}

static void gradient_is_that_of_finite_differences(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODELS; m++) {
        struct model *model = make_model(models[m]);
        struct explanation *explanation;
        float image[IMAGE_PIXELS];
        const float step = 2e-3F;
        make_image(image);
        assert_int_equal(explanation_create(model, image, &explanation, NULL), OK);
        float largest = 0;
        for (int i = 0; i < IMAGE_PIXELS; i++)
            largest = fmaxf(largest, fabsf(explanation->gradient[i]));
        assert_true(largest > 1e-4F);
        for (int i = 0; i < IMAGE_PIXELS; i += i % 28 == 0 ? 27 : 53) {
            float level = image[i];
            image[i] = level + step;
            double above = logit(model, image, explanation->digit);
            image[i] = level - step;
            double below = logit(model, image, explanation->digit);
            image[i] = level;
            double slope = (above - below) / (2 * (double)step), found = (double)explanation->gradient[i];
            if (fabs(slope - found) > 0.02 * (double)largest)
                fail_msg("model %zu, pixel %d: %g, by differences %g", m, i, found, slope);
        }
        explanation_free(explanation);
        model_unref(model);
    }
}

static void saliency_adds_up_to_the_logit(void **state)
{
    (void)state;
    const float black[IMAGE_PIXELS] = {0};
    for (size_t m = 0; m < MODELS; m++) {
        struct model *model = make_model(models[m]);
        struct explanation *explanation;
        float image[IMAGE_PIXELS];
        make_image(image);
        assert_int_equal(explanation_create(model, image, &explanation, NULL), OK);
        double sum = 0, wanted = (double)explanation->logits[explanation->digit] -
                                 logit(model, black, explanation->digit);
        for (int i = 0; i < IMAGE_PIXELS; i++)
            sum += (double)explanation->saliency[i];
        if (fabs(sum - wanted) > 0.02 * fmax(0.2, fabs(wanted)))
            fail_msg("model %zu: %g, not %g", m, sum, wanted);
        explanation_free(explanation);
        model_unref(model);
    }
}

static void answers_and_maps_are_the_models(void **state)
{
    (void)state;
    struct model *model = make_model(models[0]);
    const struct model_plan *plan = model_plan_of(model);
    struct explanation *explanation;
    struct predictor *predictor;
    float image[IMAGE_PIXELS], probabilities[CLASSES];
    make_image(image);
    assert_int_equal(explanation_create(model, image, &explanation, NULL), OK);
    assert_int_equal(predictor_create(model, 1, &predictor, NULL), OK);
    predictor_run(predictor, image, 1, probabilities);
    for (int i = 0; i < CLASSES; i++)
        assert_true(fabsf(probabilities[i] - explanation->probabilities[i]) < 1e-5F);

    static const size_t layers[] = {0, 1, 2, 3, 6, 8};
    assert_int_equal(explanation->count, sizeof layers / sizeof *layers);
    for (size_t i = 0; i < explanation->count; i++) {
        assert_int_equal(explanation->layers[i].layer, layers[i]);
        assert_memory_equal(&explanation->layers[i].shape, &plan->layers[layers[i]].output,
                            sizeof(struct shape));
    }
    const struct feature_maps *conv = &explanation->layers[1], *pool = &explanation->layers[2];
    int side = conv->shape.height;
    for (int c = 0; c < conv->shape.channels;
         c++) { /* the pool's first value is the largest of the conv's first four */
        const float *map = conv->values + (size_t)c * (size_t)side * (size_t)side;
        float most = fmaxf(fmaxf(map[0], map[1]), fmaxf(map[side], map[side + 1]));
        assert_true(
            fabsf(most - pool->values[(size_t)c * (size_t)pool->shape.height * (size_t)pool->shape.width]) <
            1e-6F);
    }
    predictor_free(predictor);
    explanation_free(explanation);
    model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_is_that_of_finite_differences),
        cmocka_unit_test(saliency_adds_up_to_the_logit),
        cmocka_unit_test(answers_and_maps_are_the_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

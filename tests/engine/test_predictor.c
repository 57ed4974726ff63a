/* Prediction and evaluation of a model, against the double-precision twin and against each other. */
#include "engine/model.h"
#include "tests/engine/check.h"
#include "tests/engine/naive.h"

#include <math.h>
#include <string.h>

enum { COUNT = 70 };

static struct model *model_of(const char *json)
{
    struct model_plan plan = plan_from_json(json);
    struct model *model = NULL;
    assert_int_equal(model_create(&plan, 11, &model, NULL), OK);
    return model;
}

static float *pixels_of(const struct dataset *data)
{
    float *images = calloc(dataset_count(data) * IMAGE_PIXELS, sizeof *images);
    for (size_t i = 0; i < dataset_count(data) * IMAGE_PIXELS; i++)
        images[i] = (float)dataset_image(data, i / IMAGE_PIXELS)[i % IMAGE_PIXELS] / 255.0f;
    return images;
}

static const char *const models[] = {
    "{\"preset\":\"small\"}", "{\"preset\":\"large\"}",
    ("{\"layers\":[{\"type\":\"max_pool2d\",\"pool_size\":2},{\"type\":\"flatten\"},"
     "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}")};

static void probabilities_are_those_of_the_twin(void **state)
{
    (void)state;
    struct dataset *data = bars_dataset(3);
    float *images = pixels_of(data);
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct model *model = model_of(models[m]);
        struct predictor *predictor = NULL;
        float probabilities[3][CLASSES];
        assert_int_equal(predictor_create(model, 3, &predictor, NULL), OK);
        predictor_run(predictor, images, 3, &probabilities[0][0]);
        double *parameters = calloc(model->network.parameters, sizeof *parameters), pixels[IMAGE_PIXELS];
        for (size_t i = 0; i < model->network.parameters; i++)
            parameters[i] = (double)model->parameters[i];
        for (size_t i = 0; i < 3; i++) {
            double sum = 0;
            for (size_t j = 0; j < IMAGE_PIXELS; j++)
                pixels[j] = (double)images[i * IMAGE_PIXELS + j];
            for (uint8_t label = 0; label < CLASSES; label++) {
                double expected = exp(-naive_loss(&model->network, parameters, pixels, &label, 1, NULL));
                assert_true(fabs((double)probabilities[i][label] - expected) < 1e-5);
                sum += (double)probabilities[i][label];
            }
            assert_true(fabs(sum - 1) < 1e-6);
        }
        free(parameters);
        predictor_free(predictor);
        model_unref(model);
    }
    free(images);
    dataset_unref(data);
}

static void a_batch_answers_as_its_images_do_alone(void **state)
{
    (void)state;
    struct dataset *data = bars_dataset(COUNT);
    float *images = pixels_of(data), together[COUNT][CLASSES], alone[CLASSES];
    struct model *model = model_of(models[1]);
    struct predictor *predictor = NULL;
    assert_int_equal(predictor_create(model, COUNT, &predictor, NULL), OK);
    model_unref(model); /* the predictor keeps it */
    predictor_run(predictor, images, COUNT, &together[0][0]);
    for (size_t i = 0; i < COUNT; i++) {
        predictor_run(predictor, images + i * IMAGE_PIXELS, 1, alone);
        for (size_t j = 0; j < CLASSES; j++)
            assert_true(fabsf(alone[j] - together[i][j]) < 1e-5f);
    }
    predictor_free(predictor);
    free(images);
    dataset_unref(data);
}

static void a_batch_of_no_or_too_many_images_is_refused(void **state)
{
    (void)state;
    struct model *model = model_of(models[0]);
    struct predictor *predictor = NULL;
    assert_int_equal(predictor_create(model, 0, &predictor, NULL), ERR_ARGUMENT);
    assert_int_equal(predictor_create(model, 1025, &predictor, NULL), ERR_ARGUMENT);
    assert_null(predictor);
    model_unref(model);
}

static struct evaluation evaluate(struct model *model, struct dataset *data, size_t first, size_t count,
                                  int threads)
{
    struct thread_team *team = team_of(threads);
    struct evaluator *evaluator = NULL;
    assert_int_equal(evaluator_create(model, data, first, count, team, &evaluator, NULL), OK);
    while (evaluator_advance(evaluator))
        ;
    struct evaluation result = evaluator_result(evaluator);
    evaluator_free(evaluator);
    thread_team_free(team);
    return result;
}

static void evaluation_counts_what_prediction_answers(void **state)
{
    (void)state;
    enum { FIRST = 13, USED = 600 };
    struct dataset *data = bars_dataset(FIRST + USED + 5);
    float *images = pixels_of(data), probabilities[CLASSES];
    struct model *model = model_of(models[0]);
    struct predictor *predictor = NULL;
    struct evaluation expected = {.count = USED};
    assert_int_equal(predictor_create(model, 1, &predictor, NULL), OK);
    double correct = 0;
    for (size_t i = FIRST; i < FIRST + USED; i++) {
        predictor_run(predictor, images + i * IMAGE_PIXELS, 1, probabilities);
        int label = dataset_label(data, i), answer = 0;
        for (int j = 1; j < CLASSES; j++)
            answer = probabilities[j] > probabilities[answer] ? j : answer;
        expected.confusion_matrix[label][answer]++;
        expected.loss -= log((double)probabilities[label]) / USED;
        correct += answer == label;
    }
    struct evaluation result = evaluate(model, data, FIRST, USED, 2);
    assert_int_equal(result.count, USED);
    assert_memory_equal(result.confusion_matrix, expected.confusion_matrix, sizeof result.confusion_matrix);
    assert_true(result.accuracy == correct / USED);
    assert_true(fabs(result.loss - expected.loss) < 1e-5);
    struct evaluation again = evaluate(model, data, FIRST, USED, 3);
    assert_memory_equal(&result, &again, sizeof result);
    predictor_free(predictor);
    model_unref(model);
    free(images);
    dataset_unref(data);
}

static void evaluation_tells_of_each_image_what_prediction_answers(void **state)
{
    (void)state;
    enum { FIRST = 3, USED = 70 };
    struct dataset *data = bars_dataset(FIRST + USED);
    float *images = pixels_of(data), probabilities[CLASSES];
    struct model *model = model_of(models[0]);
    struct thread_team *team = team_of(2);
    struct predictor *predictor = NULL;
    struct evaluator *evaluator = NULL;
    assert_int_equal(predictor_create(model, 1, &predictor, NULL), OK);
    assert_int_equal(evaluator_create(model, data, FIRST, USED, team, &evaluator, NULL), OK);
    while (evaluator_advance(evaluator))
        ;
    for (size_t i = 0; i < USED; i++) {
        struct evaluated_image image = evaluator_image(evaluator, i);
        predictor_run(predictor, images + (FIRST + i) * IMAGE_PIXELS, 1, probabilities);
        assert_int_equal(image.label, dataset_label(data, FIRST + i));
        for (int j = 0; j < CLASSES; j++) {
            assert_true(fabsf(image.probabilities[j] - probabilities[j]) < 1e-5f);
            assert_true(image.probabilities[j] <= image.probabilities[image.predicted]);
        }
    }
    evaluator_free(evaluator);
    predictor_free(predictor);
    thread_team_free(team);
    model_unref(model);
    free(images);
    dataset_unref(data);
}

static void images_outside_the_dataset_cannot_be_evaluated(void **state)
{
    (void)state;
    struct thread_team *team = team_of(1);
    struct dataset *data = bars_dataset(10);
    struct model *model = model_of(models[2]);
    struct evaluator *evaluator = NULL;
    struct error err = {0};
    assert_int_equal(evaluator_create(model, data, 5, 6, team, &evaluator, &err), ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "the dataset has 10"));
    assert_int_equal(evaluator_create(model, data, SIZE_MAX, 2, team, &evaluator, &err), ERR_ARGUMENT);
    assert_null(evaluator);
    model_unref(model);
    dataset_unref(data);
    thread_team_free(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_those_of_the_twin),
        cmocka_unit_test(a_batch_answers_as_its_images_do_alone),
        cmocka_unit_test(a_batch_of_no_or_too_many_images_is_refused),
        cmocka_unit_test(evaluation_counts_what_prediction_answers),
        cmocka_unit_test(evaluation_tells_of_each_image_what_prediction_answers),
        cmocka_unit_test(images_outside_the_dataset_cannot_be_evaluated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

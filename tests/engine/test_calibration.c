/* Calibration: the temperature that answers were drawn with is found again and takes the error away; a model keeps it in
 * its file, and predictions are made with it. */
#include "engine/calibration.h"
#include "engine/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <unistd.h>

#define GROUPS 4
#define ROWS   2000 /* a group */

static float logits[GROUPS * ROWS][CLASSES];
static uint8_t labels[GROUPS * ROWS];

/* Rows say class 0 with 1 to 4 nats more than any other; the share that is of class 0 is what that is at `temperature`. */
static void make_answers(double temperature)
{
    memset(logits, 0, sizeof logits);
    for (int group = 0; group < GROUPS; group++) {
        double odds = exp((group + 1) / temperature), right = ROWS * odds / (odds + CLASSES - 1);
        for (int row = 0; row < ROWS; row++) {
            logits[group * ROWS + row][0] = (float)group + 1;
            labels[group * ROWS + row] = (uint8_t)(row < right ? 0 : 1 + row % (CLASSES - 1));
        }
    }
}

static void the_temperature_is_found_and_takes_the_error_away(void **state)
{
    (void)state;
    const double temperatures[] = {0.5, 1.6, 3};
    for (size_t i = 0; i < 3; i++) {
        make_answers(temperatures[i]);
        double found = temperature_fit(logits[0], labels, GROUPS * ROWS);
        assert_float_equal((float)found, (float)temperatures[i], 0.02F * (float)temperatures[i]);
        struct calibration calibration = calibration_measure(logits[0], labels, GROUPS * ROWS, found);
        assert_true(calibration.ece < 0.005);
        assert_true(calibration.ece_uncalibrated > 0.05);
        size_t count = 0;
        for (int bin = 0; bin < CALIBRATION_BINS; bin++)
            count += calibration.bins[bin].count;
        assert_int_equal(count, GROUPS * ROWS);
    }
}

static void without_images_there_is_none(void **state)
{
    (void)state;
    assert_true(temperature_fit(logits[0], labels, 0) == 1);
    assert_true(calibration_measure(logits[0], labels, 0, 1).ece == 0);
}

static void small_model(struct model **ret_model)
{
    struct model_spec spec;
    struct model_plan plan;
    struct problems problems = {0};
    assert_int_equal(model_spec_preset("small", &spec, NULL), OK);
    assert_int_equal(model_plan_create(&spec, "", &plan, &problems), OK);
    assert_int_equal(model_create(&plan, 1, ret_model, NULL), OK);
}

static void predict(struct model *model, float probabilities[CLASSES])
{
    float image[IMAGE_PIXELS];
    struct predictor *predictor;
    for (int i = 0; i < IMAGE_PIXELS; i++)
        image[i] = (float)(i * 37 % 101) / 100;
    assert_int_equal(predictor_create(model, 1, &predictor, NULL), OK);
    predictor_run(predictor, image, 1, probabilities);
    predictor_free(predictor);
}

static void a_model_keeps_its_temperature_and_predicts_with_it(void **state)
{
    (void)state;
    char path[] = "/tmp/digitd-calibration-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    struct model *model, *loaded;
    float plain[CLASSES], calibrated[CLASSES];
    small_model(&model);
    predict(model, plain);
    model->temperature = 2.5;
    assert_int_equal(model_save(model, NULL, path, NULL), OK);
    assert_int_equal(model_load(path, &loaded, NULL), OK);
    assert_true(model_temperature(loaded) == 2.5);
    predict(loaded, calibrated);
    for (int i = 1; i < CLASSES; i++) /* logs of ratios are divided by the temperature */
        assert_float_equal((float)(log((double)calibrated[i] / (double)calibrated[0]) * 2.5),
                           (float)log((double)plain[i] / (double)plain[0]), 1e-4F);
    model_unref(loaded);

    struct error err;
    model->temperature = 1e9;
    assert_int_equal(model_save(model, NULL, path, NULL), OK);
    assert_int_equal(model_load(path, &loaded, &err), ERR_FORMAT);
    assert_non_null(strstr(err.message, "temperature"));
    model_unref(model);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_temperature_is_found_and_takes_the_error_away),
        cmocka_unit_test(without_images_there_is_none),
        cmocka_unit_test(a_model_keeps_its_temperature_and_predicts_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* report_*: tables and JSON of plans and results; what is not finite becomes null. */
#include "server/report.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void numbers_that_are_not_finite_become_null(void **state)
{
    (void)state;
    const double numbers[] = {NAN, INFINITY, -INFINITY, 0.5};
    for (size_t i = 0; i < 4; i++) {
        json_t *json = report_number(numbers[i]);
        assert_int_equal(json_typeof(json), i < 3 ? JSON_NULL : JSON_REAL);
        json_decref(json);
    }
}

static void text_that_is_no_utf8_becomes_question_marks(void **state)
{
    (void)state;
    json_t *json = report_text("caf\xc3\xa9");
    assert_string_equal(json_string_value(json), "caf\xc3\xa9");
    json_decref(json);
    json = report_text("caf\xe9.png");
    assert_string_equal(json_string_value(json), "caf?.png");
    json_decref(json);
}

static void a_diverged_epoch_is_valid_json(void **state)
{
    (void)state;
    const struct epoch_metrics metrics = {.epoch = 3,
                                          .train_loss = NAN,
                                          .train_accuracy = 0.1,
                                          .validation_loss = INFINITY,
                                          .validation_accuracy = NAN,
                                          .seconds = 1.5};
    json_t *json = report_epoch_json(&metrics);
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(3));
    assert_string_equal(text,
                        "{\"epoch\":3,\"train_loss\":null,\"train_accuracy\":0.1,\"validation_loss\":null,"
                        "\"validation_accuracy\":null,\"seconds\":1.5}");
    free(text);
    json_decref(json);
}

static struct evaluation some_evaluation(void)
{
    struct evaluation evaluation = {.count = 7, .loss = 0.25, .accuracy = 5.0 / 7};
    evaluation.confusion_matrix[4][4] = 3;
    evaluation.confusion_matrix[4][9] = 1;
    evaluation.confusion_matrix[9][9] = 2;
    evaluation.confusion_matrix[9][4] = 1;
    return evaluation;
}

static void the_confusion_matrix_has_true_labels_as_rows(void **state)
{
    (void)state;
    struct evaluation evaluation = some_evaluation();
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    report_confusion_matrix(stream, &evaluation);
    fclose(stream);
    assert_non_null(strstr(
        text, "               4     0     0     0     0     3     0     0     0     0     1  75.00 %\n"));
    assert_non_null(strstr(
        text, "               9     0     0     0     0     1     0     0     0     0     2  66.67 %\n"));
    /* no image of a digit: no recall */
    assert_non_null(
        strstr(text, "               0     0     0     0     0     0     0     0     0     0     0\n"));
    free(text);
}

static void the_evaluation_as_json_has_the_matrix(void **state)
{
    (void)state;
    struct evaluation evaluation = some_evaluation();
    json_t *json = report_evaluation_json(&evaluation);
    json_t *matrix = json_object_get(json, "confusion_matrix");
    assert_int_equal(json_integer_value(json_object_get(json, "count")), 7);
    assert_int_equal(json_array_size(matrix), CLASSES);
    assert_int_equal(json_integer_value(json_array_get(json_array_get(matrix, 4), 9)), 1);
    assert_int_equal(json_integer_value(json_array_get(json_array_get(matrix, 9), 9)), 2);
    json_decref(json);
}

/* 4: four images, three found, one of a 9 taken for it. 9: three images, two found, one of a 4 taken for it. */
static void figures_of_a_class_are_null_where_they_would_divide_by_zero(void **state)
{
    (void)state;
    struct evaluation evaluation = some_evaluation();
    evaluation.confusion_matrix[7][4] = 1; /* 7 is never predicted */
    struct class_figures figures[CLASSES];
    report_class_figures(evaluation.confusion_matrix, figures);
    assert_int_equal(figures[4].support, 4);
    assert_true(figures[4].precision == 3.0 / 5 && figures[4].recall == 3.0 / 4 && figures[4].f1 == 6.0 / 9);
    assert_int_equal(figures[9].support, 3);
    assert_true(figures[9].precision == 2.0 / 3 && figures[9].recall == 2.0 / 3 && figures[9].f1 == 4.0 / 6);
    assert_int_equal(figures[7].support, 1);
    assert_true(isnan(figures[7].precision) && figures[7].recall == 0 && figures[7].f1 == 0);
    assert_int_equal(figures[0].support, 0);
    assert_true(isnan(figures[0].precision) && isnan(figures[0].recall) && isnan(figures[0].f1));

    json_t *json = report_classes_json(evaluation.confusion_matrix);
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(3));
    assert_non_null(strstr(text, "{\"label\":7,\"precision\":null,\"recall\":0.0,\"f1\":0.0,\"support\":1}"));
    assert_non_null(
        strstr(text, "{\"label\":4,\"precision\":0.6,\"recall\":0.75,\"f1\":0.667,\"support\":4}"));
    free(text);
    json_decref(json);
}

static void the_table_of_classes_leaves_out_what_cannot_be_said(void **state)
{
    (void)state;
    struct evaluation evaluation = some_evaluation();
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    report_classes(stream, &evaluation);
    fclose(stream);
    assert_non_null(strstr(text, "    4        4    75.00 %    75.00 %    75.00 %\n"));
    assert_non_null(strstr(text, "    0        0          -          -          -\n"));
    free(text);
}

static void every_preset_has_a_row_a_layer(void **state)
{
    (void)state;
    for (size_t p = 0; model_preset_name(p); p++) {
        struct model_spec spec;
        struct model_plan plan;
        struct problems problems = {0};
        assert_int_equal(model_spec_preset(model_preset_name(p), &spec, NULL), OK);
        assert_int_equal(model_plan_create(&spec, "", &plan, &problems), OK);
        json_t *json = report_plan_json(&plan);
        assert_int_equal(json_array_size(json_object_get(json, "layers")), plan.spec.count);
        assert_int_equal(json_integer_value(json_object_get(json, "parameters")), plan.parameters);
        json_decref(json);

        char *text = NULL;
        size_t size = 0, lines = 0;
        FILE *stream = open_memstream(&text, &size);
        report_layers(stream, &plan);
        fclose(stream);
        for (const char *at = text; (at = strchr(at, '\n')); at++)
            lines++;
        assert_int_equal(lines, plan.spec.count + 4);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_that_are_not_finite_become_null),
        cmocka_unit_test(text_that_is_no_utf8_becomes_question_marks),
        cmocka_unit_test(a_diverged_epoch_is_valid_json),
        cmocka_unit_test(the_confusion_matrix_has_true_labels_as_rows),
        cmocka_unit_test(the_evaluation_as_json_has_the_matrix),
        cmocka_unit_test(figures_of_a_class_are_null_where_they_would_divide_by_zero),
        cmocka_unit_test(the_table_of_classes_leaves_out_what_cannot_be_said),
        cmocka_unit_test(every_preset_has_a_row_a_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* TensorFlow Serving's REST, by requests as it documents them. */
#include "tests/api/protocols.h"

/* ---- TensorFlow Serving -------------------------------------------------------------------------------- */

static void tensorflow_tells_of_models(void **state)
{
    (void)state;
    const struct response *response = get(server, "/v1/models/digits");
    assert_int_equal(json_array_size(json_at(response, "/model_version_status")), 2);
    response = get(server, "/v1/models/digits/versions/2");
    assert_string_equal(response->body,
                        "{\"model_version_status\":[{\"version\":\"2\",\"state\":\"AVAILABLE\","
                        "\"status\":{\"error_code\":\"OK\",\"error_message\":\"\"}}]}");
    response = get(server, "/v1/models/digits/labels/production");
    assert_string_equal(text_at(response, "/model_version_status/0/version"), "1");
    assert_problem(get(server, "/v1/models/digits/labels/canary"), 404, "not-found", NULL);
    response = get(server, "/v1/models/digits/labels/production/metadata");
    assert_string_equal(text_at(response, "/model_spec/version"), "1");
    assert_string_equal(
        text_at(response, "/metadata/signature_def/signature_def/serving_default/inputs/image/dtype"),
        "DT_FLOAT");
}

static void assert_tensorflow_row(const struct response *response, const char *place, const float *expected)
{
    if (response->status != 200)
        fail_msg("%ld: %s", response->status, response->body);
    for (int c = 0; c < CLASSES; c++) {
        char pointer[40];
        snprintf(pointer, sizeof pointer, "/%s/0/%d", place, c);
        assert_true(fabsf((float)json_number_value(json_at(response, pointer)) - expected[c]) < 1e-5f);
    }
}

static void tensorflow_rows_and_columns(void **state)
{
    (void)state;
    float rows[1][CLASSES];
    expected_rows(rows, 1);
    const char *path = "/v1/models/digits:predict";
    json_t *forms[] = {
        json_pack("{s:s, s:[[o]]}", "signature_name", "serving_default", "instances", image_to_json(0, true)),
        json_pack("{s:[o]}", "instances", image_to_json(0, true)),
        json_pack("{s:[o]}", "instances", image_to_json(0, false)),
        json_pack("{s:[{s:[o]}]}", "instances", "image", image_to_json(0, true)),
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        assert_tensorflow_row(post_value(path, forms[i]), "predictions", rows[0]);
    assert_tensorflow_row(post_value(path, json_pack("{s:[[o]]}", "inputs", image_to_json(0, true))),
                          "outputs", rows[0]);
    assert_tensorflow_row(
        post_value(path, json_pack("{s:{s:[[o]]}}", "inputs", "image", image_to_json(0, true))), "outputs",
        rows[0]);
    static const char *const paths[] = {"/v1/models/digits/versions/1:predict",
                                        "/v1/models/digits/labels/production:predict"};
    for (size_t i = 0; i < 2; i++)
        assert_tensorflow_row(post_value(paths[i], json_pack("{s:[o]}", "instances", image_to_json(0, true))),
                              "predictions", rows[0]);
}

static void tensorflow_takes_the_whole_batch_in_order(void **state)
{
    (void)state;
    static float rows[BATCH_MAX][CLASSES];
    expected_rows(rows, BATCH_MAX);
    json_t *instances = json_array();
    for (size_t i = 0; i < BATCH_MAX; i++)
        json_array_append_new(instances, image_to_json(i, true));
    const struct response *response =
        post_value("/v1/models/digits:predict", json_pack("{s:o}", "instances", instances));
    assert_int_equal(response->status, 200);
    const json_t *predictions = json_at(response, "/predictions");
    assert_int_equal(json_array_size(predictions), BATCH_MAX);
    for (size_t i = 0; i < BATCH_MAX; i++)
        for (size_t c = 0; c < CLASSES; c++) {
            const json_t *number = json_array_get(json_array_get(predictions, i), c);
            assert_true(fabsf((float)json_number_value(number) - rows[i][c]) < 1e-5f);
        }
}

static void tensorflow_faults_are_400_with_error(void **state)
{
    (void)state;
    static const struct {
        const char *json, *pointer;
    } cases[] = {
        {"{\"instances\":[1.0,2.0,5.0]}", "/instances"},
        {"{\"instances\":[[1,2],[3]]}", "/instances"},
        {"{\"instances\":[]}", "/instances"},
        {"{\"instances\":\"x\"}", "/instances"},
        {"{\"inputs\":{\"picture\":[[1]]}}", "/inputs"},
        {"{\"signature_name\":\"classify\",\"instances\":[]}", "/signature_name"},
        {"{\"instances\":[],\"inputs\":[]}", NULL},
        {"{}", NULL},
        {"[1]", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_problem(post_json(server, "/v1/models/digits:predict", cases[i].json), 400, "malformed",
                       cases[i].pointer);
    json_t *ragged = image_to_json(0, true);
    json_array_remove(json_array_get(ragged, 3), 7);
    assert_problem(post_value("/v1/models/digits:predict", json_pack("{s:[o]}", "instances", ragged)), 400,
                   "malformed", "/instances/0/3");
    json_t *text = image_to_json(0, false);
    json_array_set_new(text, 9, json_string("ink"));
    assert_problem(post_value("/v1/models/digits:predict", json_pack("{s:[o]}", "instances", text)), 400,
                   "malformed", "/instances/0/9");
    /* As TensorFlow Serving's page shows it. */
    assert_problem(post_json(server, "/v1/models/half:predict", "{\"instances\":[1.0,5.0]}"), 404,
                   "not-found", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tensorflow_tells_of_models, train_two_versions),
        cmocka_unit_test(tensorflow_rows_and_columns),
        cmocka_unit_test(tensorflow_takes_the_whole_batch_in_order),
        cmocka_unit_test(tensorflow_faults_are_400_with_error),
    };
    static const char *const arguments[] = {
        "--predict-workers", "1", "--predict-batch", "16", "--predict-queue", "1024", NULL};
    if (load_digits() != 0)
        return 1;
    int failed =
        run_with_server("protocols_tensorflow", tests, sizeof tests / sizeof *tests, arguments, &server);
    dataset_unref(digits);
    free(images);
    return failed;
}

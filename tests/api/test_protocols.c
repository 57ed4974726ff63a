/* The Open Inference Protocol, by requests in the very bytes that tritonclient sends; and a full queue. */
#include "tests/api/protocols.h"

/* ---- Before there is a model ------------------------------------------------------------------------- */

static void without_a_model_each_protocol_says_404(void **state)
{
    (void)state;
    struct exchange exchange = infer("/v2/models/digits/infer", binary_json(1, ALL_BINARY), 1);
    assert_status(&exchange, 404);
    assert_non_null(strstr(string_in(exchange.json, "error"), "digits"));
    release(&exchange);
    static const char *const paths[] = {"/v2/models/digits", "/v2/models/digits/ready",
                                        "/v2/models/digits/stats", "/v1/models/digits",
                                        "/v1/models/digits/metadata"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_problem(get(server, paths[i]), 404, "not-found", NULL);
    assert_problem(post_json(server, "/v1/models/digits:predict", "{\"instances\":[]}"), 404, "not-found",
                   NULL);
    assert_int_equal(json_array_size(post_json(server, "/v2/repository/index", "{}")->json), 0);
}

/* ---- Open Inference Protocol ------------------------------------------------------------------------- */

static void v2_tells_of_server_and_models(void **state)
{
    (void)state;
    const struct response *response = get(server, "/v2");
    assert_string_equal(text_at(response, "/name"), "digitd");
    assert_string_equal(text_at(response, "/extensions/0"), "binary_tensor_data");
    assert_int_equal(get(server, "/v2/health/live")->status, 200);
    assert_int_equal(get(server, "/v2/health/ready")->status, 200);
    assert_int_equal(get(server, "/v2/models/digits/ready")->status, 200);
    assert_int_equal(get(server, "/v2/models/digits/versions/2/ready")->status, 200);
    assert_int_equal(get(server, "/v2/models/digits/versions/3/ready")->status, 404);
    response = get(server, "/v2/models/digits");
    assert_int_equal(json_array_size(json_at(response, "/versions")), 2);
    assert_string_equal(text_at(response, "/versions/1"), "2");
    assert_string_equal(text_at(response, "/inputs/0/datatype"), "FP32");
    assert_int_equal(integer_at(response, "/inputs/0/shape/0"), -1);
    assert_int_equal(integer_at(response, "/outputs/0/shape/1"), 10);
    response = get(server, "/v2/models/digits/versions/2");
    assert_int_equal(json_array_size(json_at(response, "/versions")), 1);
    /* tritonclient asks for the index with an empty body. */
    response = send_call(server, &(struct call){.method = "POST", .path = "/v2/repository/index"});
    assert_int_equal(json_array_size(response->json), 2);
    assert_string_equal(text_at(response, "/0/state"), "READY");
    assert_problem(post_json(server, "/v2/repository/index", "{\"ready\":1}"), 400, "malformed", "/ready");
}

static void v2_binary_in_and_out(void **state)
{
    (void)state;
    static float rows[BATCH_MAX][CLASSES];
    static const size_t counts[] = {1, 2, 3, 100, BATCH_MAX};
    expected_rows(rows, BATCH_MAX);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct exchange exchange =
            infer("/v2/models/digits/infer", binary_json(counts[i], ALL_BINARY), counts[i]);
        assert_status(&exchange, 200);
        assert_non_null(strstr(exchange.bytes, "\r\nContent-Type: application/octet-stream\r\n"));
        assert_string_equal(string_in(exchange.json, "model_name"), "digits");
        assert_string_equal(string_in(exchange.json, "model_version"), "1");
        assert_string_equal(string_in(exchange.json, "id"), "r1");
        const json_t *output = json_array_get(json_object_get(exchange.json, "outputs"), 0);
        assert_int_equal(json_integer_value(json_array_get(json_object_get(output, "shape"), 0)), counts[i]);
        assert_null(json_object_get(output, "data"));
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(output, "parameters"), "binary_data_size")),
            exchange.binary_size);
        assert_int_equal(exchange.binary_size, counts[i] * CLASSES * sizeof(float));
        assert_rows_close(exchange.binary, rows[0], counts[i] * CLASSES);
        release(&exchange);
    }
}

static void v2_binary_in_json_out(void **state)
{
    (void)state;
    float rows[2][CLASSES];
    expected_rows(rows, 2);
    struct exchange exchange = infer("/v2/models/digits/versions/1/infer", binary_json(2, AS_JSON), 2);
    assert_status(&exchange, 200);
    assert_int_equal(exchange.binary_size, 0);
    const json_t *data =
        json_object_get(json_array_get(json_object_get(exchange.json, "outputs"), 0), "data");
    assert_int_equal(json_array_size(data), 2 * CLASSES);
    for (size_t i = 0; i < 2 * CLASSES; i++)
        assert_true((float)json_number_value(json_array_get(data, i)) == rows[i / CLASSES][i % CLASSES]);
    release(&exchange);
}

static void v2_json_in_flat_or_nested(void **state)
{
    (void)state;
    float rows[1][CLASSES];
    expected_rows(rows, 1);
    static const char *const shapes[] = {"[1,1,28,28]", "[1,28,28]", "[1,784]"};
    for (size_t i = 0; i < 4; i++) {
        json_t *data = image_to_json(0, i == 3);
        json_t *shape = json_loads(i == 3 ? shapes[0] : shapes[i], 0, NULL);
        if (i == 3)
            data = json_pack("[[o]]", data);
        const struct response *response = post_value(
            "/v2/models/digits/infer", json_pack("{s:[{s:s, s:s, s:o, s:o}]}", "inputs", "name", "image",
                                                 "datatype", "FP32", "shape", shape, "data", data));
        assert_int_equal(response->status, 200);
        for (int c = 0; c < CLASSES; c++) {
            char pointer[40];
            snprintf(pointer, sizeof pointer, "/outputs/0/data/%d", c);
            assert_true((float)json_number_value(json_at(response, pointer)) == rows[0][c]);
        }
    }
}

static void v2_other_version_answers_otherwise(void **state)
{
    (void)state;
    float rows[1][CLASSES];
    expected_rows(rows, 1);
    struct exchange exchange = infer("/v2/models/digits/versions/2/infer", binary_json(1, ALL_BINARY), 1);
    assert_status(&exchange, 200);
    assert_string_equal(string_in(exchange.json, "model_version"), "2");
    assert_true(fabsf(exchange.binary[best_of(rows[0])] - rows[0][best_of(rows[0])]) > 1e-5f);
    release(&exchange);
}

static void v2_faults_are_400_with_error(void **state)
{
    (void)state;
    static const struct {
        const char *json, *pointer;
        size_t count;
    } cases[] = {
        {"{}", "/inputs", 0},
        {"{\"inputs\":[]}", "/inputs", 0},
        {"{\"inputs\":[{\"name\":\"img\",\"datatype\":\"FP32\",\"shape\":[1,784],\"data\":[0]}]}",
         "/inputs/0/name", 0},
        {"{\"inputs\":[{\"name\":\"image\",\"datatype\":\"UINT8\",\"shape\":[1,784],\"data\":[0]}]}",
         "/inputs/0/datatype", 0},
        {"{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[1,3,28,28],\"data\":[0]}]}",
         "/inputs/0/shape", 0},
        {"{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[-1,784],\"data\":[0]}]}",
         "/inputs/0/shape", 0},
        {"{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[257,784],\"data\":[0]}]}",
         "/inputs/0/shape", 0},
        {"{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[1,784],\"data\":[0,1]}]}",
         "/inputs/0/data", 0},
        {"{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[1,784]}]}", "/inputs/0/data", 0},
        {"{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[1,784],"
         "\"parameters\":{\"shared_memory_region\":\"r\"}}]}",
         "/inputs/0/parameters/shared_memory_region", 0},
        {"{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[1,784],"
         "\"parameters\":{\"binary_data_size\":3136}}],\"outputs\":[{\"name\":\"logits\"}]}",
         "/outputs/0/name", 1},
        {"{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[2,784],"
         "\"parameters\":{\"binary_data_size\":6272}}]}",
         NULL, 1},
        {"{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[1,784],"
         "\"parameters\":{\"binary_data_size\":3132}}]}",
         NULL, 1},
        {"[]", NULL, 0},
        {"{\"inputs\":", NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct exchange exchange = infer("/v2/models/digits/infer", cases[i].json, cases[i].count);
        if (exchange.status != 400)
            fail_msg("%s -> %ld %s", cases[i].json, exchange.status, exchange.body);
        assert_true(strlen(string_in(exchange.json, "error")) > 0);
        const json_t *first = json_array_get(json_object_get(exchange.json, "errors"), 0);
        if (cases[i].pointer)
            assert_string_equal(string_in(first, "pointer"), cases[i].pointer);
        release(&exchange);
    }
    struct call call = {.path = "/v2/models/digits/infer", .body = "{}"};
    static const char *const lengths[] = {"0", "3", "-1", "x", "99999999999999999999"};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char header[80];
        snprintf(header, sizeof header, "Inference-Header-Content-Length: %s", lengths[i]);
        call.headers[0] = header;
        assert_problem(send_call(server, &call), 400, "malformed", NULL);
    }
}

static void v2_numbers_must_be_finite(void **state)
{
    (void)state;
    float kept = images[0][5];
    images[0][5] = NAN;
    struct exchange exchange = infer("/v2/models/digits/infer", binary_json(1, ALL_BINARY), 1);
    images[0][5] = kept;
    assert_status(&exchange, 400);
    release(&exchange);
    assert_problem(post_json(server, "/v1/models/digits:predict", "{\"instances\":[[1e999]]}"), 400,
                   "malformed", NULL);
}

static void v2_statistics_count_images_and_passes(void **state)
{
    (void)state;
    const char *path = "/v2/models/digits/versions/1/stats";
    long long images_before = integer_at(get(server, path), "/model_stats/0/inference_count"),
              requests_before = integer_at(get(server, path), "/model_stats/0/inference_stats/success/count");
    struct exchange exchange = infer("/v2/models/digits/infer", binary_json(5, ALL_BINARY), 5);
    release(&exchange);
    const struct response *response = get(server, path);
    assert_string_equal(text_at(response, "/model_stats/0/name"), "digits");
    assert_string_equal(text_at(response, "/model_stats/0/version"), "1");
    assert_int_equal(integer_at(response, "/model_stats/0/inference_count"), images_before + 5);
    assert_int_equal(integer_at(response, "/model_stats/0/inference_stats/success/count"),
                     requests_before + 1);
    assert_true(integer_at(response, "/model_stats/0/inference_stats/compute_infer/ns") > 0);
    assert_true(json_array_size(json_at(response, "/model_stats/0/batch_stats")) > 1);
    assert_int_equal(json_array_size(json_at(get(server, "/v2/models/stats"), "/model_stats")), 2);
    assert_int_equal(json_array_size(json_at(get(server, "/v2/models/digits/stats"), "/model_stats")), 2);
}

/* ---- Queue --------------------------------------------------------------------------------------------- */

/* A queue of 1024 images and one worker: twenty batches of 256 at once are too many. */
static void full_queue_is_429_with_retry_after(void **state)
{
    (void)state;
    enum { CLIENTS = 20 };
    int fds[CLIENTS];
    size_t answered = 0, refused = 0;
    for (size_t i = 0; i < CLIENTS; i++)
        fds[i] = send_inference("/v2/models/digits/infer", binary_json(BATCH_MAX, ALL_BINARY), BATCH_MAX);
    for (size_t i = 0; i < CLIENTS; i++) {
        struct exchange exchange = read_exchange(fds[i]);
        answered += exchange.status == 200;
        if (exchange.status == 429) {
            refused++;
            assert_non_null(strstr(exchange.bytes, "\r\nRetry-After: 1\r\n"));
            assert_true(strlen(string_in(exchange.json, "error")) > 0);
        }
        release(&exchange);
    }
    assert_int_equal(answered + refused, CLIENTS);
    assert_true(answered >= 4 && refused > 0);
}

static double metric(const char *name)
{
    char line[80];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *found = strstr(get(server, "/metrics")->body, line);
    assert_non_null(found);
    return strtod(found + strlen(line), NULL);
}

/* Three batches keep the worker busy; those who come after them do not stay. */
static void client_that_left_costs_no_pass(void **state)
{
    (void)state;
    enum { STAYING = 3, LEAVING = 30 };
    int fds[STAYING];
    double images_before = metric("digitd_predict_images_total"),
           abandoned_before = metric("digitd_predict_abandoned_total");
    for (size_t i = 0; i < STAYING; i++)
        fds[i] = send_inference("/v2/models/digits/infer", binary_json(BATCH_MAX, ALL_BINARY), BATCH_MAX);
    for (size_t i = 0; i < LEAVING; i++)
        close(send_inference("/v2/models/digits/infer", binary_json(1, ALL_BINARY), 1));
    for (size_t i = 0; i < STAYING; i++) {
        struct exchange exchange = read_exchange(fds[i]);
        assert_status(&exchange, 200);
        release(&exchange);
    }
    struct exchange last = infer("/v2/models/digits/infer", binary_json(1, ALL_BINARY), 1);
    assert_status(&last, 200);
    release(&last);
    double abandoned = metric("digitd_predict_abandoned_total") - abandoned_before,
           predicted = metric("digitd_predict_images_total") - images_before;
    assert_true(abandoned > 0);
    assert_true(predicted <= STAYING * BATCH_MAX + 1 + LEAVING - abandoned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_model_each_protocol_says_404),
        cmocka_unit_test_setup(v2_tells_of_server_and_models, train_two_versions),
        cmocka_unit_test(v2_binary_in_and_out),
        cmocka_unit_test(v2_binary_in_json_out),
        cmocka_unit_test(v2_json_in_flat_or_nested),
        cmocka_unit_test(v2_other_version_answers_otherwise),
        cmocka_unit_test(v2_faults_are_400_with_error),
        cmocka_unit_test(v2_numbers_must_be_finite),
        cmocka_unit_test(v2_statistics_count_images_and_passes),
        cmocka_unit_test(full_queue_is_429_with_retry_after),
        cmocka_unit_test(client_that_left_costs_no_pass),
    };
    static const char *const arguments[] = {
        "--predict-workers", "1", "--predict-batch", "16", "--predict-queue", "1024", NULL};
    if (load_digits() != 0)
        return 1;
    int failed = run_with_server("protocols", tests, sizeof tests / sizeof *tests, arguments, &server);
    dataset_unref(digits);
    free(images);
    return failed;
}

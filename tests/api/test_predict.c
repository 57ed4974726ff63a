/* Predictions through the API: every way to send a drawing, and every model that can be asked. */
#include "tests/api/pictures.h"

/* ---- Before there is a model -------------------------------------------------------------------------- */

static void without_a_model_it_says_so(void **state)
{
    (void)state;
    struct png png = encode_digit(0);
    assert_problem(post_png("/api/v1/predict", &png), 503, "no-model", NULL);
    assert_problem(post_png("/api/v1/models/absent/predict", &png), 404, "not-found", NULL);
    assert_problem(post_png("/api/v1/predict?version=1", &png), 404, "not-found", NULL);
    assert_problem(post_png("/api/v1/predict?job=job_0123456789abcdef", &png), 404, "not-found", NULL);
    png_free(&png);
}

/* ---- A model in training, and in production ------------------------------------------------------------ */

/* What the training job of `training_puts_a_version_into_production` became. */
static char trained_job[JOB_ID_SIZE];
static double trained_accuracy;

static void model_in_training_answers(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], path[64];
    struct png png = encode_digit(0);
    start_job(server, "{" TINY_MODEL ",\"training\":{\"epochs\":1000,\"train_limit\":5000}}", id);
    wait_for_epoch(server, id, 2);
    const struct response *response = post_png("/api/v1/predict", &png);
    read_answer(response, "");
    assert_string_equal(text_at(response, "/model/name"), "digits");
    assert_string_equal(text_at(response, "/model/job"), id);
    assert_true(integer_at(response, "/model/epoch") >= 1);
    snprintf(path, sizeof path, "/api/v1/predict?job=%s", id);
    assert_string_equal(text_at(post_png(path, &png), "/model/job"), id);
    assert_non_null(strstr(text_at(get(server, "/readyz"), "/detail"), "training"));

    cancel_job(server, id);
    wait_for_state(server, id, "cancelled");
    png_free(&png);
}

static void training_puts_a_version_into_production(void **state)
{
    (void)state;
    start_job(server, "{" TINY_MODEL ",\"training\":{\"epochs\":3,\"train_limit\":6000}}", trained_job);
    const struct response *job = wait_for_state(server, trained_job, "succeeded");
    trained_accuracy = json_number_value(json_at(job, "/result/test_accuracy"));
    assert_true(trained_accuracy > 0.5);
}

static void model_in_production_answers_by_default(void **state)
{
    (void)state;
    static const char *const paths[] = {"/api/v1/predict", "/api/v1/predict?version=1",
                                        "/api/v1/predict?alias=production", "/api/v1/models/digits/predict",
                                        "/api/v1/models/digits/predict?version=1"};
    struct png png = encode_digit(0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const struct response *response = post_png(paths[i], &png);
        read_answer(response, "");
        assert_string_equal(text_at(response, "/model/name"), "digits");
        assert_int_equal(integer_at(response, "/model/version"), 1);
        assert_null(json_object_get(json_at(response, "/model"), "job"));
    }
    assert_problem(post_png("/api/v1/predict?version=2", &png), 404, "not-found", NULL);
    assert_problem(post_png("/api/v1/models/absent/predict", &png), 404, "not-found", NULL);
    assert_non_null(strstr(text_at(get(server, "/readyz"), "/detail"), "production"));
    png_free(&png);
}

static void version_out_of_production_is_read_from_its_file(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE];
    start_job(server,
              "{\"name\":\"other\"," TINY_MODEL ",\"training\":{\"epochs\":1,\"train_limit\":500,\"seed\":5},"
              "\"promotion\":\"never\"}",
              id);
    wait_for_state(server, id, "succeeded");
    struct png png = encode_digit(0);
    struct answer digits_say = read_answer(post_png("/api/v1/predict", &png), "");
    for (int i = 0; i < 2; i++) {
        const struct response *response = post_png("/api/v1/models/other/predict?version=1", &png);
        struct answer others_say = read_answer(response, "");
        assert_string_equal(text_at(response, "/model/name"), "other");
        assert_true(fabs(others_say.probabilities[7] - digits_say.probabilities[7]) > 1e-4);
    }
    png_free(&png);
}

/* ---- Ways to send a drawing ----------------------------------------------------------------------------- */

static void every_way_to_send_a_picture_gives_the_same_answer(void **state)
{
    (void)state;
    struct png png = encode_digit(17);
    struct answer answer = read_answer(post_png("/api/v1/predict", &png), "");
    assert_same_answer(answer,
                       read_answer(post_form(server, "/api/v1/predict", "image", png.bytes, png.size), ""));
    assert_same_answer(answer, read_answer(post_image("/api/v1/predict", &png), ""));
    assert_same_answer(answer, read_answer(post_images("/api/v1/predict", &png, 1), "/predictions/0"));
    png_free(&png);
}

static void answer_shows_what_the_network_saw(void **state)
{
    (void)state;
    uint8_t levels[IMAGE_PIXELS];
    struct png png = encode_digit(3);
    static const char *const paths[] = {"/api/v1/predict", "/api/v1/predict?mode=raw"};
    static const char *const modes[] = {"auto", "raw"};
    for (size_t i = 0; i < 2; i++) {
        const struct response *response = post_png(paths[i], &png);
        assert_string_equal(text_at(response, "/input/mode"), modes[i]);
        read_input(response, "/input/png", levels);
        assert_memory_equal(levels, dataset_image(digits, 3), IMAGE_PIXELS);
    }
    assert_string_equal(text_at(post_png("/api/v1/predict?mode=drawing", &png), "/input/mode"), "drawing");
    png_free(&png);
}

static void an_answer_is_explained(void **state)
{
    (void)state;
    struct png png = encode_digit(3), two[2] = {encode_digit(1), encode_digit(2)};
    double confidence = json_number_value(json_at(post_png("/api/v1/predict", &png), "/confidence"));
    const struct response *response = post_png("/api/v1/predict/explain", &png);
    assert_true(fabs(json_number_value(json_at(response, "/confidence")) - confidence) < 1e-4);
    assert_int_equal(json_array_size(json_at(response, "/saliency/values")), IMAGE_SIDE);
    assert_int_equal(json_array_size(json_at(response, "/saliency/values/27")), IMAGE_SIDE);
    assert_true(json_number_value(json_at(response, "/saliency/values/0/0")) == 0); /* no ink, no say */
    assert_string_equal(text_at(response, "/layers/0/name"), "conv2d");
    assert_string_equal(text_at(response, "/layers/0/kind"), "conv2d");
    uint8_t *bytes;
    size_t size;
    struct pixels pixels;
    const char *text = text_at(response, "/layers/0/png");
    assert_int_equal(base64_decode(text, strlen(text), &bytes, &size, NULL), OK);
    assert_int_equal(png_decode(bytes, size, &pixels, NULL), OK);
    assert_int_equal(pixels.width, json_integer_value(json_at(response, "/layers/0/columns")) *
                                       json_integer_value(json_at(response, "/layers/0/shape/1")));
    free(pixels.rgba);
    free(bytes);
    const json_t *last = json_at(response, "/layers");
    last = json_array_get(last, json_array_size(last) - 1);
    assert_int_equal(json_integer_value(json_object_get(last, "columns")),
                     5); /* ten units, and no empty place */
    assert_int_equal(json_integer_value(json_object_get(last, "rows")), 2);
    assert_problem(post_images("/api/v1/models/digits/predict/explain", two, 2), 422, "invalid", "/images");
    assert_problem(
        post_json(server, "/api/v1/models/nobody/predict/explain", "{\"strokes\":[[[1,1],[2,2]]]}"), 404,
        "not-found", NULL);
    png_free(&png);
    png_free(&two[0]);
    png_free(&two[1]);
}

static void list_is_answered_in_order(void **state)
{
    (void)state;
    struct png pngs[256];
    for (size_t i = 0; i < 256; i++)
        pngs[i] = encode_digit(i);
    const struct response *response = post_images("/api/v1/predict", pngs, 256);
    assert_int_equal(json_array_size(json_at(response, "/predictions")), 256);
    uint8_t levels[IMAGE_PIXELS];
    for (size_t i = 0; i < 256; i += 51) {
        char pointer[64];
        snprintf(pointer, sizeof pointer, "/predictions/%zu/input/png", i);
        read_input(response, pointer, levels);
        assert_memory_equal(levels, dataset_image(digits, i), IMAGE_PIXELS);
    }
    struct answer last = read_answer(response, "/predictions/255");
    assert_same_answer(last, read_answer(post_png("/api/v1/predict", &pngs[255]), ""));
    for (size_t i = 0; i < 256; i++)
        png_free(&pngs[i]);
}

static void list_of_more_than_256_is_refused(void **state)
{
    (void)state;
    struct png pngs[257];
    for (size_t i = 0; i < 257; i++)
        pngs[i] = encode_digit(0);
    assert_problem(post_images("/api/v1/predict", pngs, 257), 422, "invalid", "/images");
    for (size_t i = 0; i < 257; i++)
        png_free(&pngs[i]);
}

static void strokes_are_answered(void **state)
{
    (void)state;
    uint8_t levels[IMAGE_PIXELS];
    const struct response *response =
        post_json(server, "/api/v1/predict", "{\"strokes\":[[[100,40],[100,140.5],[100,240]]]}");
    read_answer(response, "");
    read_input(response, "/input/png", levels);
    assert_true(levels[14 * IMAGE_SIDE + 14] > 200);
    assert_int_equal(levels[14 * IMAGE_SIDE + 20], 0);
}

static void large_pictures_are_scaled_but_limited(void **state)
{
    (void)state;
    struct png large[5];
    for (size_t i = 0; i < 5; i++)
        large[i] = encode_square(1024);
    read_answer(post_png("/api/v1/predict", &large[0]), "");
    read_answer(post_images("/api/v1/predict", large, 4), "/predictions/3");
    assert_problem(post_images("/api/v1/predict", large, 5), 413, "too-large", "/images/4");
    struct png larger = encode_square(1025);
    const struct response *response = post_png("/api/v1/predict", &larger);
    assert_problem(response, 413, "too-large", NULL);
    assert_non_null(strstr(text_at(response, "/detail"), "1025x1025"));
    assert_problem(post_png("/api/v1/predict?mode=raw", &large[0]), 422, "invalid", NULL);
    png_free(&larger);
    for (size_t i = 0; i < 5; i++)
        png_free(&large[i]);
}

static void timing_is_told(void **state)
{
    (void)state;
    struct png png = encode_digit(0);
    const struct response *response = post_png("/api/v1/predict", &png);
    assert_true(integer_at(response, "/timing/queue_us") >= 0);
    assert_true(integer_at(response, "/timing/compute_us") >= 0);
    assert_int_equal(integer_at(response, "/timing/batch_size"), 1);
    png_free(&png);
}

/* ---- The whole test set --------------------------------------------------------------------------------- */

static void test_set_sent_as_pngs_has_the_evaluators_accuracy(void **state)
{
    (void)state;
    enum { LIST = 250, TOTAL = 10000 };
    struct png pngs[LIST];
    int right = 0;
    for (size_t first = 0; first < TOTAL; first += LIST) {
        for (size_t i = 0; i < LIST; i++)
            pngs[i] = encode_digit(first + i);
        const struct response *response = post_images("/api/v1/predict?mode=raw", pngs, LIST);
        assert_int_equal(response->status, 200);
        const json_t *answers = json_at(response, "/predictions");
        for (size_t i = 0; i < LIST; i++) {
            const json_t *digit = json_object_get(json_array_get(answers, i), "digit");
            right += json_integer_value(digit) == dataset_label(digits, first + i);
            png_free(&pngs[i]);
        }
    }
    assert_int_equal(right, lround(trained_accuracy * TOTAL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_model_it_says_so),
        cmocka_unit_test(model_in_training_answers),
        cmocka_unit_test(training_puts_a_version_into_production),
        cmocka_unit_test(model_in_production_answers_by_default),
        cmocka_unit_test(version_out_of_production_is_read_from_its_file),
        cmocka_unit_test(every_way_to_send_a_picture_gives_the_same_answer),
        cmocka_unit_test(answer_shows_what_the_network_saw),
        cmocka_unit_test(an_answer_is_explained),
        cmocka_unit_test(list_is_answered_in_order),
        cmocka_unit_test(list_of_more_than_256_is_refused),
        cmocka_unit_test(strokes_are_answered),
        cmocka_unit_test(large_pictures_are_scaled_but_limited),
        cmocka_unit_test(timing_is_told),
        cmocka_unit_test(test_set_sent_as_pngs_has_the_evaluators_accuracy),
    };
    if (load_digits() != 0)
        return 1;
    int failed = run_with_server("predict", tests, sizeof tests / sizeof *tests, NULL, &server);
    dataset_unref(digits);
    return failed;
}

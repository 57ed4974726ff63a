/* Predictions through the API: every way to send a drawing, every model that can be asked, and what is refused. */
#include "engine/engine.h"
#include "server/base64.h"
#include "server/png.h"
#include "tests/api/harness.h"
#include "tests/api/training.h"
#include "tests/png_chunk.h"

#include <math.h>
#include <stdlib.h>
#include <zlib.h>

static struct server *server;
static struct dataset *digits; /* MNIST's test set */

/* What the training job of `training_puts_a_version_into_production` became. */
static char trained_job[JOB_ID_SIZE];
static double trained_accuracy;

/* ---- Pictures ----------------------------------------------------------------------------------------- */

struct png {
    uint8_t *bytes;
    size_t size;
    char *base64;
};

static struct png encode(const uint8_t *levels, int width, int height)
{
    struct png png;
    assert_int_equal(png_encode_grey(levels, width, height, &png.bytes, &png.size, NULL), OK);
    png.base64 = base64_encode(png.bytes, png.size);
    assert_non_null(png.base64);
    return png;
}

static struct png encode_digit(size_t index)
{
    return encode(dataset_image(digits, index), IMAGE_SIDE, IMAGE_SIDE);
}

static void png_free(struct png *png)
{
    free(png->bytes);
    free(png->base64);
}

/* A black square on white of `side` pixels. */
static struct png encode_square(int side)
{
    uint8_t *levels = malloc((size_t)side * (size_t)side);
    assert_non_null(levels);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            levels[y * side + x] = x > side / 3 && x < side / 2 && y > side / 4 && y < side / 2 ? 0 : 255;
    struct png png = encode(levels, side, side);
    free(levels);
    return png;
}

static const struct response *post_png(const char *path, const struct png *png)
{
    const struct call call = {.path = path, .media_type = "image/png", .body = png->bytes, .size = png->size};
    return send_call(server, &call);
}

/* {"images": [png, png, …]} */
static const struct response *post_images(const char *path, const struct png *pngs, size_t count)
{
    json_t *images = json_array(), *body = json_object();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(images, json_string(pngs[i].base64));
    json_object_set_new(body, "images", images);
    char *text = json_dumps(body, JSON_COMPACT);
    const struct response *response = post_json(server, path, text);
    free(text);
    json_decref(body);
    return response;
}

static const struct response *post_image(const char *path, const struct png *png)
{
    size_t size = strlen(png->base64) + 32;
    char *text = malloc(size);
    assert_non_null(text);
    snprintf(text, size, "{\"image\":\"%s\"}", png->base64);
    const struct response *response = post_json(server, path, text);
    free(text);
    return response;
}

/* ---- Answers ------------------------------------------------------------------------------------------ */

struct answer {
    int digit;
    double probabilities[CLASSES];
};

/* Checks the answer at `place` ("" or "/predictions/3") against itself. */
static struct answer read_answer(const struct response *response, const char *place)
{
    struct answer answer = {0};
    double sum = 0;
    char pointer[64];
    if (response->status != 200)
        fail_msg("%ld: %s", response->status, response->body);
    snprintf(pointer, sizeof pointer, "%s/digit", place);
    answer.digit = (int)integer_at(response, pointer);
    for (int i = 0; i < CLASSES; i++) {
        snprintf(pointer, sizeof pointer, "%s/probabilities/%d", place, i);
        answer.probabilities[i] = json_number_value(json_at(response, pointer));
        sum += answer.probabilities[i];
    }
    assert_true(fabs(sum - 1) < 1e-5);
    assert_in_range(answer.digit, 0, 9);
    snprintf(pointer, sizeof pointer, "%s/confidence", place);
    double confidence = json_number_value(json_at(response, pointer));
    assert_true(confidence == answer.probabilities[answer.digit]);
    snprintf(pointer, sizeof pointer, "%s/uncertain", place);
    assert_true(json_is_true(json_at(response, pointer)) == (confidence < CONFIDENCE_CERTAIN));
    for (int i = 0; i < CLASSES; i++)
        assert_true(answer.probabilities[i] <= answer.probabilities[answer.digit]);
    return answer;
}

/* A batch of another size may differ in the last bits. */
static void assert_same_answer(struct answer a, struct answer b)
{
    assert_int_equal(a.digit, b.digit);
    for (int i = 0; i < CLASSES; i++)
        assert_true(fabs(a.probabilities[i] - b.probabilities[i]) < 1e-5);
}

/* The 28x28 in the answer, as grey levels. */
static void read_input(const struct response *response, const char *pointer, uint8_t levels[IMAGE_PIXELS])
{
    uint8_t *png;
    size_t size;
    struct pixels pixels;
    const char *text = text_at(response, pointer);
    assert_int_equal(base64_decode(text, strlen(text), &png, &size, NULL), OK);
    assert_int_equal(png_decode(png, size, &pixels, NULL), OK);
    assert_int_equal(pixels.width, IMAGE_SIDE);
    assert_int_equal(pixels.height, IMAGE_SIDE);
    for (int i = 0; i < IMAGE_PIXELS; i++)
        levels[i] = pixels.rgba[4 * i];
    free(pixels.rgba);
    free(png);
}

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

/* ---- What is refused ---------------------------------------------------------------------------------- */

/* The header of an image of 20,000 x 20,000 pixels. */
static const uint8_t huge_png[] = {0x89, 'P',  'N', 'G', '\r', '\n', 0x1a, '\n', 0,    0,    0,
                                   13,   'I',  'H', 'D', 'R',  0,    0,    0x4e, 0x20, 0,    0,
                                   0x4e, 0x20, 8,   0,   0,    0,    0,    0x30, 0x53, 0x77, 0x9e};

static void broken_pictures_are_refused(void **state)
{
    (void)state;
    struct png png = encode_digit(0),
               empty = encode((const uint8_t[IMAGE_PIXELS]){0}, IMAGE_SIDE, IMAGE_SIDE);
    const struct {
        const void *body;
        size_t size;
        long status;
        const char *slug;
    } cases[] = {
        {"", 0, 400, "malformed"},
        {"this is text, not a picture", 27, 422, "undecodable"},
        {png.bytes, 20, 422, "undecodable"},
        {png.bytes, png.size / 2, 422, "undecodable"},
        {png.bytes, png.size - 1, 422, "undecodable"},
        {huge_png, sizeof huge_png, 413, "too-large"},
        {empty.bytes, empty.size, 422, "no-ink"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct call call = {.path = "/api/v1/predict",
                                  .method = "POST",
                                  .media_type = "image/png",
                                  .body = cases[i].size ? cases[i].body : NULL,
                                  .size = cases[i].size};
        assert_problem(send_call(server, &call), cases[i].status, cases[i].slug, NULL);
        if (cases[i].size) {
            const struct response *response =
                post_form(server, "/api/v1/predict", "image", cases[i].body, cases[i].size);
            assert_problem(response, cases[i].status, cases[i].slug, "/image");
        }
    }
    png_free(&png);
    png_free(&empty);
}

static void broken_json_is_refused_with_the_field_named(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        long status;
        const char *slug, *pointer, *detail;
    } cases[] = {
        {"", 400, "malformed", NULL, "empty"},
        {"{", 400, "malformed", NULL, "line 1"},
        {"{\"strokes\":[[[1,1]]],\"strokes\":[]}", 400, "malformed", NULL, "strokes"},
        {"[]", 422, "invalid", NULL, "image"},
        {"{}", 422, "invalid", NULL, "image, images and strokes"},
        {"{\"picture\":1}", 422, "invalid", "/picture", "unknown field"},
        {"{\"image\":\"\",\"strokes\":[]}", 422, "invalid", NULL, "exactly one"},
        {"{\"image\":7}", 422, "invalid", "/image", "base64"},
        {"{\"image\":\"***\"}", 422, "undecodable", "/image", "base64"},
        {"{\"image\":\"c2V2ZW4=\"}", 422, "undecodable", "/image", "PNG"},
        {"{\"images\":[]}", 422, "invalid", "/images", "1 to 256"},
        {"{\"images\":{}}", 422, "invalid", "/images", "1 to 256"},
        {"{\"images\":[\"c2V2ZW4=\"]}", 422, "undecodable", "/images/0", "PNG"},
        {"{\"strokes\":7}", 422, "invalid", "/strokes", "list"},
        {"{\"strokes\":[]}", 422, "no-ink", "/strokes", "no point"},
        {"{\"strokes\":[[]]}", 422, "no-ink", "/strokes", "no point"},
        {"{\"strokes\":[[[1,2]],7]}", 422, "invalid", "/strokes/1", "list of points"},
        {"{\"strokes\":[[[1,2],[3]]]}", 422, "invalid", "/strokes/0/1", "point"},
        {"{\"strokes\":[[[1,\"2\"]]]}", 422, "invalid", "/strokes/0/0", "point"},
        {"{\"strokes\":[[[1,2,3]]]}", 422, "invalid", "/strokes/0/0", "point"},
        {"{\"strokes\":[[[1,1e300]]]}", 422, "invalid", "/strokes", "finite"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct call call = {.path = "/api/v1/predict",
                                  .method = "POST",
                                  .media_type = "application/json",
                                  .body = *cases[i].body ? cases[i].body : NULL};
        const struct response *response = send_call(server, &call);
        assert_problem(response, cases[i].status, cases[i].slug, cases[i].pointer);
        if (!strstr(text_at(response, "/detail"), cases[i].detail))
            fail_msg("%s: %s", cases[i].body, response->body);
    }
}

static void forms_need_one_part_called_image(void **state)
{
    (void)state;
    struct png png = encode_digit(0);
    const struct response *response = post_form(server, "/api/v1/predict", "picture", png.bytes, png.size);
    assert_problem(response, 400, "malformed", NULL);
    assert_non_null(strstr(text_at(response, "/detail"), "\"image\""));
    png_free(&png);

    static const char *const bodies[] = {
        ("--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\na\r\n"
         "--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nb\r\n--x--\r\n"),
        "--y\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\na\r\n--y--\r\n",
        "--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nnever ends", "not a form"};
    for (size_t i = 0; i < 4; i++) {
        const struct call call = {
            .path = "/api/v1/predict", .media_type = "multipart/form-data; boundary=x", .body = bodies[i]};
        assert_problem(send_call(server, &call), 400, "malformed", NULL);
    }
    const struct call without_boundary = {
        .path = "/api/v1/predict", .media_type = "multipart/form-data", .body = bodies[0]};
    assert_problem(send_call(server, &without_boundary), 400, "malformed", NULL);
}

static void query_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *path, *parameter;
    } cases[] = {{"/api/v1/predict?mode=upside-down", "mode"},
                 {"/api/v1/predict?version=0", "version"},
                 {"/api/v1/predict?version=one", "version"},
                 {"/api/v1/predict?version=99999999999", "version"},
                 {"/api/v1/predict?alias=No%20Name", "alias"},
                 {"/api/v1/predict?job=17", "job"},
                 {"/api/v1/predict?version=1&alias=production", "version"},
                 {"/api/v1/predict?job=job_0123456789abcdef&alias=production", "job"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_problem(post_json(server, cases[i].path, "{\"strokes\":[[[1,1]]]}"), 400, "malformed",
                       cases[i].parameter);
}

/* A good picture with 30 chunks of compressed text that inflate to 7 MB each. */
static struct png make_bomb(const struct png *png)
{
    const size_t plain_size = 7 << 20, chunk_size = 16 << 10, header = 33;
    uint8_t *plain = calloc(1, plain_size), *chunk = malloc(chunk_size);
    struct png bomb = {.bytes = malloc(30 * chunk_size + png->size), .size = header};
    assert_true(plain && chunk && bomb.bytes);
    uLongf packed = chunk_size - 3;
    memcpy(chunk, "a\0", 3);
    assert_int_equal(compress2(chunk + 3, &packed, plain, plain_size, 9), Z_OK);
    memcpy(bomb.bytes, png->bytes, header);
    for (int i = 0; i < 30; i++)
        bomb.size += add_chunk(bomb.bytes + bomb.size, "zTXt", chunk, packed + 3);
    memcpy(bomb.bytes + bomb.size, png->bytes + header, png->size - header);
    bomb.size += png->size - header;
    free(plain);
    free(chunk);
    return bomb;
}

static void hostile_requests_leave_memory_flat(void **state)
{
    (void)state;
    struct png png = encode_digit(0), bomb = make_bomb(&png);
    char *deep = malloc(200001);
    memset(deep, '[', 200000);
    deep[200000] = '\0';
    long before = 0;
    for (int round = 0; round < 60; round++) {
        if (round == 10)
            before = server_memory(server);
        assert_problem(post_png("/api/v1/predict?mode=raw", &bomb), 503, "no-model", NULL);
        assert_problem(post_json(server, "/api/v1/predict", deep), 400, "malformed", NULL);
        const struct call huge = {
            .path = "/api/v1/predict", .media_type = "image/png", .body = huge_png, .size = sizeof huge_png};
        assert_problem(send_call(server, &huge), 413, "too-large", NULL);
        const struct call cut = {
            .path = "/api/v1/predict", .media_type = "image/png", .body = bomb.bytes, .size = bomb.size - 20};
        assert_problem(send_call(server, &cut), 422, "undecodable", NULL);
    }
    assert_true(server_is_alive(server));
    long growth = server_memory(server) - before;
    if (growth > 4096)
        fail_msg("memory grew by %ld KiB in 200 requests", growth);
    png_free(&png);
    png_free(&bomb);
    free(deep);
}

/* ---- A model in training, and in production ------------------------------------------------------------ */

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

static int load_digits(void)
{
    char folder[512];
    const char *data_dir = getenv("DIGITD_DATA_DIR");
    struct error err;
    snprintf(folder, sizeof folder, "%s/mnist", data_dir ? data_dir : "data/datasets");
    if (dataset_load(folder, SPLIT_TEST, &digits, &err) == OK)
        return 0;
    print_error("%s\n", err.message);
    return -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_model_it_says_so),
        cmocka_unit_test(broken_pictures_are_refused),
        cmocka_unit_test(broken_json_is_refused_with_the_field_named),
        cmocka_unit_test(forms_need_one_part_called_image),
        cmocka_unit_test(query_is_checked),
        cmocka_unit_test(hostile_requests_leave_memory_flat),
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

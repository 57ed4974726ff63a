/* What a prediction refuses, and that hostile requests leave the memory flat. */
#include "tests/api/pictures.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_pictures_are_refused),
        cmocka_unit_test(broken_json_is_refused_with_the_field_named),
        cmocka_unit_test(forms_need_one_part_called_image),
        cmocka_unit_test(query_is_checked),
        cmocka_unit_test(hostile_requests_leave_memory_flat),
    };
    if (load_digits() != 0)
        return 1;
    int failed = run_with_server("predict_refusals", tests, sizeof tests / sizeof *tests, NULL, &server);
    dataset_unref(digits);
    return failed;
}

/* Pictures to send, and the answers to them. */
#ifndef DIGITD_TESTS_PICTURES_H
#define DIGITD_TESTS_PICTURES_H

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

/* ---- Pictures ----------------------------------------------------------------------------------------- */

struct png {
    uint8_t *bytes;
    size_t size;
    char *base64;
};

static inline struct png encode(const uint8_t *levels, int width, int height)
{
    struct png png;
    assert_int_equal(png_encode_grey(levels, width, height, &png.bytes, &png.size, NULL), OK);
    png.base64 = base64_encode(png.bytes, png.size);
    assert_non_null(png.base64);
    return png;
}

static inline struct png encode_digit(size_t index)
{
    return encode(dataset_image(digits, index), IMAGE_SIDE, IMAGE_SIDE);
}

static inline void png_free(struct png *png)
{
    free(png->bytes);
    free(png->base64);
}

/* A black square on white of `side` pixels. */
static inline struct png encode_square(int side)
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

static inline const struct response *post_png(const char *path, const struct png *png)
{
    const struct call call = {.path = path, .media_type = "image/png", .body = png->bytes, .size = png->size};
    return send_call(server, &call);
}

/* {"images": [png, png, …]} */
static inline const struct response *post_images(const char *path, const struct png *pngs, size_t count)
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

static inline const struct response *post_image(const char *path, const struct png *png)
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
static inline struct answer read_answer(const struct response *response, const char *place)
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
static inline void assert_same_answer(struct answer a, struct answer b)
{
    assert_int_equal(a.digit, b.digit);
    for (int i = 0; i < CLASSES; i++)
        assert_true(fabs(a.probabilities[i] - b.probabilities[i]) < 1e-5);
}

/* The 28x28 in the answer, as grey levels. */
static inline void read_input(const struct response *response, const char *pointer,
                              uint8_t levels[IMAGE_PIXELS])
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

static inline int load_digits(void)
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

#endif

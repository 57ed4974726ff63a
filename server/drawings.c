#include "server/drawings.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base64.h"
#include "server/http.h"
#include "server/input.h"
#include "server/png.h"
#include "server/problem.h"

/* Of all pictures of a request together: each costs some 10 ns a pixel. */
#define PIXELS_MAX ((size_t)4 << 20)

/* More is read on a worker. */
#define QUICK_PIXELS     ((size_t)256 * 256)
#define QUICK_JSON_BYTES ((size_t)16 << 10)

/* The first thing that is wrong with a request. */
struct fault {
    enum problem problem;
    struct error err;
};

static bool fail(struct fault *fault, enum problem problem, const char *pointer, const char *message)
{
    fault->problem = problem;
    error_set(&fault->err, ERR_ARGUMENT, "%s", message);
    snprintf(fault->err.pointer, sizeof fault->err.pointer, "%s", pointer);
    return false;
}

/* ---- Pictures ------------------------------------------------------------------------------------------------ */

/* A PNG to a 28x28 image; `pixels_left` is what this request may still decode. */
static bool read_png(const uint8_t *png, size_t size, enum drawing_mode mode, const char *pointer,
                     size_t *pixels_left, uint8_t image[IMAGE_PIXELS], struct fault *fault)
{
    struct pixels pixels;
    struct error err;
    enum status status = png_decode(png, size, &pixels, &err);
    if (status != OK) {
        char message[sizeof err.message + 32];
        snprintf(message, sizeof message, "not a readable PNG: %s", err.message);
        return status == ERR_FORMAT  ? fail(fault, PROBLEM_UNDECODABLE, pointer, message)
               : status == ERR_SHAPE ? fail(fault, PROBLEM_TOO_LARGE, pointer, err.message)
                                     : fail(fault, PROBLEM_OVERLOADED, pointer, err.message);
    }
    size_t area = (size_t)pixels.width * (size_t)pixels.height;
    bool fits = area <= *pixels_left;
    status = ERR_MEMORY;
    if (fits) {
        *pixels_left -= area;
        status = drawing_from_pixels(pixels.rgba, pixels.width, pixels.height, mode, image, &err);
    }
    free(pixels.rgba);
    if (!fits)
        return fail(fault, PROBLEM_TOO_LARGE, pointer,
                    "the pictures of a request may have 4 million pixels in all");
    return status == OK || fail(fault,
                                status == ERR_NO_INK   ? PROBLEM_NO_INK
                                : status == ERR_MEMORY ? PROBLEM_OVERLOADED
                                                       : PROBLEM_INVALID,
                                pointer, err.message);
}

static bool read_base64_png(const json_t *json, enum drawing_mode mode, const char *pointer,
                            size_t *pixels_left, uint8_t image[IMAGE_PIXELS], struct fault *fault)
{
    if (!json_is_string(json))
        return fail(fault, PROBLEM_INVALID, pointer, "expected a string: a PNG in base64");
    uint8_t *png;
    size_t size;
    struct error err;
    enum status status = base64_decode(json_string_value(json), json_string_length(json), &png, &size, &err);
    if (status != OK)
        return fail(fault, status == ERR_FORMAT ? PROBLEM_UNDECODABLE : PROBLEM_OVERLOADED, pointer,
                    err.message);
    bool sound = read_png(png, size, mode, pointer, pixels_left, image, fault);
    free(png);
    return sound;
}

static bool drawings_allocate(struct drawings *drawings, size_t count, struct fault *fault)
{
    drawings->images = malloc(count * sizeof *drawings->images);
    drawings->count = count;
    return drawings->images || fail(fault, PROBLEM_OVERLOADED, "", "no memory for the drawings");
}

static bool read_one_png(const uint8_t *png, size_t size, enum drawing_mode mode, const char *pointer,
                         struct drawings *drawings, struct fault *fault)
{
    size_t pixels_left = PIXELS_MAX;
    return drawings_allocate(drawings, 1, fault) &&
           read_png(png, size, mode, pointer, &pixels_left, drawings->images[0], fault);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------- */

static bool read_images(const json_t *list, enum drawing_mode mode, struct drawings *drawings,
                        struct fault *fault)
{
    size_t count = json_array_size(list), pixels_left = PIXELS_MAX;
    if (!json_is_array(list) || count < 1 || count > DRAWINGS_MAX)
        return fail(fault, PROBLEM_INVALID, "/images", "expected a list of 1 to 256 PNGs in base64");
    drawings->is_list = true;
    if (!drawings_allocate(drawings, count, fault))
        return false;
    for (size_t i = 0; i < count; i++) {
        char pointer[32];
        snprintf(pointer, sizeof pointer, "/images/%zu", i);
        if (!read_base64_png(json_array_get(list, i), mode, pointer, &pixels_left, drawings->images[i],
                             fault))
            return false;
    }
    return true;
}

/* [[[x,y],…],…] to points; `points` has room for all. */
static bool read_points(const json_t *strokes, struct stroke_point *points, struct fault *fault)
{
    size_t i, j, count = 0;
    json_t *stroke, *point;
    json_array_foreach(strokes, i, stroke) json_array_foreach(stroke, j, point)
    {
        const json_t *x = json_array_get(point, 0), *y = json_array_get(point, 1);
        if (json_array_size(point) != 2 || !json_is_number(x) || !json_is_number(y)) {
            char pointer[64];
            snprintf(pointer, sizeof pointer, "/strokes/%zu/%zu", i, j);
            return fail(fault, PROBLEM_INVALID, pointer, "expected a point [x, y]");
        }
        points[count++] = (struct stroke_point){
            .x = (float)json_number_value(x), .y = (float)json_number_value(y), .starts_stroke = j == 0};
    }
    return true;
}

static bool read_strokes(const json_t *strokes, struct drawings *drawings, struct fault *fault)
{
    size_t i, count = 0;
    json_t *stroke;
    if (!json_is_array(strokes))
        return fail(fault, PROBLEM_INVALID, "/strokes", "expected a list of strokes");
    json_array_foreach(strokes, i, stroke)
    {
        char pointer[32];
        snprintf(pointer, sizeof pointer, "/strokes/%zu", i);
        if (!json_is_array(stroke))
            return fail(fault, PROBLEM_INVALID, pointer, "expected a list of points [x, y]");
        count += json_array_size(stroke);
    }
    struct stroke_point *points = malloc((count + 1) * sizeof *points);
    if (!points)
        return fail(fault, PROBLEM_OVERLOADED, "", "no memory for the strokes");
    struct error err;
    bool sound = drawings_allocate(drawings, 1, fault) && read_points(strokes, points, fault);
    if (sound) {
        enum status status = drawing_from_strokes(points, count, drawings->images[0], &err);
        if (status != OK)
            sound =
                fail(fault, status == ERR_NO_INK ? PROBLEM_NO_INK : PROBLEM_INVALID, "/strokes", err.message);
    }
    free(points);
    return sound;
}

static bool read_json(const json_t *body, enum drawing_mode mode, struct drawings *drawings,
                      struct fault *fault)
{
    static const char *const known[] = {"image", "images", "strokes", NULL};
    struct problems problems = {0};
    input_known_fields(body, "", known, &problems);
    if (problems.count)
        return fail(fault, PROBLEM_INVALID, problems.items[0].pointer, problems.items[0].message);
    const json_t *image = json_object_get(body, "image"), *images = json_object_get(body, "images"),
                 *strokes = json_object_get(body, "strokes");
    if (!!image + !!images + !!strokes != 1)
        return fail(fault, PROBLEM_INVALID, "", "exactly one of image, images and strokes is needed");
    size_t pixels_left = PIXELS_MAX;
    if (images)
        return read_images(images, mode, drawings, fault);
    if (strokes)
        return read_strokes(strokes, drawings, fault);
    return drawings_allocate(drawings, 1, fault) &&
           read_base64_png(image, mode, "/image", &pixels_left, drawings->images[0], fault);
}

/* ---- Bodies --------------------------------------------------------------------------------------------------- */

static bool read_png_body(struct request *request, enum drawing_mode mode, struct drawings *drawings,
                          struct fault *fault)
{
    size_t size;
    const uint8_t *png = request_body(request, &size);
    return read_one_png(png, size, mode, "", drawings, fault);
}

static bool read_form_body(struct request *request, enum drawing_mode mode, struct drawings *drawings,
                           struct fault *fault)
{
    const uint8_t *png;
    size_t size;
    struct error err;
    enum status status = request_form_part(request, "image", &png, &size, &err);
    if (status != OK)
        return fail(fault, status == ERR_MEMORY ? PROBLEM_OVERLOADED : PROBLEM_MALFORMED, "", err.message);
    return read_one_png(png, size, mode, "/image", drawings, fault);
}

static bool read_json_body(struct request *request, enum drawing_mode mode, struct drawings *drawings,
                           struct fault *fault)
{
    size_t size;
    const uint8_t *text = request_body(request, &size);
    json_t *body;
    struct error err;
    enum status status = input_json_parse(text, size, &body, &err);
    if (status != OK)
        return fail(fault, status == ERR_MEMORY ? PROBLEM_OVERLOADED : PROBLEM_MALFORMED, "", err.message);
    bool sound = read_json(body, mode, drawings, fault);
    json_decref(body);
    return sound;
}

static const struct {
    const char *media_type;
    bool (*read)(struct request *, enum drawing_mode, struct drawings *, struct fault *);
} readers[] = {{"image/png", read_png_body},
               {"application/json", read_json_body},
               {"multipart/form-data", read_form_body}};

#define READER_COUNT (sizeof readers / sizeof *readers)

static bool read_body(struct request *request, enum drawing_mode mode, struct drawings *drawings,
                      struct fault *fault)
{
    size_t size;
    request_body(request, &size);
    if (size == 0)
        return fail(fault, PROBLEM_MALFORMED, "",
                    "the body is empty; send a PNG, a form with the part image, or JSON");
    for (size_t i = 0; i < READER_COUNT; i++)
        if (strcmp(readers[i].media_type, request_media_type(request)) == 0)
            return readers[i].read(request, mode, drawings, fault);
    return fail(fault, PROBLEM_MEDIA_TYPE, "", "a body of this type holds no drawing");
}

static void reply_fault(struct request *request, const struct fault *fault)
{
    struct problems problems = {.count = 1, .items = {fault->err}};
    if (fault->err.pointer[0])
        reply_problems(request, fault->problem, &problems);
    else
        reply_problem(request, fault->problem, "%s", fault->err.message);
}

/* Hands over what was read, or says what is wrong with it. */
static bool finish(struct request *request, bool sound, struct drawings *drawings, const struct fault *fault,
                   struct drawings *ret_drawings)
{
    if (sound) {
        *ret_drawings = *drawings;
        return true;
    }
    drawings_free(drawings);
    reply_fault(request, fault);
    return false;
}

bool drawings_read(struct request *request, enum drawing_mode mode, struct drawings *ret_drawings)
{
    struct drawings drawings = {0};
    struct fault fault;
    bool sound = read_body(request, mode, &drawings, &fault);
    return finish(request, sound, &drawings, &fault, ret_drawings);
}

bool drawings_read_json(struct request *request, const json_t *body, enum drawing_mode mode,
                        struct drawings *ret_drawings)
{
    struct drawings drawings = {0};
    struct fault fault;
    bool sound = read_json(body, mode, &drawings, &fault);
    return finish(request, sound, &drawings, &fault, ret_drawings);
}

void drawings_free(struct drawings *drawings)
{
    free(drawings->images);
    *drawings = (struct drawings){0};
}

bool drawings_take_long(const struct request *request)
{
    size_t size;
    uint32_t width, height;
    const uint8_t *body = request_body(request, &size);
    if (strcmp(request_media_type(request), "image/png") != 0)
        return size > QUICK_JSON_BYTES;
    return png_read_sides(body, size, &width, &height, NULL) == OK && width <= PNG_SIDE_MAX &&
           height <= PNG_SIDE_MAX && (size_t)width * height > QUICK_PIXELS;
}

/* POST /api/v1/predict/explain, POST /api/v1/models/{model}/predict/explain */
#include <math.h>
#include <stdlib.h>

#include "server/app.h"
#include "server/drawings.h"
#include "server/handle_predict.h"
#include "server/handlers.h"
#include "server/predict.h"
#include "server/problem.h"
#include "server/reply.h"

/* Saliency and levels are floats: more digits than this would be noise. */
#define DIGITS 5

/* Grey for 0, light for what spoke for the digit, dark for what spoke against it. */
static json_t *saliency_to_json(const float saliency[IMAGE_PIXELS])
{
    uint8_t levels[IMAGE_PIXELS];
    float most = 0;
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        most = fmaxf(most, fabsf(saliency[i]));
    bool flat = !isfinite(most) || most <= 0;
    json_t *rows = json_array();
    for (size_t i = 0; i < IMAGE_PIXELS; i++) {
        levels[i] = flat ? 128 : (uint8_t)lrintf(128 + 127 * saliency[i] / most);
        if (i % IMAGE_SIDE == 0)
            json_array_append_new(rows, json_array());
        json_array_append_new(json_array_get(rows, i / IMAGE_SIDE), predict_number_to_json(saliency[i]));
    }
    return json_pack("{s:i, s:i, s:o, s:o}", "width", IMAGE_SIDE, "height", IMAGE_SIDE, "png",
                     predict_levels_to_json(levels, IMAGE_SIDE, IMAGE_SIDE), "values", rows);
}

/* Maps in rows, all on one scale: black for the smallest value, white for the largest. */
static json_t *grid_to_json(const struct feature_maps *maps, int columns, int rows, float low, float high)
{
    size_t pixels = (size_t)maps->shape.height * (size_t)maps->shape.width,
           width = (size_t)(columns * maps->shape.width);
    uint8_t *levels = calloc(width, (size_t)(rows * maps->shape.height));
    if (!levels)
        return NULL;
    for (size_t i = 0; i < pixels * (size_t)maps->shape.channels; i++) {
        size_t map = i / pixels, x = i % pixels % (size_t)maps->shape.width,
               y = i % pixels / (size_t)maps->shape.width;
        x += map % (size_t)columns * (size_t)maps->shape.width;
        y += map / (size_t)columns * (size_t)maps->shape.height;
        float level = 255 * (maps->values[i] - low) / (high - low);
        levels[y * width + x] = isfinite(level) ? (uint8_t)lrintf(fminf(255, fmaxf(0, level))) : 0;
    }
    json_t *json = predict_levels_to_json(levels, (int)width, rows * maps->shape.height);
    free(levels);
    return json;
}

/* Maps in a row: about as many as there are rows. A unit of a vector is one pixel, and an empty place would look like
 * another: there the last row is full, if a width up to twice the square's allows that. */
static int columns_of(struct shape shape)
{
    int square = (int)ceil(sqrt(shape.channels));
    for (int columns = square; shape.height * shape.width == 1 && columns <= 2 * square; columns++)
        if (shape.channels % columns == 0)
            return columns;
    return square;
}

static json_t *layer_to_json(const struct model_plan *plan, const struct feature_maps *maps)
{
    struct shape shape = maps->shape;
    size_t count = (size_t)shape.height * (size_t)shape.width * (size_t)shape.channels;
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        low = fminf(low, maps->values[i]);
        high = fmaxf(high, maps->values[i]);
    }
    int columns = columns_of(shape), rows = (shape.channels + columns - 1) / columns;
    return json_pack("{s:s, s:s, s:[iii], s:i, s:i, s:o, s:o, s:o}", "name", plan->layers[maps->layer].name,
                     "kind", layer_kind_name(plan->spec.layers[maps->layer].kind), "shape", shape.height,
                     shape.width, shape.channels, "columns", columns, "rows", rows, "minimum",
                     predict_number_to_json(low), "maximum", predict_number_to_json(high), "png",
                     grid_to_json(maps, columns, rows, low, high));
}

static void reply_explanation(struct request *request, const struct served_model *served,
                              enum drawing_mode mode, const uint8_t image[IMAGE_PIXELS],
                              const struct explanation *explanation)
{
    json_t *body = predict_answer_to_json(explanation->probabilities, mode, image);
    json_t *layers = json_array();
    int failed = 0;
    for (size_t i = 0; i < explanation->count; i++)
        failed |= json_array_append_new(layers,
                                        layer_to_json(model_plan_of(served->model), &explanation->layers[i]));
    failed |= json_object_set_new(body, "model", predict_model_to_json(served));
    failed |= json_object_set_new(body, "saliency", saliency_to_json(explanation->saliency));
    failed |= json_object_set_new(body, "layers", layers);
    if (failed) {
        json_decref(body);
        body = NULL;
    }
    reply_json_digits(request, 200, body, DIGITS);
}

static void explain(struct request *request, const struct served_model *served, enum drawing_mode mode,
                    const uint8_t image[IMAGE_PIXELS])
{
    struct explanation *explanation;
    struct error err;
    float pixels[IMAGE_PIXELS];
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        pixels[i] = (float)image[i] / 255.0f;
    if (explanation_create(served->model, pixels, &explanation, &err) != OK) {
        reply_error(request, &err);
        return;
    }
    reply_explanation(request, served, mode, image, explanation);
    explanation_free(explanation);
}

static bool is_one_drawing(struct request *request, const struct drawings *drawings)
{
    struct problems problems = {0};
    if (drawings->count == 1)
        return true;
    problems_add(&problems, ERR_ARGUMENT, "/images", "expected one drawing to explain, found %zu",
                 drawings->count);
    reply_problems(request, PROBLEM_INVALID, &problems);
    return false;
}

void handle_explain(struct app *app, struct request *request)
{
    struct model_choice choice;
    enum drawing_mode mode;
    struct drawings drawings = {0};
    if (!predict_read_query(request, &choice, &mode) || !drawings_read(request, mode, &drawings))
        return;
    struct served_model *served =
        is_one_drawing(request, &drawings) ? model_choice_load(app, request, &choice) : NULL;
    if (served)
        explain(request, served, mode, drawings.images[0]);
    served_model_unref(served);
    drawings_free(&drawings);
}

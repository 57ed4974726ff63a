/* POST /api/v1/predict, POST /api/v1/models/{model}/predict */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/base64.h"
#include "server/drawings.h"
#include "server/handle_predict.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/model_choice.h"
#include "server/names.h"
#include "server/png.h"
#include "server/predict.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/tensor_call.h"

/* Probabilities are floats: more digits than they hold would be noise. */
#define DIGITS 7

/* An answer takes some 25 us to write: longer lists are written on a worker. */
#define QUICK_ANSWERS 16

/* A request between its submission and its reply; owned by the request. */
struct call {
    struct prediction prediction; /* first: `done` gets the call by it */
    struct request *request;
    struct served_model *served;
    enum drawing_mode mode;
    struct drawings drawings;
    float *pixels;        /* [count][28][28] */
    float *probabilities; /* [count][10] */
    bool refused;         /* the queue was full */
};

static handler predict_on_worker;

static void call_free(void *context)
{
    struct call *call = context;
    served_model_unref(call->served);
    drawings_free(&call->drawings);
    free(call->pixels);
    free(call->probabilities);
    free(call);
}

/* ---- Reply -------------------------------------------------------------------------------------------------- */

json_t *predict_model_to_json(const struct served_model *served)
{
    if (served->version)
        return json_pack("{s:s, s:i}", "name", served->name, "version", served->version);
    return json_pack("{s:s, s:s, s:i}", "name", served->name, "job", served->job, "epoch", served->epoch);
}

/* Takes the PNG. */
static json_t *png_to_json(uint8_t *png, size_t size)
{
    char *text = base64_encode(png, size);
    json_t *json = text ? json_string_nocheck(text) : NULL;
    free(text);
    free(png);
    return json;
}

json_t *predict_levels_to_json(const uint8_t *levels, int width, int height)
{
    uint8_t *png;
    size_t size;
    return png_encode_grey(levels, width, height, &png, &size, NULL) == OK ? png_to_json(png, size) : NULL;
}

/* Compressing it would be a tenth of all that an answer costs. */
static json_t *image_to_json(const uint8_t image[IMAGE_PIXELS])
{
    uint8_t *png;
    size_t size;
    return png_store_grey(image, IMAGE_SIDE, IMAGE_SIDE, &png, &size, NULL) == OK ? png_to_json(png, size)
                                                                                  : NULL;
}

/* JSON has no NaN: a model that diverged answers null. */
json_t *predict_number_to_json(float number)
{
    return isfinite(number) ? json_real((double)number) : json_null();
}

json_t *predict_answer_to_json(const float probabilities[CLASSES], enum drawing_mode mode,
                               const uint8_t image[IMAGE_PIXELS])
{
    json_t *list = json_array();
    size_t best = 0;
    for (size_t i = 0; i < CLASSES; i++) {
        json_array_append_new(list, predict_number_to_json(probabilities[i]));
        if (probabilities[i] > probabilities[best])
            best = i;
    }
    if (json_array_size(list) != CLASSES) {
        json_decref(list);
        return NULL;
    }
    return json_pack("{s:i, s:o, s:b, s:o, s:{s:s, s:o}}", "digit", (int)best, "confidence",
                     predict_number_to_json(probabilities[best]), "uncertain",
                     prediction_is_uncertain(probabilities[best]), "probabilities", list, "input", "mode",
                     drawing_mode_name(mode), "png", image_to_json(image));
}

static json_t *answer_to_json(const struct call *call, size_t index)
{
    return predict_answer_to_json(call->probabilities + index * CLASSES, call->mode,
                                  call->drawings.images[index]);
}

static json_t *list_to_json(const struct call *call)
{
    json_t *list = json_array();
    for (size_t i = 0; i < call->drawings.count; i++)
        if (json_array_append_new(list, answer_to_json(call, i)) != 0) {
            json_decref(list);
            return NULL;
        }
    return json_pack("{s:o}", "predictions", list);
}

static json_t *timing_to_json(const struct prediction *done)
{
    return json_pack("{s:I, s:I, s:I}", "queue_us", (json_int_t)(done->queue_ns / 1000), "compute_us",
                     (json_int_t)(done->compute_ns / 1000), "batch_size", (json_int_t)done->batch_size);
}

/* With the probabilities there, or the submission refused. */
static void reply_answer(struct app *app, struct request *request)
{
    (void)app;
    const struct call *call = request_context(request);
    const struct prediction *done = &call->prediction;
    if (reply_prediction_failed(request, done, call->refused))
        return;
    json_t *body = call->drawings.is_list ? list_to_json(call) : answer_to_json(call, 0);
    if (json_object_set_new(body, "model", predict_model_to_json(call->served)) != 0 ||
        json_object_set_new(body, "timing", timing_to_json(done)) != 0) {
        json_decref(body);
        body = NULL;
    }
    reply_json_digits(request, 200, body, DIGITS);
}

static void reply_list(struct app *app, struct request *request)
{
    (void)app;
    request_move_to_worker(request, reply_answer);
}

static void prediction_done(struct prediction *prediction)
{
    struct call *call = (struct call *)prediction;
    request_resume(call->request);
}

static bool client_left(const struct prediction *prediction)
{
    return request_client_left(((const struct call *)prediction)->request);
}

/* ---- Request ------------------------------------------------------------------------------------------------ */

bool predict_read_query(struct request *request, struct model_choice *ret_choice, enum drawing_mode *ret_mode)
{
    static const char *const modes[] = {"auto", "raw", "drawing", NULL};
    struct problems problems = {0};
    const char *name = request_param(request, "model");
    struct model_choice choice = {
        .name = name ? name : PREDICT_DEFAULT_NAME, .named = name, .job = request_query(request, "job")};
    int mode = DRAWING_AUTO;
    input_query_choice(request, "mode", modes, &mode, &problems);
    input_query_name(request, "alias", &choice.alias, &problems);
    input_query_integer(request, "version", 1, INT32_MAX, &choice.version, &problems);
    if (choice.job && !job_id_is_valid(choice.job))
        problems_add(&problems, ERR_ARGUMENT, "?job", "\"%.40s\" is not the id of a job", choice.job);
    if (!!choice.version + !!choice.job + !!choice.alias > 1)
        problems_add(&problems, ERR_ARGUMENT, choice.version ? "?version" : "?job",
                     "only one of version, alias and job can be given");
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
        return false;
    }
    *ret_choice = choice;
    *ret_mode = (enum drawing_mode)mode;
    return true;
}

static bool call_prepare(struct call *call)
{
    size_t count = call->drawings.count;
    call->pixels = malloc(count * IMAGE_PIXELS * sizeof *call->pixels);
    call->probabilities = malloc(count * CLASSES * sizeof *call->probabilities);
    if (!call->pixels || !call->probabilities)
        return false;
    const uint8_t *bytes = call->drawings.images[0];
    for (size_t i = 0; i < count * IMAGE_PIXELS; i++)
        call->pixels[i] = (float)bytes[i] / 255.0f;
    call->prediction = (struct prediction){.served = call->served,
                                           .count = count,
                                           .images = call->pixels,
                                           .probabilities = call->probabilities,
                                           .done = prediction_done,
                                           .is_abandoned = client_left};
    return true;
}

static void submit(struct app *app, struct request *request, struct call *call)
{
    if (!call_prepare(call)) {
        reply_problem(request, PROBLEM_OVERLOADED, "No memory for this prediction at the moment.");
        return;
    }
    if (predict_now(app->predictions, &call->prediction)) {
        reply_answer(app, request);
        return;
    }
    request_suspend(request, call->drawings.count > QUICK_ANSWERS ? reply_list : reply_answer);
    if (!predict_submit(app->predictions, &call->prediction)) {
        call->refused = true;
        request_resume(request);
    }
}

static void predict(struct app *app, struct request *request, bool may_block)
{
    struct model_choice choice;
    enum drawing_mode mode;
    if (!predict_read_query(request, &choice, &mode))
        return;
    struct served_model *served = model_choice_find(app, &choice);
    if (!served && model_choice_may_be_stored(&choice) && !may_block) {
        request_move_to_worker(request, predict_on_worker);
        return;
    }
    struct call *call = calloc(1, sizeof *call);
    if (!call) {
        served_model_unref(served);
        reply_problem(request, PROBLEM_OVERLOADED, "No memory for this prediction at the moment.");
        return;
    }
    *call = (struct call){.request = request, .served = served, .mode = mode};
    request_set_context(request, call, call_free);
    if (!drawings_read(request, mode, &call->drawings))
        return;
    if (!served)
        call->served = model_choice_load(app, request, &choice);
    if (call->served)
        submit(app, request, call);
}

static void predict_on_worker(struct app *app, struct request *request)
{
    predict(app, request, true);
}

void handle_predict(struct app *app, struct request *request)
{
    if (drawings_take_long(request))
        request_move_to_worker(request, predict_on_worker);
    else
        predict(app, request, false);
}
